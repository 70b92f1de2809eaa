//! Several bundles in one upload, by the program itself.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use forensys::{
    bundle::{BundleWriter, Outcome, RunFile, SealStatus},
    demo::azure::{Azure, Settings},
    evidence::service_accounts::ServiceAccountRow,
    table::Row,
};
use serde_json::Value;

use super::{
    azure::{collected, provision, session},
    evidence::run_file,
};

const TABLE: &str = ServiceAccountRow::TABLE.name;

/// A bundle of a run of its own, with three rows; sealed or not.
async fn bundle(folder: &Path, name: &str, is_sealed: bool) -> PathBuf {
    let dir = folder.join(name);
    let writer = BundleWriter::create(&dir, RunFile { run_id: format!("run-{name}"), ..run_file(true) }).unwrap();
    let mut unit = writer.unit("serviceaccounts", "all", &["all"]);
    for number in 0..3 {
        let row = ServiceAccountRow { name: Some(format!("{name}-{number}")), ..ServiceAccountRow::sample() };
        unit.push(&row, None).unwrap();
    }
    unit.finish(Outcome::complete()).await.unwrap();
    if is_sealed {
        writer.seal(SealStatus::Complete).await.unwrap();
    }
    dir
}

/// Runs `upload` with all of them.
async fn upload(azure: &Azure, file: &Path, more: &[&str], bundles: &[PathBuf]) -> Output {
    let who = azure.credentials();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-forensys"));
    command.arg("upload").args(bundles).args(more).arg("--deployment").arg(file).arg("--azure-auth=client-secret");
    command.env("AZURE_TENANT_ID", &who.tenant_id).env("AZURE_CLIENT_ID", &who.client_id);
    command.env("AZURE_CLIENT_SECRET", &who.client_secret);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_is_damaged_or_unfinished_is_named_and_the_others_arrive() {
    let azure = Azure::start(Settings::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deployment.json");
    let cloud = azure.cloud_file(folder.path()).unwrap();
    provision(&azure, &session(&azure, &cloud), &cloud, &file).await;
    let (first, damaged) = (bundle(folder.path(), "first", true).await, bundle(folder.path(), "damaged", true).await);
    let (unfinished, last) = (bundle(folder.path(), "open", false).await, bundle(folder.path(), "last", true).await);
    let part = fs_err::read_dir(damaged.join("tables").join(TABLE)).unwrap().next().unwrap().unwrap().path();
    let mut text = fs_err::read(&part).unwrap();
    text[20] ^= 1;
    fs_err::write(&part, text).unwrap();

    let all = [first.clone(), damaged, unfinished, last.clone()];
    let output = upload(&azure, &file, &["-o", "json"], &all).await;
    assert_eq!(output.status.code(), Some(4), "that of the first that failed: {output:?}");
    let mut arrived = [collected(&first, TABLE), collected(&last, TABLE)].concat();
    arrived.sort();
    assert_eq!(azure.record_ids(TABLE), arrived);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let acknowledged = |number: usize| report["bundles"][number]["tables"][TABLE]["acknowledged"].as_u64();
    assert_eq!([0, 1, 2, 3].map(acknowledged), [Some(3), None, None, Some(3)], "{report}");
    let error = |number: usize| report["bundles"][number]["error"].as_str().unwrap().to_owned();
    assert!(error(1).contains("is not what was sealed") && error(2).contains("is not sealed"), "{report}");
    assert!(report["bundles"][2]["fix"].as_str().unwrap().contains("collect --resume"), "{report}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("2 of 4 bundles not uploaded") && said.contains("damaged`"), "{said}");

    let again = upload(&azure, &file, &[], &all).await;
    let said = String::from_utf8(again.stdout).unwrap();
    assert!(said.contains("not uploaded: ") && said.contains("fix: "), "{said}");
    assert_eq!(azure.record_ids(TABLE), arrived, "nothing twice");
    let sound = upload(&azure, &file, &[], &[first, last]).await;
    assert_eq!(sound.status.code(), Some(0), "{sound:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_bundle_ends_its_following_and_the_next_is_sent() {
    let azure = Azure::start(Settings::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deployment.json");
    let cloud = azure.cloud_file(folder.path()).unwrap();
    provision(&azure, &session(&azure, &cloud), &cloud, &file).await;
    let all = [bundle(folder.path(), "open", false).await, bundle(folder.path(), "last", true).await];
    let output = upload(&azure, &file, &["--follow"], &all).await;
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("open` is unfinished") && said.contains("collect --resume"), "{said}");
    let last = collected(&all[1], TABLE);
    let arrived = azure.record_ids(TABLE);
    assert!(last.iter().all(|id| arrived.contains(id)), "{arrived:?}");
}
