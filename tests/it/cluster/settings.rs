//! Settings by which pods reach their node.

use std::collections::BTreeSet;

use super::harness::{ADMIN, text};

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn exactly_the_dangerous_settings_are_found() {
    let found: BTreeSet<_> = ADMIN
        .rows("suspiciouspods_CL")
        .iter()
        .map(|row| {
            let pod = text(row, "pod_name");
            // The pods of a daemon set end in a random word.
            let pod = if pod.starts_with("node-exporter-") { "node-exporter".to_owned() } else { pod };
            [pod, text(row, "container_name"), text(row, "issue_type"), text(row, "field_value"), text(row, "writable")]
        })
        .collect();
    let expected = [
        ["init-privileged", "idle", "hostPath (creation-capable)", "/tmp/forensys-cluster-drop", "false"],
        ["init-privileged", "setup", "privileged", "true", ""],
        ["kube-proxy-x7", "", "hostNetwork", "true", ""],
        ["node-exporter", "", "hostNetwork", "true", ""],
        ["node-exporter", "node-exporter", "hostPath", "/proc", "false"],
        ["web-debug", "", "hostPID", "true", ""],
        ["web-debug", "shell", "hostPath", "/", "true"],
        ["web-debug", "shell", "privileged", "true", ""],
    ];
    assert_eq!(found, expected.map(|row| row.map(str::to_owned)).into());
}
