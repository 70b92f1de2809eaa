//! Every answer that the ingestion API is known to give, from the in-process Azure, and what becomes of the rows.

use std::{path::PathBuf, sync::Arc, time::Duration};

use forensys::{
    azure::AzureSession,
    bundle::{Bundle, BundleWriter, Outcome, SealStatus},
    demo::azure::{Azure, Lags, Settings},
    evidence::service_accounts::ServiceAccountRow,
    provision::deployment::Deployment,
    table::Row,
    upload::{Arrivals, Client, Options, Query, Summary, upload},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    azure::{collected, provision, session_waiting},
    evidence::{Clock, run_file},
};

pub(super) const TABLE: &str = ServiceAccountRow::TABLE.name;
/// Rows of the bundle, in bodies of a few rows each.
pub(super) const ROWS: usize = 40;
const BODY_BYTES: usize = 6000;

/// An in-process Azure with everything in place, and a bundle to send.
pub(super) struct Stage {
    pub(super) azure: Azure,
    pub(super) session: AzureSession,
    pub(super) folder: TempDir,
    pub(super) cloud: PathBuf,
    pub(super) clock: Arc<Clock>,
}

impl Stage {
    /// Over plain HTTP, nothing provisioned.
    pub(super) async fn new(lags: Lags, faults: &Value) -> Self {
        let faults = serde_json::from_value(faults.clone()).unwrap();
        let azure =
            Azure::start(Settings { tls: false, keep_rows: false, lags, faults, ..Settings::default() }).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let cloud = azure.cloud_file(folder.path()).unwrap();
        let clock = Arc::new(Clock::default());
        let session = session_waiting(&azure, &cloud, Arc::clone(&clock) as _);
        let stage = Self { azure, session, folder, cloud, clock };
        stage.seal().await;
        stage
    }

    async fn ready(lags: Lags, faults: &Value) -> Self {
        let stage = Self::new(lags, faults).await;
        provision(&stage.azure, &stage.session, &stage.cloud, &stage.file()).await;
        stage
    }

    pub(super) fn file(&self) -> PathBuf {
        self.folder.path().join("deployment.json")
    }

    pub(super) fn bundle(&self) -> PathBuf {
        self.folder.path().join("bundle")
    }

    async fn seal(&self) {
        let writer = BundleWriter::create(&self.bundle(), run_file(true)).unwrap();
        let mut unit = writer.unit("serviceaccounts", "all", &["all"]);
        for number in 0..ROWS {
            let row = ServiceAccountRow { name: Some(format!("{number}")), ..ServiceAccountRow::sample() };
            unit.push(&row, None).unwrap();
        }
        unit.finish(Outcome::complete()).await.unwrap();
        writer.seal(SealStatus::Complete).await.unwrap();
    }

    pub(super) async fn upload(&self, arrivals: Option<Arc<Arrivals>>) -> anyhow::Result<Summary> {
        let deployment = Deployment::read(&self.file())?;
        let (http, credential) = (self.session.http.clone(), self.session.credential.clone());
        let client = Client::new(http, credential, &self.session.cloud.ingestion_audience);
        let options = Options {
            body_bytes: BODY_BYTES,
            concurrency: 4,
            arrivals,
            sleeper: Arc::clone(&self.clock) as _,
            ..Options::default()
        };
        upload(Arc::new(Bundle::open(&self.bundle())?), &deployment, &client, options, &()).await
    }

    /// How many resources there are, the group included.
    pub(super) async fn resources(&self) -> usize {
        let arm = super::schedules::manager(self);
        let group = crate::azure_simulator::provision::wanted(&self.azure).resource_group_id();
        let there = arm.get(&group, "2025-04-01").await.unwrap().is_some();
        if there { 1 + arm.list(&format!("{group}/resources"), "2025-04-01").await.unwrap().len() } else { 0 }
    }

    /// RecordIds of the spooled rows.
    pub(super) fn spooled(&self) -> Vec<String> {
        let path = self.folder.path().join(format!("bundle.upload/spool/{TABLE}.jsonl"));
        let text = fs_err::read_to_string(path).unwrap_or_default();
        let id = |line| serde_json::from_str::<Value>(line).unwrap()["RecordId"].as_str().unwrap().to_owned();
        text.lines().map(id).collect()
    }

    /// Asserts that every row either arrived or was spooled, and that nothing else arrived. Returns how many were spooled.
    pub(super) fn account(&self, what: &str) -> usize {
        let mut accounted = self.azure.record_ids(TABLE);
        let spooled = self.spooled();
        accounted.extend(spooled.iter().cloned());
        accounted.sort();
        accounted.dedup();
        assert_eq!(accounted, collected(&self.bundle(), TABLE), "{what}");
        assert!(self.azure.losses().is_empty(), "{what}: {:?}", self.azure.losses());
        spooled.len()
    }
}

/// A fault on one of the uploads.
fn once(fault: Value) -> Value {
    let mut whole = json!({"method": "POST", "path": "*/streams/*", "after": 1, "times": 1});
    whole.as_object_mut().unwrap().extend(fault.as_object().unwrap().clone());
    json!([whole])
}

fn answer(status: u16, code: &str) -> Value {
    once(json!({"answer": {"status": status, "code": code, "message": "on purpose"}}))
}

