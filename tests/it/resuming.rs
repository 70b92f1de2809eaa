//! The program against the in-process Kubernetes: what a retry or a resume does to what was there.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
    process::Output,
};

use forensys::{
    bundle::verify,
    demo::{
        kubernetes::{Fault, Kubernetes, KubernetesHandle, Settings},
        scenario::{LogChunk, RecordedContainer, RecordedFile, RecordedLog, Scenario},
    },
};
use serde_json::{Value, json};

const FOLDER: &str = "shop_web_u1/app/";
const ROTATED: &str = "0.log.20260301-110000";

/// A served cluster, and a folder with its kubeconfig and the bundle.
struct Case {
    api: KubernetesHandle,
    folder: tempfile::TempDir,
}

impl Case {
    async fn new(scenario: Scenario) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let api = Kubernetes::start(Settings::new(scenario)).await.unwrap();
        api.kubeconfig(folder.path()).unwrap();
        Self { api, folder }
    }

    fn bundle(&self) -> PathBuf {
        self.folder.path().join("bundle")
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_kubectl-forensys"));
        command.args(["collect", "-o", "json", "--no-azure", "--no-preflight", "--kubeconfig"]);
        command.arg(self.folder.path().join("kubeconfig")).args(arguments).output().await.unwrap()
    }

    /// Collects; the exit status says whether something is missing.
    async fn collect(&self, arguments: &[&str]) -> Option<i32> {
        let bundle = self.bundle();
        let arguments = [&["-A", "--output-dir", bundle.to_str().unwrap()], arguments].concat();
        self.ended(self.run(&arguments).await)
    }

    /// Goes on.
    async fn resume(&self) -> Option<i32> {
        self.ended(self.run(&["--resume", self.bundle().to_str().unwrap()]).await)
    }

    /// However it ended, the bundle is sealed and sound.
    fn ended(&self, output: Output) -> Option<i32> {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(0 | 3)), "{said}");
        assert_eq!(verify(&self.bundle()).unwrap().problems, [], "{said}");
        output.status.code()
    }

    /// How often each value of a column is there, over all rows of a table.
    fn values(&self, table: &str, column: &str) -> BTreeMap<String, usize> {
        let mut values = BTreeMap::new();
        for path in files(&self.bundle().join("tables").join(table)) {
            for line in fs_err::read_to_string(path).unwrap().lines() {
                let row: Value = serde_json::from_str(line).unwrap();
                let value = row[column].as_str().unwrap_or_default().to_owned();
                *values.entry(value).or_default() += 1;
            }
        }
        values
    }

    /// The lines of all logs, each of which must be there once.
    fn lines(&self) -> Vec<String> {
        let lines = self.values("kubelogs_CL", "message");
        assert!(lines.values().all(|count| *count == 1), "{lines:?}");
        lines.into_keys().collect()
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs_err::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The time of a line: so many seconds after the container began.
fn time(second: u32) -> String {
    format!("2026-03-01T11:{:02}:{:02}.000000000Z", second / 60, second % 60)
}

fn word(second: u32) -> String {
    format!("line {second:04}")
}

/// Lines as the runtime writes them to a file.
fn file(seconds: std::ops::Range<u32>) -> Vec<u8> {
    let lines = seconds.map(|second| format!("{} stdout F {}\n", time(second), word(second)));
    lines.collect::<String>().into_bytes()
}

fn compressed(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn words(seconds: std::ops::Range<u32>) -> Vec<String> {
    seconds.map(word).collect()
}

/// A pod whose log endpoint serves these lines; without any, it serves none.
fn one_pod(seconds: Option<std::ops::Range<u32>>) -> Scenario {
    let chunk =
        |second| LogChunk { time: Some(time(second).parse().unwrap()), bytes: word(second).into_bytes(), full: true };
    let current =
        seconds.map_or(RecordedLog::Unretrievable, |seconds| RecordedLog::Chunks(seconds.map(chunk).collect()));
    let pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web", "namespace": "shop", "uid": "u1"},
        "spec": {"nodeName": "node1", "containers": [{"name": "app", "image": "i"}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "app", "image": "i", "imageID": "", "ready": true,
            "restartCount": 0, "containerID": "containerd://a", "state": {"running": {"startedAt": "2026-03-01T11:00:00Z"}}}]}});
    Scenario {
        now: "2026-03-01T12:00:00Z".parse().unwrap(),
        objects: vec![pod],
        containers: vec![RecordedContainer { current, ..RecordedContainer::new("shop", "web", "app") }],
        denials: Vec::new(),
    }
}

/// The cluster with one pod: what was rotated lies on the node.
async fn rotated_once() -> Case {
    let case = Case::new(one_pod(Some(100..120))).await;
    case.api.put_node_file(&format!("{FOLDER}0.log"), file(100..120));
    case.api.put_node_file(&format!("{FOLDER}{ROTATED}"), file(0..100));
    case
}

const NODE_LOGS: &[&str] = &["--only", "logs", "--node-logs"];

