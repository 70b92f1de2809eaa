//! Service accounts with exactly the roles of `plugin/rbac/`: nothing of their levels ends as denied, and the API server's audit log
//! holds nothing else than what the program says it did.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
    sync::LazyLock,
};

use serde_json::{Value, json};

use super::{
    audit::{record_matches_audit_log, writes_in_both_records},
    harness::{Collected, Ended, collect, eventually, kubeconfig, kubectl, kubectl_json, place, text},
    shells::Scenario,
};

const NAMESPACE: &str = "rights";

/// A collection by an account with the role of core.
pub(super) static CORE: LazyLock<Collected> = LazyLock::new(|| collected("core", &["core"], &["--no-exec"]));
/// A collection by an account with the roles of core and exec.
static EXEC: LazyLock<Collected> = LazyLock::new(|| collected("exec", &["core", "exec"], &[]));
/// A collection with the nodes' files by an account with the roles of core and node-logs.
static NODE_LOGS: LazyLock<Collected> =
    LazyLock::new(|| collected("node-logs", &["core", "node-logs"], &["--no-exec", "--node-logs", "-n", "truth"]));
/// A collection with exec by an account that has the role of core only.
static TOO_LITTLE: LazyLock<Collected> =
    LazyLock::new(|| collected("core", &["core"], &["--only", "history", "-n", "shop"]));

fn admin(arguments: &[&str], input: &str) -> String {
    let mut command = kubectl(&kubeconfig("admin"));
    let mut child =
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "kubectl {arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A service account bound to the roles of some levels.
fn account(name: &str, levels: &[&str]) {
    let named = |name: &str| json!({"name": name, "namespace": NAMESPACE});
    let mut objects = vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": named(name)}),
    ];
    for level in levels {
        let role = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("plugin/rbac/{level}.yaml"));
        admin(&["apply", "-f", role.to_str().unwrap()], "");
        objects.push(json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": format!("{NAMESPACE}-{name}-{level}")},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": format!("forensys-{level}"),
            },
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}],
        }));
    }
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    admin(&["apply", "-f", "-"], &list.to_string());
}

/// Makes the accounts. Collections that are compared with each other want them to be there before the first.
pub(super) fn accounts() {
    account("core", &["core"]);
    account("exec", &["core", "exec"]);
    account("node-logs", &["core", "node-logs"]);
    account("debug", &["core", "exec", "debug"]);
    eventually("the default account of the namespace", || {
        kubectl_json(&["get", "serviceaccounts", "-n", NAMESPACE])["items"].as_array().is_some_and(|all| all.len() == 5)
    });
}

/// A kubeconfig beside the bundle that signs in as the account.
fn kubeconfig_of(name: &str, bundle: &Path) -> PathBuf {
    let token = admin(&["create", "token", name, "-n", NAMESPACE], "").trim().to_owned();
    let mut config = kubectl_json(&["config", "view", "--raw", "--minify"]);
    config["users"][0]["user"] = json!({ "token": token });
    let path = bundle.with_extension("kubeconfig");
    fs_err::write(&path, config.to_string()).unwrap();
    path
}

fn collected(name: &str, levels: &[&str], flags: &[&str]) -> Collected {
    account(name, levels);
    let dir = place(&format!("rights-{name}-{}", flags.len()));
    let mut command = match flags.contains(&"-n") {
        false => collect(&kubeconfig_of(name, &dir), &dir),
        true => {
            let mut command = kubectl(&kubeconfig_of(name, &dir));
            command.args(["forensys", "collect", "-o", "json", "--output-dir"]).arg(&dir);
            command
        }
    };
    // Pods of the one real node: whoever adds simulated nodes to the cluster adds thousands of pods.
    let node = kubectl_json(&["get", "pod", "-n", "shop", "web-0"]);
    let node = format!("spec.nodeName={}", text(&node["spec"], "nodeName"));
    let ended = Ended::of(&command.args(["--no-azure", "--field-selector", &node]).args(flags).output().unwrap());
    Collected { dir, ended }
}

fn denied(run: &Collected) -> Vec<&Value> {
    run.ended.report["gaps"].as_array().unwrap().iter().filter(|gap| gap["state"] == "denied").collect()
}

/// Nothing was denied, neither when it was asked nor when it was done; and nothing was done but what is recorded, none of it a write.
fn is_enough(run: &Collected) {
    for table in ["kubelogs_CL", "kubeevents_CL", "pods_CL", "rbacbindings_CL", "serviceaccounts_CL"] {
        assert!(!run.rows(table).is_empty(), "{table}");
    }
    is_granted(run);
    record_matches_audit_log(run);
}

/// Nothing was denied, neither when it was asked nor when it was done.
fn is_granted(run: &Collected) {
    let said = &run.ended.said;
    assert!(matches!(run.ended.status, Some(0 | 3)), "{said}");
    assert!(denied(run).is_empty(), "{:#?}", denied(run));
    assert!(said.contains("granted in full") || said.contains("granted (asked"), "{said}");
    assert!(!said.contains("tried all the same"), "{said}");
    let permissions = run.rows("forensyspermissions_CL");
    assert!(permissions.len() > 8 && permissions.iter().all(|row| row["allowed"] == true), "{permissions:#?}");
    assert!(permissions.iter().all(|row| text(row, "reason").contains("forensys-")), "granted by our roles alone");
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn the_role_of_core_is_enough_without_exec() {
    is_enough(&CORE);
    assert!(CORE.rows("commandhistory_CL").is_empty());
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn the_roles_of_core_and_exec_are_enough_for_histories() {
    is_enough(&EXEC);
    assert!(EXEC.rows("commandhistory_CL").iter().any(|row| row["command"].is_string()), "{}", EXEC.ended.said);
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn the_roles_of_core_and_node_logs_are_enough_for_rotated_files() {
    is_granted(&NODE_LOGS);
    record_matches_audit_log(&NODE_LOGS);
    let rotating = NODE_LOGS.rows_of("kubelogs_CL", &[("pod_name", "rotating")]);
    assert_eq!(rotating.len(), 340_001, "{}", NODE_LOGS.ended.said);
    let journal = fs_err::read_to_string(NODE_LOGS.dir.join("journal.jsonl")).unwrap();
    assert!(journal.contains("/rotating/0.log."), "rotated files were read");
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn the_roles_of_core_exec_and_debug_are_enough_for_containers_without_a_shell() {
    let scenario = Scenario::apply("shell-less");
    let flags = ["-n", "shell-less", "--debug-container", "--debug-image", "local/busybox:1", "--yes"];
    let run = collected("debug", &["core", "exec", "debug"], &flags);
    is_granted(&run);
    let service = run.rows_of("commandhistory_CL", &[("container_name", "service"), ("history_state", "found")]);
    assert!(service.iter().any(|row| row["command"] == "cat /etc/shadow"), "{}", run.ended.said);
    let written = writes_in_both_records(&run);
    assert_eq!(written.len(), 1, "{written:#?}");
    let object = &written[0]["objectRef"];
    assert_eq!(
        [&written[0]["verb"], &object["namespace"], &object["resource"], &object["subresource"]],
        ["patch", "shell-less", "pods", "ephemeralcontainers"]
    );
    drop(scenario);
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn a_role_too_few_is_announced_and_ends_as_denied() {
    let said = &TOO_LITTLE.ended.said;
    let announced = said.find("get, create  pods/exec  denied in shop; missing: shell histories");
    let began = said.find("one shell in");
    assert!(announced.is_some() && announced < began, "{said}");
    assert!(!denied(&TOO_LITTLE).is_empty());
    record_matches_audit_log(&TOO_LITTLE);
}
