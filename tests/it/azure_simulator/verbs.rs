//! The verbs `provision` and `cleanup` as a shell sees them.

use std::{
    path::Path,
    process::{Command, Output},
};

use forensys::demo::azure::Azure;
use serde_json::Value;

use super::client::settings;

/// Runs a verb in the folder while the in-process Azure goes on answering.
async fn run(azure: &Azure, folder: &Path, line: &str) -> (Output, Value) {
    let cloud = azure.cloud_file(&folder.join("cloud")).unwrap();
    let who = azure.credentials();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-forensys"));
    command.current_dir(folder).env("HOME", folder).args(line.split(' '));
    command.args(["-o", "json", "--azure-auth", "client-secret", "--cloud"]).arg(cloud);
    command.env("AZURE_TENANT_ID", &who.tenant_id).env("AZURE_CLIENT_ID", &who.client_id);
    command.env("AZURE_CLIENT_SECRET", &who.client_secret).env("AZURE_SUBSCRIPTION_ID", &who.subscription_id);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output, report)
}

fn actions(report: &Value) -> Vec<&str> {
    report["steps"].as_array().unwrap().iter().map(|step| step["action"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_plan_is_shown_whole_and_ends_with_one() {
    let (azure, folder) = (Azure::start(settings()).await.unwrap(), tempfile::tempdir().unwrap());
    let line = "provision -g rg -l westeurope --tables kubeevents_CL";
    for line in [line, &format!("{line} --dry-run")] {
        let (output, report) = run(&azure, folder.path(), line).await;
        assert_eq!(output.status.code(), Some(1), "{line}");
        assert_eq!(actions(&report), ["blocked", "create", "create", "create", "create", "create"]);
        let fix = report["steps"][0]["fix"].as_str().unwrap();
        assert!(fix.contains("--create-resource-group"), "{fix}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("nothing was changed") && said.contains("resource group rg"), "{said}");
    }
    assert!(!folder.path().join("deployment.json").exists());
    let (output, _) = run(&azure, folder.path(), &format!("{line} --retention 3")).await;
    assert_eq!(output.status.code(), Some(2), "a retention that Azure does not have");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_for_a_pipeline_are_written_and_nothing_else() {
    let (azure, folder) = (Azure::start(settings()).await.unwrap(), tempfile::tempdir().unwrap());
    fs_err::write(folder.path().join("query.kql"), "source // all\n| extend host = 'x'\n").unwrap();
    let line = "provision -g rg -l westeurope --create-resource-group --tables kubeevents_CL \
                --transform KUBEEVENTS_CL=query.kql --emit-dir out --emit";
    for (language, file) in [("bicep", "out/main.bicep"), ("arm", "out/main.json"), ("terraform", "out/main.tf")] {
        for _ in 0..2 {
            let (output, report) = run(&azure, folder.path(), &format!("{line} {language}")).await;
            assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(report["emitted"], serde_json::json!([file]));
        }
        let text = fs_err::read_to_string(folder.path().join(file)).unwrap();
        assert!(text.contains("source | extend host = "), "{text}");
    }
    fs_err::write(folder.path().join("out/main.tf"), "# somebody's").unwrap();
    let (output, _) = run(&azure, folder.path(), &format!("{line} terraform")).await;
    assert_eq!(output.status.code(), Some(1), "a file of somebody else is not written over");
    assert_eq!(fs_err::read_to_string(folder.path().join("out/main.tf")).unwrap(), "# somebody's");
    assert!(!folder.path().join("deployment.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_stay_when_asked_and_go_when_asked_again() {
    let (azure, folder) = (Azure::start(settings()).await.unwrap(), tempfile::tempdir().unwrap());
    let line = "provision -g rg -l westeurope --create-resource-group --tables kubeevents_CL --table-plan basic";
    let (output, report) = run(&azure, folder.path(), line).await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(actions(&report), ["create"; 6]);
    let (_, report) = run(&azure, folder.path(), line).await;
    assert_eq!(actions(&report), ["unchanged"; 6]);
    let (_, report) = run(&azure, folder.path(), "cleanup --dry-run --keep-tables").await;
    assert_eq!((report["remove"].as_array().unwrap().len(), report["stay"].as_array().unwrap().len()), (3, 3));
    let (output, report) = run(&azure, folder.path(), "cleanup --yes --keep-tables").await;
    assert_eq!(output.status.code(), Some(0), "what stays as asked is no gap");
    assert!(report["stay"][0]["reason"].as_str().unwrap().contains("30 days"), "{report}");
    let (output, report) = run(&azure, folder.path(), "cleanup --yes --purge").await;
    assert_eq!((output.status.code(), report["removed"].as_array().unwrap().len()), (Some(0), 3));
    let (output, report) = run(&azure, folder.path(), "cleanup --yes").await;
    assert_eq!((output.status.code(), &report["remove"]), (Some(0), &serde_json::json!([])), "again is fine");
}