/// Lets two reads of a file break off: the first, and the one at the end of the collection.
fn break_off(case: &Case, name: &str) {
    for after in [3000, 1000] {
        case.api.inject(Fault::CutFile { path: format!("{FOLDER}{name}"), after });
    }
}

#[tokio::test]
async fn a_file_of_a_node_that_broke_off_is_read_on_by_a_resume() {
    let case = rotated_once().await;
    break_off(&case, ROTATED);
    assert_eq!(case.collect(NODE_LOGS).await, Some(3));
    let before = case.lines();
    assert!(before.len() > 50 && before.len() < 120, "{}", before.len());
    assert_eq!(case.resume().await, Some(0));
    assert_eq!(case.lines(), words(0..120));
}

#[tokio::test]
async fn a_file_of_a_node_that_broke_off_once_is_read_again_at_the_end() {
    let case = rotated_once().await;
    case.api.inject(Fault::CutFile { path: format!("{FOLDER}{ROTATED}"), after: 3000 });
    assert_eq!(case.collect(NODE_LOGS).await, Some(0));
    assert_eq!(case.lines(), words(0..120));
}

#[tokio::test]
async fn a_list_of_a_nodes_files_that_failed_is_read_by_a_resume_and_no_gap_stays() {
    let case = rotated_once().await;
    // At first, and at the end of the collection.
    for _ in 0..2 {
        case.api.inject(Fault::Answer { resource: "nodes/proxy".into(), code: 400, retry_after: None });
    }
    assert_eq!(case.collect(NODE_LOGS).await, Some(3));
    assert_eq!(case.lines(), words(100..120));
    assert_eq!(case.resume().await, Some(0));
    assert_eq!(case.lines(), words(0..120));
}

#[tokio::test]
async fn a_file_that_is_compressed_after_it_was_listed_is_read_once() {
    let case = rotated_once().await;
    let (path, by) = (format!("{FOLDER}{ROTATED}"), format!("{FOLDER}{ROTATED}.gz"));
    case.api.inject(Fault::ReplaceFile { path, by, content: compressed(&file(0..100)).into() });
    assert_eq!(case.collect(NODE_LOGS).await, Some(0));
    assert_eq!(case.lines(), words(0..120));
}

#[tokio::test]
async fn a_file_that_is_compressed_between_two_attempts_is_the_same_file() {
    let case = rotated_once().await;
    case.api.put_node_file(&format!("{FOLDER}0.log.20260301-100000"), file(0..50));
    case.api.put_node_file(&format!("{FOLDER}{ROTATED}"), file(50..100));
    for _ in 0..2 {
        case.api.inject(Fault::CutFile { path: format!("{FOLDER}0.log.20260301-100000"), after: 1000 });
    }
    assert_eq!(case.collect(NODE_LOGS).await, Some(3));
    for (name, seconds) in [("0.log.20260301-100000", 0..50), (ROTATED, 50..100)] {
        let (path, by) = (format!("{FOLDER}{name}"), format!("{FOLDER}{name}.gz"));
        case.api.replace_node_file(&path, &by, compressed(&file(seconds)));
    }
    assert_eq!(case.resume().await, Some(0));
    assert_eq!(case.lines(), words(0..120));
}

#[tokio::test]
async fn a_log_that_the_endpoint_does_not_serve_is_read_from_the_node() {
    let case = Case::new(one_pod(None)).await;
    case.api.put_node_file(&format!("{FOLDER}0.log"), file(100..120));
    case.api.put_node_file(&format!("{FOLDER}{ROTATED}"), file(0..100));
    assert_eq!(case.collect(NODE_LOGS).await, Some(3), "the endpoint's refusal is told");
    assert_eq!(case.lines(), words(0..120));
    // It is written to meanwhile, rotated, and written to again.
    let name = format!("{FOLDER}0.log.20260301-113000");
    case.api.replace_node_file(&format!("{FOLDER}0.log"), &name, file(100..150));
    case.api.put_node_file(&format!("{FOLDER}0.log"), file(150..160));
    case.resume().await;
    assert_eq!(case.lines(), words(0..160));
}

#[tokio::test]
async fn a_log_that_cannot_be_opened_is_read_from_the_node_and_not_twice_when_it_can() {
    let case = rotated_once().await;
    case.api.inject(Fault::Answer { resource: "pods/log".into(), code: 404, retry_after: None });
    assert_eq!(case.collect(NODE_LOGS).await, Some(0));
    assert_eq!(case.lines(), words(0..120));
    let read = case.api.requests().iter().filter(|request| request.uri.ends_with("/app/0.log")).count();
    assert_eq!(read, 1);
}

