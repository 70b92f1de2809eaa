//! The program is killed, again and again, at any point of an upload.

use std::process::{Command, Stdio};

use forensys::{
    bundle::{BundleWriter, Outcome, SealStatus},
    demo::azure::{Azure, Settings},
    evidence::events::EventRow,
    table::Row,
};
use serde_json::json;

use super::{
    azure::{collected, provision, session},
    evidence::run_file,
};

const ROWS: usize = 6000;
/// Requests at once.
const CONCURRENCY: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_and_no_more_than_was_under_way_is_sent_again() {
    let table = EventRow::TABLE.name;
    let faults = serde_json::from_value(json!([{"path": "*/streams/*", "delay_ms": 20}])).unwrap();
    let azure = Azure::start(Settings { keep_rows: false, faults, ..Settings::default() }).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (dir, file) = (folder.path().join("bundle"), folder.path().join("deployment.json"));
    let cloud = azure.cloud_file(folder.path()).unwrap();
    provision(&azure, &session(&azure, &cloud), &cloud, &file).await;
    let writer = BundleWriter::create(&dir, run_file(true)).unwrap();
    let mut unit = writer.unit("events", "all", &["all"]);
    for number in 0..ROWS {
        let row = EventRow { message: Some(format!("{number} {}", "x".repeat(500))), ..EventRow::sample() };
        unit.push(&row, None).unwrap();
    }
    unit.finish(Outcome::complete()).await.unwrap();
    writer.seal(SealStatus::Complete).await.unwrap();

    let who = azure.credentials();
    let command = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-forensys"));
        command.arg("upload").arg(&dir).arg("--deployment").arg(&file).arg("--azure-auth=client-secret");
        command.arg(format!("--concurrency={CONCURRENCY}")).env("AZURE_TENANT_ID", &who.tenant_id);
        command.env("AZURE_CLIENT_ID", &who.client_id).env("AZURE_CLIENT_SECRET", &who.client_secret);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let arrived = || azure.arrived().get(table).copied().unwrap_or_default();
    let mut largest_body = 0;
    let mut kills = 0;
    for threshold in [1, ROWS / 3, ROWS / 2, ROWS] {
        let mut child = command().spawn().unwrap();
        let mut before = arrived();
        while arrived() < threshold && child.try_wait().unwrap().is_none() {
            tokio::task::yield_now().await;
            largest_body = largest_body.max(arrived() - before);
            before = arrived();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    let status = tokio::task::spawn_blocking({
        let mut command = command();
        move || command.status().unwrap()
    })
    .await
    .unwrap();
    assert!(status.success(), "{status}");
    let mut ids = azure.record_ids(table);
    let repeated = ids.len() - ROWS;
    ids.dedup();
    assert_eq!(ids, collected(&dir, table), "nothing is lost");
    assert!(repeated <= kills * CONCURRENCY * largest_body.max(2000), "{repeated} rows came twice");
}