#[tokio::test]
async fn answers_that_pass_cost_no_row() {
    for (status, code) in [
        (400, "InvalidStream"),
        (400, "InvalidContent"),
        (400, "RecordsTimeRangeIsMoreThan30Minutes"),
        (400, "PayloadSizeLimitExceeded"),
        (401, "InvalidAudience"),
        (403, "OperationFailed"),
        (404, "NotFound"),
        (408, "RequestTimeout"),
        (413, "ContentLengthLimitExceeded"),
        (429, "TooManyRequests"),
        (500, "InternalServerError"),
        (502, "BadGateway"),
        (503, "ServiceUnavailable"),
        (504, "GatewayTimeout"),
    ] {
        let stage = Stage::ready(Lags::default(), &answer(status, code)).await;
        let summary = stage.upload(None).await.unwrap_or_else(|error| panic!("{status} {code}: {error:#}"));
        assert_eq!(stage.account(code), 0);
        assert_eq!(stage.azure.arrived()[TABLE], ROWS, "{status} {code}: each once");
        assert_eq!(summary.tables[TABLE].acknowledged, ROWS as u64);
    }
}

#[tokio::test]
async fn other_troubles_cost_no_row_either() {
    let lags = Lags { role_propagation: 9, rule_unknown: 5, stream_unknown: 5, ..Lags::default() };
    for (what, lags, fault, is_once) in [
        ("warming up", lags, json!([]), true),
        ("cut before", Lags::default(), once(json!({"cut": "before"})), true),
        ("cut after", Lags::default(), once(json!({"cut": "after"})), false),
        ("expired token", Lags::default(), once(json!({"expire_token": true})), true),
        ("empty 500", Lags::default(), once(json!({"answer": {"status": 500}})), true),
        ("Retry-After", Lags::default(), once(json!({"answer": {"status": 429, "retry_after": 7}})), true),
        ("slow", Lags::default(), once(json!({"delay_ms": 2})), true),
    ] {
        let stage = Stage::ready(lags, &fault).await;
        stage.upload(None).await.unwrap_or_else(|error| panic!("{what}: {error:#}"));
        assert_eq!(stage.account(what), 0);
        assert_eq!(stage.azure.arrived()[TABLE] == ROWS, is_once, "{what}");
        if what == "Retry-After" {
            let longest = stage.clock.0.lock().unwrap().iter().max().copied().unwrap();
            assert!((7..8).contains(&longest.as_secs()), "{longest:?}");
        }
    }
}

#[tokio::test]
async fn rows_that_are_refused_for_good_are_spooled_and_what_cannot_be_mended_says_how() {
    for code in ["InvalidContent", "RecordsTimeRangeIsMoreThan30Minutes"] {
        let mut fault = answer(400, code);
        fault[0].as_object_mut().unwrap().remove("times");
        let stage = Stage::ready(Lags::default(), &fault).await;
        let summary = stage.upload(None).await.unwrap();
        assert_eq!(stage.account(code) as u64, summary.spooled());
        assert!(summary.spooled() > 0 && summary.spooled() < ROWS as u64);
    }
    for (status, code, words) in [
        (401, "InvalidAudience", "sign in again"),
        (501, "NotImplemented", "again later"),
        (404, "NotFound", "immutable_id"),
    ] {
        let mut fault = answer(status, code);
        fault[0].as_object_mut().unwrap().remove("times");
        let stage = Stage::ready(Lags::default(), &fault).await;
        let error = stage.upload(None).await.unwrap_err();
        let fix = super::failure(&error).fix.clone().unwrap_or_default();
        assert!(fix.contains(words), "{status} {code}: {fix}");
        assert!(stage.spooled().is_empty(), "the rows are still to be sent");
    }
}

#[tokio::test]
async fn arrival_is_counted_by_a_query() {
    let faults = json!([{"path": "/v1/workspaces/*", "times": 1, "answer": {"status": 503}}]);
    let stage = Stage::ready(Lags::default(), &faults).await;
    let workspace = workspace_customer_id(&stage).await;
    let arrivals = |id: &str, patience| {
        let query = Query::of(&stage.session.cloud, Some(id)).unwrap();
        let (http, credential) = (stage.session.http.clone(), stage.session.credential.clone());
        Some(Arc::new(Arrivals::new(http, credential, query, Duration::from_secs(patience))))
    };
    let summary = stage.upload(arrivals(&workspace, 600)).await.unwrap();
    assert_eq!(summary.tables[TABLE].arrived, Some(ROWS as u64));
    assert!(summary.is_whole());
    let other = stage.upload(arrivals("00000000-0000-0000-0000-000000000000", 600)).await.unwrap();
    assert_eq!(other.tables[TABLE].arrived, None, "who may not query is told so; nothing was lost");
}

async fn workspace_customer_id(stage: &Stage) -> String {
    let arm = forensys::azure::Arm::new(stage.session.clone());
    let deployment = Deployment::read(&stage.file()).unwrap();
    let is_workspace = |id: &str| id.split('/').count() == 9 && id.to_lowercase().contains("/workspaces/");
    let workspace = deployment.resources.iter().find(|resource| is_workspace(&resource.id)).unwrap();
    let found = arm.get(&workspace.id, &workspace.api_version).await.unwrap().unwrap();
    found["properties"]["customerId"].as_str().unwrap().to_owned()
}
