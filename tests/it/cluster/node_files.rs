//! Logs against the node's own files: every line of every instance, byte for byte, with its time.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
};

use base64::Engine as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{
    harness::{Collected, Ended, collect, json_lines, kubeconfig, kubectl, kubectl_json, place, text},
    valve::Valve,
};

/// A line: its time with nine digits of the second, and its bytes.
type Line = (String, Vec<u8>);

/// One collection of the logs with the nodes' files.
static FILES: LazyLock<Collected> = LazyLock::new(|| {
    let dir = place("node-files");
    let ended =
        Ended::of(&collect(&kubeconfig("admin"), &dir).args(["--only", "logs", "--node-logs"]).output().unwrap());
    Collected { dir, ended }
});

/// The folder of a container's log files on the node.
fn folder(namespace: &str, pod: &str, container: &str) -> PathBuf {
    let uid = text(&kubectl_json(&["-n", namespace, "get", "pod", pod])["metadata"], "uid");
    Path::new("/var/log/pods").join(format!("{namespace}_{pod}_{uid}")).join(container)
}

/// Lines of a file in the format of the container runtime interface, as a reader of the kubelet's would get them.
fn lines_of(file: &Path) -> Vec<Line> {
    let mut bytes = fs_err::read(file).unwrap();
    if file.extension().is_some_and(|extension| extension == "gz") {
        let output = Command::new("gzip").arg("-dc").arg(file).output().unwrap();
        bytes = output.stdout;
    }
    let mut lines = Vec::new();
    let mut open: Option<Line> = None;
    for record in bytes.split(|&byte| byte == b'\n').filter(|record| !record.is_empty()) {
        let mut words = record.splitn(4, |&byte| byte == b' ');
        let time = String::from_utf8(words.next().unwrap().to_vec()).unwrap();
        let (_stream, tag) = (words.next().unwrap(), words.next().unwrap());
        let (seconds, fraction) = time.trim_end_matches('Z').split_once('.').unwrap();
        let line = open.get_or_insert_with(|| (format!("{seconds}.{fraction:0<9}Z"), Vec::new()));
        line.1.extend_from_slice(words.next().unwrap_or_default());
        if tag == b"F" {
            lines.extend(open.take());
        }
    }
    lines.extend(open);
    lines
}

/// All files of one instance, the oldest first.
fn lines_on_node(folder: &Path, instance: usize) -> Vec<Line> {
    let mut files: Vec<_> = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let prefix = format!("{instance}.log");
    files.retain(|file| file.file_name().unwrap().to_str().unwrap().starts_with(&prefix));
    let mut lines: Vec<_> = files.iter().flat_map(|file| lines_of(file)).collect();
    lines.sort_by(|one, other| one.0.cmp(&other.0));
    lines
}

/// Lines of an instance in a bundle, put together from their pieces.
fn lines_in(bundle: &Path, namespace: &str, pod: &str, container: &str, instance: usize) -> Vec<Line> {
    let mut rows: Vec<Value> = Vec::new();
    for path in super::harness::files(&bundle.join("tables/kubelogs_CL")) {
        let is_ours = path.to_str().unwrap().contains(&format!("/{namespace}_{pod}_"));
        if is_ours && path.parent().unwrap().ends_with(container) {
            rows.extend(json_lines(&fs_err::read(&path).unwrap()));
        }
    }
    rows.retain(|row| row["restart_count"] == instance && row["container_name"] == container);
    let mut lines: Vec<Line> = Vec::new();
    for row in rows {
        let bytes = match row["message_b64"].as_str() {
            Some(encoded) => base64::engine::general_purpose::STANDARD.decode(encoded).unwrap(),
            None => text(&row, "message").into_bytes(),
        };
        match lines.last_mut() {
            Some(last) if row["chunk"].as_u64().unwrap_or_default() > 0 => last.1.extend_from_slice(&bytes),
            _ => lines.push((text(&row, "EventTime"), bytes)),
        }
    }
    lines.sort_by(|one, other| one.0.cmp(&other.0));
    lines
}

