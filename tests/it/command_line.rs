//! The program as a shell sees it, on the embedded clouds: the demonstration, the resumption, and what it says when it is
//! misused.

use std::{
    path::Path,
    process::{Command, Output},
};

use forensys::demo::{
    kubernetes::{Kubernetes, KubernetesHandle, Settings},
    scenario,
};
use serde_json::Value;

fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-forensys"));
    command.current_dir(folder).env_remove("KUBECONFIG").env("HOME", folder);
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(output)))
}

/// Runs it while the in-process API goes on answering.
async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

async fn kubernetes() -> KubernetesHandle {
    let recording = scenario::compromise(jiff::Timestamp::now(), scenario::Options::default());
    Kubernetes::start(Settings::new(recording)).await.unwrap()
}

#[test]
fn the_demonstration_finds_the_compromise_and_every_row_arrives() {
    let folder = tempfile::tempdir().unwrap();
    let output = program(folder.path()).args(["demo", "--dir", "d", "-o", "json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let report = report(&output);
    assert_eq!(report["problems"], serde_json::json!([]));
    let tables = report["collect"]["tables"].as_object().unwrap();
    assert!(tables.len() > 12, "{tables:?}");
    for (table, sum) in tables {
        assert_eq!(report["arrived"][table], sum["rows"], "{table}");
        assert_eq!(report["upload"]["tables"][table]["acknowledged"], sum["rows"], "{table}");
    }
    assert!(tables["akscluster_CL"]["rows"] == 1, "the AKS cluster is read through Resource Manager");
    assert!(report["findings"].as_array().unwrap().iter().all(|found| found["shown"] == true));
    let again = program(folder.path()).args(["demo", "--dir", "d"]).output().unwrap();
    assert_eq!(again.status.code(), Some(2), "the folder is not empty any more: {}", said(&again));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_wanted_is_neither_read_nor_passed_over() {
    let (api, folder) = (kubernetes().await, tempfile::tempdir().unwrap());
    api.kubeconfig(folder.path()).unwrap();
    let mut command = program(folder.path());
    command.args(["collect", "-A", "--no-exec", "--skip", "rbac", "--no-azure", "-o", "json", "--output-dir", "b"]);
    command.args(["--kubeconfig", "kubeconfig"]);
    let output = run(command).await;
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let report = report(&output);
    let left_out: Vec<_> =
        report["gaps"].as_array().unwrap().iter().filter(|gap| gap["state"] == "skipped-by-filter").collect();
    let sources: Vec<_> = left_out.iter().map(|gap| gap["source"].as_str().unwrap()).collect();
    assert_eq!(sources, ["aks", "history", "rbac"], "{left_out:?}");
    assert!(report["tables"].get("rbacbindings_CL").is_none_or(|sum| sum["rows"] == 0));
    let paths: Vec<_> = api.requests().iter().map(|request| format!("{request:?}")).collect();
    assert!(!paths.iter().any(|path| path.contains("/exec") || path.contains("rolebindings")), "{paths:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_alone_is_enough_and_a_wrong_token_is_named() {
    let (api, folder) = (kubernetes().await, tempfile::tempdir().unwrap());
    fs_err::write(folder.path().join("empty"), "").unwrap();
    let with_token = |token: &str| {
        let mut command = program(folder.path());
        command.args(["collect", "--kubeconfig", "empty", "--server", &api.url(), "--token", token]);
        command.args(["--only", "serviceaccounts", "--output-dir", token]);
        command
    };
    let output = run(with_token(api.token())).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let output = run(with_token("wrong")).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("does not accept the credential"), "{}", said(&output));
    assert!(!folder.path().join("wrong").exists(), "nothing was collected, so nothing stays");
}

#[test]
fn misuse_is_answered_with_the_thing_the_fix_and_the_status() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::create_dir(folder.path().join("full")).unwrap();
    fs_err::write(folder.path().join("full/file"), "").unwrap();
    let kubeconfig = "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\nusers: [{name: u, user: {}}]\n\
                      contexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n";
    fs_err::write(folder.path().join("k"), kubeconfig).unwrap();
    for (line, status, words) in [
        ("collect", 1, "there is no kubeconfig"),
        ("collect --kubeconfig missing", 1, "missing"),
        ("collect --kubeconfig k --context other", 1, "contexts it has: x"),
        ("collect --kubeconfig k --output-dir full", 2, "`full` is not empty"),
        ("collect --kubeconfig k --output-dir new", 1, "127.0.0.1:1"),
        ("collect --kubeconfig k --since soon", 2, "--since"),
        ("collect --kubeconfig k --only nonsense", 2, "networkpolicies"),
        ("collect --kubeconfig k --resume full", 1, "`full` is not a bundle"),
        ("verify full", 1, "`full` is not a bundle"),
        ("inspect full", 1, "`full` is not a bundle"),
        ("upload full", 1, "`full` is not a bundle"),
        ("cleanup --deployment none.json", 1, "none.json"),
        ("provision --azure-auth token-file", 2, "--azure-token-file"),
        ("tables nonsense", 2, "kubelogs_CL"),
    ] {
        let output = program(folder.path()).args(line.split(' ')).output().unwrap();
        let said = said(&output);
        assert!(said.contains(words), "`{line}` says: {said}");
        assert_eq!(output.status.code(), Some(status), "`{line}`: {said}");
    }
    let left = fs_err::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 2, "no folder was left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_bundle_is_found_out_file_by_file() {
    let (api, folder) = (kubernetes().await, tempfile::tempdir().unwrap());
    api.kubeconfig(folder.path()).unwrap();
    let mut command = program(folder.path());
    command.args([
        "collect",
        "-A",
        "--kubeconfig",
        "kubeconfig",
        "--only",
        "pods,serviceaccounts",
        "--output-dir",
        "b",
    ]);
    let output = run(command).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let verify = || program(folder.path()).args(["verify", "b", "-o", "json"]).output().unwrap();
    assert_eq!((verify().status.code(), &report(&verify())["ok"]), (Some(0), &Value::Bool(true)));

    let changed = folder.path().join("b/tables/pods_CL/pods/_all.jsonl");
    let mut rows = fs_err::read(&changed).unwrap();
    rows[10] ^= 1;
    fs_err::write(&changed, rows).unwrap();
    fs_err::remove_file(folder.path().join("b/actions.jsonl")).unwrap();
    fs_err::write(folder.path().join("b/tables/more.jsonl"), "{}\n").unwrap();
    let output = verify();
    assert_eq!(output.status.code(), Some(4));
    let report = report(&output);
    let mut paths: Vec<_> =
        report["problems"].as_array().unwrap().iter().map(|problem| problem["path"].as_str().unwrap()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["actions.jsonl", "tables/more.jsonl", "tables/pods_CL/pods/_all.jsonl"]);
}
