//! Rights, as a responder meets them: announced before anything is read, never a reason to leave something out, printed by
//! `--dry-run` without collecting; and what a run did, read back from its record.

use std::{
    collections::BTreeSet,
    path::Path,
    process::{Command, Output},
};

use forensys::demo::{
    kubernetes::{Fault, Kubernetes, KubernetesHandle, Settings},
    scenario::{self, Denial, Reach},
};
use serde_json::Value;

const REVIEWS: &str = "selfsubjectaccessreviews";

struct Stage {
    api: KubernetesHandle,
    folder: tempfile::TempDir,
}

impl Stage {
    /// The recording, with the rights of which it denies nothing but `denials`.
    async fn new(denials: Vec<Denial>) -> Self {
        let mut recording = scenario::compromise(jiff::Timestamp::now(), scenario::Options::default());
        recording.denials = denials;
        let api = Kubernetes::start(Settings::new(recording)).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        api.kubeconfig(folder.path()).unwrap();
        Self { api, folder }
    }

    /// Runs the program in the folder while the in-process API goes on answering.
    async fn run(&self, line: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-forensys"));
        command.current_dir(self.folder.path()).env_remove("KUBECONFIG").env("HOME", self.folder.path());
        command.args(line.split(' '));
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    async fn collect(&self, flags: &str) -> Output {
        self.run(&format!("collect --kubeconfig kubeconfig --no-azure -o json {flags}")).await
    }

    fn permissions(&self) -> Vec<Value> {
        let folder = self.folder.path().join("b/tables/forensyspermissions_CL");
        let Ok(files) = fs_err::read_dir(&folder) else { return Vec::new() };
        files.flat_map(|file| lines(&file.unwrap().path())).collect()
    }

    fn uris(&self) -> Vec<String> {
        self.api.requests().into_iter().map(|request| request.uri).collect()
    }

    async fn verifies(&self) -> bool {
        self.run("verify b").await.status.success()
    }
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs_err::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(output)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_right_is_announced_before_anything_is_read_and_the_run_goes_on() {
    let outside = || Reach::OutsideNamespace("shop".to_owned());
    let stage =
        Stage::new(vec![Denial::new("serviceaccounts", outside()), Denial::new("nodes", Reach::Everywhere)]).await;
    let output = stage.collect("-A --no-exec --only serviceaccounts,cronjobs --output-dir b").await;
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let expected = "serviceaccounts  denied but in shop; missing: serviceaccounts";
    assert!(said(&output).contains(expected), "{}", said(&output));
    assert!(!said(&output).contains("nodes"), "the nodes are not needed: {}", said(&output));

    let uris = stage.uris();
    let last_review = uris.iter().rposition(|uri| uri.contains(REVIEWS)).unwrap();
    let first_list = uris.iter().position(|uri| uri.contains("serviceaccounts") || uri.contains("cronjobs")).unwrap();
    assert!(last_review < first_list, "{uris:#?}");

    let report = report(&output);
    assert!(report["tables"]["cronjobs_CL"]["rows"].as_u64() > Some(0), "{report}");
    assert!(report["tables"]["serviceaccounts_CL"]["rows"].as_u64() > Some(0), "those of shop: {report}");
    let allowed = |namespace: Option<&str>| {
        let rows = stage.permissions();
        let row =
            rows.iter().find(|row| row["resource"] == "serviceaccounts" && row["namespace"].as_str() == namespace);
        row.unwrap()["allowed"].clone()
    };
    assert_eq!([allowed(None), allowed(Some("shop")), allowed(Some("default"))], [false, true, false]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_that_fails_is_no_reason_to_leave_a_source_out() {
    let stage = Stage::new(Vec::new()).await;
    for _ in 0..100 {
        stage.api.inject(Fault::Answer { resource: REVIEWS.to_owned(), code: 500, retry_after: None });
    }
    let output = stage.collect("-n shop --no-exec --only serviceaccounts,pods --output-dir b").await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("not answered"), "{}", said(&output));
    let report = report(&output);
    assert!(report["tables"]["pods_CL"]["rows"].as_u64() > Some(0), "{report}");
    assert!(report["tables"]["serviceaccounts_CL"]["rows"].as_u64() > Some(0), "{report}");
    let note = report["gaps"].as_array().unwrap().iter().find(|gap| gap["source"] == "run").unwrap();
    assert_eq!(note["state"], "unsupported", "{note}");
    assert!(!stage.permissions().is_empty() && stage.permissions().iter().all(|row| row["allowed"].is_null()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answers_are_there_once_after_a_resumption_and_may_be_left_out() {
    let stage = Stage::new(Vec::new()).await;
    let output = stage.collect("-A --no-preflight --only cronjobs --output-dir b").await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(!stage.uris().iter().any(|uri| uri.contains(REVIEWS)));
    let notes = report(&output)["gaps"].to_string();
    assert!(notes.contains("left out with --no-preflight") && stage.permissions().is_empty(), "{notes}");

    for flags in ["", " --no-preflight", ""] {
        let output = stage.collect(&format!("--resume b{flags}")).await;
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        assert_eq!(stage.permissions().len(), 3, "after --resume b{flags}");
        assert!(stage.verifies().await, "after --resume b{flags}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_asks_about_rights_only_and_leaves_no_file() {
    let stage = Stage::new(vec![Denial::new("pods/exec", Reach::Everywhere)]).await;
    let before = fs_err::read_dir(stage.folder.path()).unwrap().count();
    let output = stage.collect("-n shop --dry-run").await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let calls = report(&output)["calls"].as_array().unwrap().clone();
    let allowed = |end: &str| {
        let call = calls.iter().find(|call| call["path"].as_str().unwrap().ends_with(end));
        call.unwrap_or_else(|| panic!("{end}: {calls:#?}"))["allowed"].clone()
    };
    assert_eq!(allowed("/namespaces/shop/pods?limit=500"), true);
    assert_eq!(allowed("/namespaces/shop/pods/{pod}/exec?container={container}"), false);
    let uris = stage.uris();
    assert!(uris.iter().all(|uri| uri == "/version" || uri.ends_with(REVIEWS)), "{uris:#?}");
    assert_eq!(fs_err::read_dir(stage.folder.path()).unwrap().count(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_needs_no_cluster() {
    let stage = Stage::new(Vec::new()).await;
    for (line, words) in [
        ("collect -A --dry-run", "rights: unknown: there is no kubeconfig"),
        ("collect -A --dry-run --server https://127.0.0.1:1", "rights: unknown: "),
    ] {
        let output = stage.run(line).await;
        assert_eq!(output.status.code(), Some(0), "{line}: {}", said(&output));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains(words), "{line}: {text}");
        let log = "GET   /api/v1/namespaces/{namespace}/pods/{pod}/log?container={container}&timestamps=true";
        assert!(text.contains(log) && text.contains("leaves behind"), "{line}: {text}");
    }
    let output = stage.run("collect -A --dry-run --kubeconfig missing").await;
    assert_eq!(output.status.code(), Some(1), "a wrong flag is no absent cluster: {}", said(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_footprint_holds_every_request_that_the_server_saw() {
    let stage = Stage::new(vec![Denial::new("cronjobs", Reach::Everywhere)]).await;
    let collected = stage.collect("-n shop --output-dir b").await;
    let output = stage.run("footprint b -o json --audit-ids ids").await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let report = report(&output);
    let seen: BTreeSet<_> = stage.api.requests().into_iter().filter_map(|request| request.audit_id).collect();
    let ids = fs_err::read_to_string(stage.folder.path().join("ids")).unwrap();
    assert_eq!(ids.lines().map(str::to_owned).collect::<BTreeSet<_>>(), seen);
    assert_eq!(report["total"]["sent"], seen.len());
    let of = |verb: &str, resource: &str| {
        let all = report["requests"].as_array().unwrap();
        all.iter().find(|kind| kind["verb"] == verb && kind["resource"] == resource).unwrap().clone()
    };
    assert_eq!(of("list", "cronjobs.batch")["denied"], 1);
    assert_eq!(
        (&of("get", "pods/exec")["leaves_trace"], &of("get", "pods/exec")["level"]),
        (&true.into(), &"exec".into())
    );
    assert!(report["execs"]["sessions"].as_u64() > Some(0), "{report}");
    let run_id = serde_json::from_slice::<Value>(&collected.stdout).unwrap()["run_id"].as_str().unwrap().to_owned();
    assert!(report["filters"]["kql_aksaudit"].as_str().unwrap().contains(&run_id));
    let printed = stage.run("footprint b --audit-ids -").await;
    assert_eq!(String::from_utf8_lossy(&printed.stdout), ids);
}