/// Count and digest say it in one line when a test fails.
fn summary(lines: &[Line]) -> (usize, String) {
    let mut digest = Sha256::new();
    for (time, bytes) in lines {
        digest.update(time.as_bytes());
        digest.update(bytes);
        digest.update(b"\n");
    }
    (lines.len(), digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn is_what_the_node_has(namespace: &str, pod: &str, container: &str, instance: usize) -> usize {
    let wanted = lines_on_node(&folder(namespace, pod, container), instance);
    let found = lines_in(&FILES.dir, namespace, pod, container, instance);
    assert!(!wanted.is_empty(), "{pod}/{container} has no file");
    assert_eq!(summary(&found), summary(&wanted), "{pod}/{container} instance {instance}");
    wanted.len()
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn two_rotations_lose_no_line() {
    let files = fs_err::read_dir(folder("truth", "rotating", "rotating")).unwrap().count();
    assert_eq!(files, 3, "the current file, a rotated one and a compressed one");
    assert_eq!(is_what_the_node_has("truth", "rotating", "rotating", 0), 340_001);
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn without_the_nodes_files_a_log_that_begins_late_is_told() {
    let gaps = super::harness::ADMIN.rows("forensysgaps_CL");
    let told =
        gaps.iter().find(|gap| text(gap, "object").contains("truth/rotating")).expect("a row about the rotation");
    assert!(text(told, "reason").contains("--node-logs"), "{told}");
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn long_lines_interrupted_lines_and_bytes_that_are_no_text_are_whole() {
    is_what_the_node_has("truth", "lines", "lines", 0);
    let lines = lines_in(&FILES.dir, "truth", "lines", "lines", 0);
    let has = |wanted: &[u8]| lines.iter().any(|(_, bytes)| memchr::memmem::find(bytes, wanted).is_some());
    for length in [16_384, 16_385, 200_000, 90_000] {
        assert!(lines.iter().any(|(_, bytes)| bytes.len() == length), "a line of {length} bytes");
    }
    assert!(has(b"dinterrupted 1"), "the other stream came in the middle of a line");
    assert!(has(b"\xff\xfe") && has(b"\0"));
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn init_ephemeral_and_finished_containers_are_what_the_node_has() {
    for container in ["migrate", "proxy", "web", "dbg"] {
        is_what_the_node_has("shop", "web-0", container, 0);
    }
    let pods = kubectl_json(&["-n", "shop", "get", "pods", "-l", "batch.kubernetes.io/job-name=report-1"]);
    let pod = text(&pods["items"][0]["metadata"], "name");
    is_what_the_node_has("shop", &pod, "fetch", 0);
    is_what_the_node_has("shop", &pod, "report", 0);
    is_what_the_node_has("shop", "finished", "finished", 0);
    is_what_the_node_has("shop", "odd", "odd", 0);
    is_what_the_node_has("shop", "bulk", "bulk", 0);
    is_what_the_node_has("shop", "restarted", "restarted", 0);
    is_what_the_node_has("shop", "restarted", "restarted", 1);
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn a_crash_looping_container_has_what_the_node_still_had() {
    let folder = folder("churn", "crashing", "crashing");
    let mut compared = 0;
    for entry in fs_err::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(instance) = name.strip_suffix(".log").and_then(|name| name.parse().ok()) else { continue };
        let found = lines_in(&FILES.dir, "churn", "crashing", "crashing", instance);
        // It goes on crashing: an instance that began after the collection has a file and no rows.
        if !found.is_empty() {
            assert_eq!(summary(&found), summary(&lines_on_node(&folder, instance)), "instance {instance}");
            compared += 1;
        }
    }
    assert!(compared > 0, "no instance could be compared");
}

/// A pod that says much and ends only when it is killed.
const STUBBORN: &str = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stubborn", "namespace": "churn"},
    "spec": {"terminationGracePeriodSeconds": 30, "containers": [{"name": "stubborn", "image": "local/busybox:1", "command": ["sh", "-c",
    "trap '' TERM; awk 'BEGIN { for (i = 0; i < 60000; i++) printf \"stubborn line %06d of one that will not go\\n\", i }'; echo the last line; while :; do sleep 1; done"]}]}}"#;

fn apply(object: &str) {
    use std::io::Write as _;
    let mut child = kubectl(&kubeconfig("admin"))
        .args(["apply", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(object.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

fn delete(arguments: &[&str]) {
    let mut command = kubectl(&kubeconfig("admin"));
    let deleted =
        command.args(["-n", "churn", "delete", "pod", "stubborn"]).args(arguments).stdout(Stdio::null()).status();
    assert!(deleted.unwrap().success());
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn a_pod_that_is_deleted_while_it_is_read_is_read_to_its_end() {
    delete(&["--ignore-not-found", "--force"]);
    apply(STUBBORN);
    let file = || folder("churn", "stubborn", "stubborn").join("0.log");
    super::harness::eventually("the end of the stubborn log", || {
        fs_err::read(file()).is_ok_and(|text| text.ends_with(b" the last line\n"))
    });
    let wanted = lines_of(&file());
    let valve = Valve::new(1_500_000);
    let bundle = place("deleted-while-read");
    let kubeconfig = valve.kubeconfig(&bundle.with_extension("kubeconfig"));
    let mut command = kubectl(&kubeconfig);
    command.args(["forensys", "collect", "-n", "churn", "--only", "logs", "-o", "json", "--output-dir"]).arg(&bundle);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    valve.wait_until_shut();
    delete(&["--wait=false"]);
    valve.open();
    let ended = Ended::of(&child.wait_with_output().unwrap());
    let found = lines_in(&bundle, "churn", "stubborn", "stubborn", 0);
    assert_eq!(summary(&found), summary(&wanted), "{}", ended.said);
    delete(&["--force"]);
}