#[tokio::test]
async fn what_was_rotated_between_two_attempts_is_read_from_where_the_first_was_cut_off() {
    let case = Case::new(one_pod(Some(0..60))).await;
    // After the first stream none gives a whole line, in either try.
    for after in [1000].into_iter().chain([1; 7]) {
        case.api.inject(Fault::CutLog { namespace: "shop".into(), pod: "web".into(), after });
    }
    assert_eq!(case.collect(NODE_LOGS).await, Some(3));
    let read = case.lines().len();
    assert!((10..60).contains(&read), "{read}");
    // The same bundle, with the cluster as it is later.
    let later = Case::new(one_pod(Some(100..120))).await;
    later.api.put_node_file(&format!("{FOLDER}{ROTATED}"), file(0..100));
    later.api.put_node_file(&format!("{FOLDER}0.log"), file(100..120));
    let moved = std::process::Command::new("cp").arg("-r").arg(case.bundle()).arg(later.bundle()).status().unwrap();
    assert!(moved.success());
    later.resume().await;
    assert_eq!(later.lines(), words(0..120));
}

#[tokio::test]
async fn a_history_that_was_cut_off_stays_whatever_becomes_of_the_next_try() {
    let mut scenario = one_pod(Some(0..1));
    let history = (0..40).map(|number| format!("command {number:02}\n")).collect::<String>();
    let file = RecordedFile { path: "/root/.bash_history".into(), bytes: history.into_bytes() };
    scenario.containers[0].files.push(file);
    let case = Case::new(scenario).await;
    case.api.inject(Fault::HangExec { namespace: "shop".into(), pod: "web".into() });
    assert_eq!(case.collect(&["--only", "history", "--exec-timeout", "1s"]).await, Some(3));
    let commands = || case.values("commandhistory_CL", "command").into_keys().filter(|command| !command.is_empty());
    let first: Vec<_> = commands().collect();
    assert!((5..40).contains(&first.len()), "{first:?}");

    case.api.inject(Fault::Answer { resource: "pods/exec".into(), code: 403, retry_after: None });
    assert_eq!(case.resume().await, Some(3));
    assert_eq!(commands().collect::<Vec<_>>(), first);
    let states = case.values("commandhistory_CL", "history_state");
    assert_eq!(states["denied"], 1, "what became of the second try is told: {states:?}");

    assert_eq!(case.resume().await, Some(0));
    let all = case.values("commandhistory_CL", "command");
    assert_eq!(commands().count(), 40, "{all:?}");
    let states = case.values("commandhistory_CL", "history_state");
    assert_eq!(
        states.get("denied"),
        None,
        "a try that got nothing out of the container says nothing any more: {states:?}"
    );
}

#[tokio::test]
async fn what_a_kill_left_of_the_rows_about_the_run_itself_is_no_gap() {
    let case = rotated_once().await;
    case.collect(&["--only", "logs"]).await;
    let gaps = || case.values("forensysgaps_CL", "object");
    let expected = gaps();
    let journal = case.bundle().join("journal.jsonl");
    let text = fs_err::read_to_string(&journal).unwrap();
    let (before, last) = text.trim_end().rsplit_once('\n').unwrap();
    assert!(last.contains("run/report"), "{last}");
    fs_err::write(&journal, format!("{before}\n")).unwrap();
    fs_err::remove_file(case.bundle().join("manifest.json")).unwrap();
    case.resume().await;
    assert_eq!(gaps(), expected);
}

#[tokio::test]
async fn a_resume_that_does_not_reach_the_cluster_leaves_a_sealed_bundle_as_it_was() {
    let case = rotated_once().await;
    case.collect(&["--only", "logs"]).await;
    let before = fs_err::read(case.bundle().join("manifest.json")).unwrap();
    let Case { api, folder } = case;
    let bundle = folder.path().join("bundle");
    api.stop().await;
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_kubectl-forensys"));
    command.args(["collect", "--no-azure", "--kubeconfig"]).arg(folder.path().join("kubeconfig"));
    let output = command.arg("--resume").arg(&bundle).output().await.unwrap();
    assert!(!output.status.success());
    assert_eq!(verify(&bundle).unwrap().problems, []);
    assert_eq!(fs_err::read(bundle.join("manifest.json")).unwrap(), before);
}

#[tokio::test]
async fn a_list_that_may_be_read_by_namespace_only_later_is_not_there_twice() {
    let case = Case::new(one_pod(Some(0..1))).await;
    for number in 0..600 {
        case.api.put(json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": format!("account-{number:03}"), "namespace": "shop", "uid": format!("u-{number}")}}));
    }
    case.api.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "uid": "n"}}));
    // The second page is refused as it would be by a server whose rules were changed meanwhile.
    case.api.inject(Fault::ExpireList("serviceaccounts".into()));
    case.api.inject(Fault::ExpireList("serviceaccounts".into()));
    case.api.inject(Fault::ExpireList("serviceaccounts".into()));
    assert_eq!(case.collect(&["--only", "serviceaccounts"]).await, Some(3));
    assert!(case.values("serviceaccounts_CL", "name").len() >= 500);
    case.api.inject(Fault::Answer { resource: "serviceaccounts".into(), code: 403, retry_after: None });
    assert_eq!(
        case.resume().await,
        Some(3),
        "what the whole cluster's list lacked may be in a namespace that nobody knows"
    );
    let names = case.values("serviceaccounts_CL", "name");
    assert_eq!((names.len(), names.values().max()), (600, Some(&1)));
}
