//! The verb, from what `provision` recorded to the rows in the workspace, against the in-process Azure over TLS.

use std::{path::Path, sync::Arc};

use clap::Parser as _;
use forensys::{
    azure::{Arm, AzureAuth, AzureSession, Cloud, CredentialSettings, Sleeper},
    bundle::{BundleWriter, Outcome, SealStatus},
    command::{ExitStatus, upload},
    demo::azure::{Azure, Lags, Settings},
    evidence::{events::EventRow, service_accounts::ServiceAccountRow},
    provision,
    table::Row,
    ui::{Output, Printer},
    upload::{Client, Options},
};
use serde_json::{Value, json};

use super::evidence::{Clock, lines, run_file};
use crate::azure_simulator::provision::wanted;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: upload::Args,
}

pub(crate) fn session(azure: &Azure, cloud: &Path) -> AzureSession {
    session_waiting(azure, cloud, Arc::new(Clock::default()))
}

/// A session that waits for the token service with the sleeper.
pub(super) fn session_waiting(azure: &Azure, cloud: &Path, sleeper: Arc<dyn Sleeper>) -> AzureSession {
    let credentials = azure.credentials();
    let settings = CredentialSettings {
        auth: AzureAuth::ClientSecret,
        tenant_id: Some(credentials.tenant_id.clone()),
        client_id: Some(credentials.client_id.clone()),
        client_secret: Some(credentials.client_secret.clone().into()),
        client_certificate: None,
        federated_token_file: None,
        token_file: None,
    };
    AzureSession::open_waiting(Cloud::open(cloud.to_str().unwrap()).unwrap(), &settings, sleeper).unwrap()
}

pub(super) async fn provision(azure: &Azure, session: &AzureSession, cloud: &Path, file: &Path) {
    let arm = Arm::new(session.clone());
    let tables = [EventRow::TABLE, ServiceAccountRow::TABLE];
    let prepared = provision::prepare(&arm, wanted(azure), &tables, file).await.unwrap();
    provision::carry_out(&arm, &prepared, cloud.to_str().unwrap(), file, &|_| {}).await.unwrap();
}

/// A bundle with real rows of two tables; the events are more than one body.
async fn seal(dir: &Path) {
    let writer = BundleWriter::create(dir, run_file(true)).unwrap();
    for namespace in ["shop", "bank"] {
        let mut unit = writer.unit("events", namespace, &[namespace]);
        for number in 0..2000 {
            let row = EventRow { message: Some(format!("{namespace} {number}")), ..EventRow::sample() };
            unit.push(&row, Some(jiff::Timestamp::now())).unwrap();
        }
        unit.finish(Outcome::complete()).await.unwrap();
    }
    let mut unit = writer.unit("serviceaccounts", "all", &["all"]);
    unit.push(&ServiceAccountRow::sample(), None).unwrap();
    unit.finish(Outcome::complete()).await.unwrap();
    writer.seal(SealStatus::Complete).await.unwrap();
}

/// The RecordIds of a table in the bundle, sorted.
pub(super) fn collected(dir: &Path, table: &str) -> Vec<String> {
    let mut ids = Vec::new();
    for part in fs_err::read_dir(dir.join("tables").join(table)).unwrap() {
        let rows: Vec<Value> = lines(&part.unwrap().path());
        ids.extend(rows.iter().map(|row| row["RecordId"].as_str().unwrap().to_owned()));
    }
    ids.sort();
    ids
}

#[tokio::test]
async fn every_collected_row_arrives_while_azure_is_still_waking_up() {
    let lags = Lags { role_propagation: 3, rule_unknown: 2, stream_unknown: 2, ..Lags::default() };
    let faults = json!([
        {"method": "POST", "path": "*/streams/Custom-kubeevents_CL", "after": 6, "times": 1,
         "answer": {"status": 429, "retry_after": 0}},
    ]);
    let faults = serde_json::from_value(faults).unwrap();
    let azure = Azure::start(Settings { limit_plain_size: true, lags, faults, ..Settings::default() }).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (dir, file) = (folder.path().join("bundle"), folder.path().join("deployment.json"));
    let cloud = azure.cloud_file(folder.path()).unwrap();
    let session = session(&azure, &cloud);
    provision(&azure, &session, &cloud, &file).await;
    seal(&dir).await;

    let deployment = provision::deployment::Deployment::read(&file).unwrap();
    let bundle = Arc::new(forensys::bundle::Bundle::open(&dir).unwrap());
    let client = Client::new(session.http, session.credential, &session.cloud.ingestion_audience);
    let options = Options { sleeper: Arc::new(Clock::default()), ..Options::default() };
    let summary = forensys::upload::upload(bundle, &deployment, &client, options, &()).await.unwrap();

    for table in [EventRow::TABLE.name, ServiceAccountRow::TABLE.name] {
        let ids = collected(&dir, table);
        assert_eq!(azure.record_ids(table), ids, "{table}");
        assert_eq!(summary.tables[table].acknowledged, ids.len() as u64);
    }
    assert!(azure.losses().is_empty(), "{:?}", azure.losses());
}

#[tokio::test]
async fn the_verb_needs_only_the_bundle_and_what_provision_recorded() {
    let azure = Azure::start(Settings::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (dir, file) = (folder.path().join("bundle"), folder.path().join("deployment.json"));
    let cloud = azure.cloud_file(folder.path()).unwrap();
    provision(&azure, &session(&azure, &cloud), &cloud, &file).await;
    seal(&dir).await;
    let secret = folder.path().join("secret");
    let credentials = azure.credentials();
    fs_err::write(&secret, &credentials.client_secret).unwrap();
    let line = [
        "upload".as_ref(),
        dir.as_os_str(),
        "--deployment".as_ref(),
        file.as_os_str(),
        "--azure-auth=client-secret".as_ref(),
        "--tenant-id".as_ref(),
        credentials.tenant_id.as_ref(),
        "--client-id".as_ref(),
        credentials.client_id.as_ref(),
        "--azure-client-secret-file".as_ref(),
        secret.as_os_str(),
    ];
    let status = upload::run(Line::parse_from(line).args, Printer::new(Output::Json)).await.unwrap();
    assert_eq!(status, ExitStatus::Complete);
    assert_eq!(azure.arrived()[EventRow::TABLE.name], 4000);
}
