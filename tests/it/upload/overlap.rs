//! `run --overlap`: parts of the bundle are sent while others are collected, and at the end all of it has arrived.

use std::process::Command;

use forensys::demo::{
    azure::{self, Azure},
    kubernetes::{Kubernetes, Settings},
    scenario,
};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn everything_collected_has_arrived_when_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let recording = scenario::compromise(jiff::Timestamp::now(), scenario::Options::default());
    let cluster = Kubernetes::start(Settings::new(recording)).await.unwrap();
    let azure = Azure::start(azure::Settings { keep_rows: false, ..azure::Settings::default() }).await.unwrap();
    let who = azure.credentials();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-forensys"));
    command.current_dir(folder.path()).args([
        "run",
        "-A",
        "--overlap",
        "--no-azure",
        "-o",
        "json",
        "--output-dir",
        "b",
    ]);
    command.args(["-g", "rg", "--create-resource-group", "--location", "westeurope", "--azure-auth", "client-secret"]);
    command.arg("--kubeconfig").arg(cluster.kubeconfig(folder.path()).unwrap());
    command.arg("--cloud").arg(azure.cloud_file(folder.path()).unwrap());
    command.env("AZURE_TENANT_ID", &who.tenant_id).env("AZURE_CLIENT_ID", &who.client_id);
    command.env("AZURE_CLIENT_SECRET", &who.client_secret).env("AZURE_SUBSCRIPTION_ID", &who.subscription_id);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert_eq!(
        output.status.code(),
        Some(3),
        "the recording withholds something: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let collected = report["collect"]["tables"].as_object().unwrap();
    assert!(!collected.is_empty());
    for (table, total) in collected {
        assert_eq!(report["upload"]["tables"][table]["acknowledged"], total["rows"], "{table}");
        assert_eq!(azure.arrived()[table] as u64, total["rows"].as_u64().unwrap(), "{table}");
    }
    assert_eq!(azure.losses(), Default::default());
}
