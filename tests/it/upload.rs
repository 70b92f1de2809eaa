//! Upload over loopback: the shipped code against an endpoint that misbehaves on purpose.

pub(crate) mod azure;
mod endpoint;
pub(crate) mod evidence;
mod faults;
mod growing;
mod killed;
mod limits;
mod matrix;
mod overlap;
mod schedules;
mod several;

use forensys::{
    failure::{ExitStatus, Failure},
    upload::{BODY_LIMIT, TableSummary},
};
use serde_json::json;

use endpoint::{Act, Endpoint, number};
use evidence::{EVENTS, LOGS, Uploader, deployment, lines, seal};

/// Three parts of two tables; the rows of the logs make more than two bodies.
const PARTS: [(&forensys::table::Table, &str, std::ops::Range<u64>); 3] =
    [(&EVENTS, "list", 0..5), (&LOGS, "one", 5..1500), (&LOGS, "two", 1500..2500)];

fn all() -> Vec<u64> {
    (0..2500).collect()
}

/// What became of a table's rows: how many there are, were acknowledged, were spooled.
fn sums(rows: u64, acknowledged: u64, spooled: u64) -> TableSummary {
    TableSummary { rows, acknowledged, spooled, arrived: None }
}

fn failure(error: &anyhow::Error) -> &Failure {
    error.downcast_ref().unwrap_or_else(|| panic!("no fix in: {error:#}"))
}

#[tokio::test]
async fn every_row_arrives_once_in_bodies_that_span_parts() {
    let folder = tempfile::tempdir().unwrap();
    let dir = seal(folder.path(), false, &PARTS).await;
    let endpoint = Endpoint::start([]).await;
    let uploader = Uploader { concurrency: 4, ..Uploader::default() };
    let summary = uploader.upload(&dir, &deployment(&endpoint.address)).await.unwrap();

    assert_eq!(endpoint.accepted(), all());
    assert_eq!(summary.tables["kubelogs_CL"], sums(2495, 2495, 0));
    assert_eq!(summary.tables["kubeevents_CL"], sums(5, 5, 0));
    let seen = endpoint.seen();
    assert_eq!(summary.requests, seen.len() as u64);
    assert_eq!(summary.wire_bytes, seen.iter().map(|request| request.wire_bytes as u64).sum::<u64>());
    let is_small = |size: usize| size < BODY_LIMIT;
    assert!(seen.iter().all(|request| is_small(request.plain_bytes) && is_small(request.wire_bytes)));
    let logs: Vec<_> = seen.iter().filter(|request| request.path.contains("kubelogs")).collect();
    assert_eq!(logs.len(), 3, "a body for each MB, however many parts there are");
    assert_eq!(logs[0].path, "/dataCollectionRules/dcr-kubelogs_CL/streams/Custom-kubelogs_CL?api-version=2023-01-01");
    assert_eq!(logs[0].headers["content-type"], "application/json");
    assert_eq!(logs[0].headers["authorization"], "Bearer token-1");
    assert_eq!(*uploader.tokens.0.lock().unwrap(), ["https://monitor.example.net/.default"]);
}

#[tokio::test]
async fn receipts_say_what_was_acknowledged_and_a_second_upload_sends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let dir = seal(folder.path(), false, &PARTS).await;
    let endpoint = Endpoint::start([]).await;
    let deployment = deployment(&endpoint.address);
    Uploader::default().upload(&dir, &deployment).await.unwrap();

    let receipts = lines(&folder.path().join("bundle.upload/receipts.jsonl"));
    let sent: Vec<_> = endpoint.seen().iter().map(|seen| seen.headers["x-ms-client-request-id"].clone()).collect();
    let receipted: Vec<_> = receipts.iter().map(|receipt| receipt["client_request_id"].as_str().unwrap()).collect();
    assert_eq!(receipted, sent);
    assert_eq!(receipts.iter().map(|receipt| receipt["rows"].as_u64().unwrap()).sum::<u64>(), 2500);
    assert_eq!(receipts[0]["request_id"], "service-id");
    let manifest = forensys::bundle::Bundle::open(&dir).unwrap().manifest_sha256;
    assert_eq!(receipts[0]["manifest_sha256"], json!(manifest));
    assert!(forensys::bundle::verify(&dir).unwrap().ok, "the sealed bundle is as it was");

    let again = Uploader::default().upload(&dir, &deployment).await.unwrap();
    assert_eq!((again.requests, again.tables["kubelogs_CL"].acknowledged), (0, 2495));
}

#[tokio::test]
async fn throttling_failures_and_lost_connections_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let dir = seal(folder.path(), false, &PARTS).await;
    let endpoint = Endpoint::start([
        Act::Answer(429, "Throttled", Some(0)),
        Act::Answer(500, "", None),
        Act::Reset { accepting: false },
        Act::Answer(503, "", Some(7)),
        Act::Answer(404, "NotFound", None),
        Act::Answer(400, "InvalidStream", None),
    ])
    .await;
    let uploader = Uploader::default();
    uploader.upload(&dir, &deployment(&endpoint.address)).await.unwrap();
    assert_eq!(endpoint.accepted(), all());
    let pauses = uploader.clock.0.lock().unwrap().clone();
    assert_eq!(pauses.len(), 6);
    assert!(pauses[0].is_zero() && pauses[3].as_secs() == 7, "{pauses:?}");
    assert!(pauses[2] > pauses[1], "{pauses:?}");
}

#[tokio::test]
async fn a_lost_acknowledgement_sends_the_body_again() {
    let folder = tempfile::tempdir().unwrap();
    let dir = seal(folder.path(), false, &[(&LOGS, "one", 0..3)]).await;
    let endpoint = Endpoint::start([Act::Reset { accepting: true }]).await;
    let summary = Uploader::default().upload(&dir, &deployment(&endpoint.address)).await.unwrap();
    assert_eq!(endpoint.accepted(), [0, 0, 1, 1, 2, 2], "at least once, never less");
    assert_eq!(summary.tables["kubelogs_CL"].acknowledged, 3);
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let folder = tempfile::tempdir().unwrap();
    let dir = seal(folder.path(), false, &[(&LOGS, "one", 0..3)]).await;
    let endpoint = Endpoint::start([Act::Answer(401, "InvalidAudience", None)]).await;
    Uploader::default().upload(&dir, &deployment(&endpoint.address)).await.unwrap();
    assert_eq!(endpoint.accepted(), [0, 1, 2]);
    assert_eq!(endpoint.seen()[1].headers["authorization"], "Bearer token-2");

    let endpoint = Endpoint::start_with_rule([], |_| Some(Act::Answer(401, "InvalidAudience", None))).await;
    let error = Uploader::default().upload(&dir, &deployment(&endpoint.address)).await.unwrap_err();
    assert_eq!(endpoint.seen().len(), 2);
    assert!(failure(&error).fix.as_ref().unwrap().contains("--cloud"), "{error:#}");
}

#[tokio::test]
async fn too_large_bodies_are_halved_down_to_one_row_which_is_spooled() {
    let folder = tempfile::tempdir().unwrap();
    let dir = seal(folder.path(), false, &PARTS).await;
    let endpoint = Endpoint::start_with_rule([], |seen| {
        let has_poison = seen.rows.iter().any(|row| number(row) == 1700);
        let is_large = seen.rows.len() > 300 || has_poison;
        is_large.then_some(Act::Answer(413, "ContentLengthLimitExceeded", None))
    })
    .await;
    let summary = Uploader::default().upload(&dir, &deployment(&endpoint.address)).await.unwrap();
    let others: Vec<_> = all().into_iter().filter(|number| *number != 1700).collect();
    assert_eq!(endpoint.accepted(), others);
    assert_eq!(summary.tables["kubelogs_CL"], sums(2495, 2494, 1));

    let spool = folder.path().join("bundle.upload/spool");
    let rows = lines(&spool.join("kubelogs_CL.jsonl"));
    assert_eq!((rows.len(), Some(number(&rows[0]))), (1, Some(1700)));
    let reasons = lines(&spool.join("kubelogs_CL.reasons.jsonl"));
    let words = "413 ContentLengthLimitExceeded the words for ContentLengthLimitExceeded";
    assert_eq!(reasons[0]["reason"], words);
    assert_eq!(reasons[0]["parts"], json!([{"path": "tables/kubelogs_CL/two.jsonl", "from": 200, "to": 201}]));
}

#[tokio::test]
async fn refused_rows_are_spooled_with_the_reason_and_stay_so() {
    let folder = tempfile::tempdir().unwrap();
    let dir = seal(folder.path(), false, &PARTS).await;
    const POISON: [u64; 3] = [7, 1200, 2499];
    let is_poison = |number: &u64| POISON.contains(number);
    let endpoint = Endpoint::start_with_rule([], move |seen| {
        let has_poison = seen.rows.iter().map(number).any(|number| is_poison(&number));
        has_poison.then_some(Act::Answer(400, "InvalidRequest", None))
    })
    .await;
    let deployment = deployment(&endpoint.address);
    let summary = Uploader::default().upload(&dir, &deployment).await.unwrap();

    let state = folder.path().join("bundle.upload");
    let spooled = lines(&state.join("spool/kubelogs_CL.jsonl"));
    assert_eq!(spooled.iter().map(number).collect::<std::collections::BTreeSet<_>>(), POISON.into());
    assert_eq!(endpoint.accepted(), all().into_iter().filter(|number| !is_poison(number)).collect::<Vec<_>>());
    let reasons = lines(&state.join("spool/kubelogs_CL.reasons.jsonl"));
    let words = "400 InvalidRequest the words for InvalidRequest";
    assert!(reasons.iter().all(|reason| reason["rows"] == 1 && reason["reason"] == words), "{reasons:?}");
    let receipts = lines(&state.join("receipts.jsonl"));
    let requests = reasons.iter().chain(&receipts).map(|line| line["requests"].as_u64().unwrap());
    assert_eq!(requests.sum::<u64>(), summary.requests, "every request is counted where it belongs");
    assert!(summary.requests <= 5 + 3 * 2 * 11, "{} requests", summary.requests);

    let again = Uploader::default().upload(&dir, &deployment).await.unwrap();
    assert_eq!((again.requests, again.spooled()), (0, summary.spooled()));
}

#[tokio::test]
async fn a_refusal_of_every_row_is_not_looked_into_row_by_row() {
    let folder = tempfile::tempdir().unwrap();
    let dir = seal(folder.path(), false, &PARTS).await;
    let endpoint = Endpoint::start_with_rule([], |seen| {
        seen.path.contains("kubelogs").then_some(Act::Answer(400, "InvalidRule", None))
    })
    .await;
    let summary = Uploader::default().upload(&dir, &deployment(&endpoint.address)).await.unwrap();
    assert_eq!(summary.tables["kubelogs_CL"], sums(2495, 0, 2495));
    assert_eq!(endpoint.accepted(), (0..5).collect::<Vec<_>>(), "the other table is not concerned");
    let requests = summary.requests;
    assert!(requests < 60, "{requests} requests for 2495 rows that nothing can be done about");
    let rows = lines(&folder.path().join("bundle.upload/spool/kubelogs_CL.jsonl"));
    assert_eq!(rows.len(), 2495, "each once");
}

#[tokio::test]
async fn a_killed_upload_sends_only_what_was_not_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let dir = seal(folder.path(), false, &PARTS).await;
    let endpoint = Endpoint::start([Act::Accept, Act::Accept, Act::Hang]).await;
    let deployment = deployment(&endpoint.address);
    let uploader = Uploader::default();
    tokio::select! {
        result = uploader.upload(&dir, &deployment) => panic!("it should hang: {result:?}"),
        () = endpoint.hangs() => {}
    }
    let before = endpoint.accepted().len() as u64;
    assert!(before > 5 && before < 2500);

    let summary = uploader.upload(&dir, &deployment).await.unwrap();
    assert_eq!(endpoint.accepted(), all(), "nothing twice, nothing missing");
    assert_eq!(summary.tables["kubelogs_CL"].acknowledged, 2495);
}

#[tokio::test]
async fn a_missing_role_is_waited_for_and_then_explained() {
    let folder = tempfile::tempdir().unwrap();
    let dir = seal(folder.path(), false, &[(&LOGS, "one", 0..3)]).await;
    let endpoint = Endpoint::start_with_rule([], |_| Some(Act::Answer(403, "OperationFailed", None))).await;
    let uploader = Uploader::default();
    let error = uploader.upload(&dir, &deployment(&endpoint.address)).await.unwrap_err();
    let waited: std::time::Duration = uploader.clock.0.lock().unwrap().iter().sum();
    assert!((500..=600).contains(&waited.as_secs()), "{waited:?}");
    assert!(error.to_string().contains("403 OperationFailed the words for OperationFailed"), "{error:#}");
    let failure = failure(&error);
    assert_eq!(failure.status, ExitStatus::Failed);
    assert!(failure.fix.as_ref().unwrap().contains("Monitoring Metrics Publisher"));
}

#[tokio::test]
async fn nothing_of_a_file_with_a_flipped_byte_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let dir = seal(folder.path(), false, &PARTS).await;
    let path = dir.join("tables/kubelogs_CL/two.jsonl");
    let mut text = fs_err::read(&path).unwrap();
    text[100] ^= 1;
    fs_err::write(&path, text).unwrap();
    let endpoint = Endpoint::start([]).await;
    let error = Uploader::default().upload(&dir, &deployment(&endpoint.address)).await.unwrap_err();
    assert!(error.to_string().contains("tables/kubelogs_CL/two.jsonl"), "{error:#}");
    assert_eq!(failure(&error).status, ExitStatus::VerificationFailed);
    assert_eq!(endpoint.accepted(), (0..1500).collect::<Vec<_>>(), "the files before it are sound");

    fs_err::remove_file(&path).unwrap();
    let error = Uploader::default().upload(&dir, &deployment(&endpoint.address)).await.unwrap_err();
    assert!(error.to_string().contains("tables/kubelogs_CL/two.jsonl"), "{error:#}");
}

#[tokio::test]
async fn a_row_that_is_no_json_does_not_spoil_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("bundle");
    let writer = forensys::bundle::BundleWriter::create(&dir, evidence::run_file(false)).unwrap();
    let mut unit = writer.unit("logs", "one", &["one"]);
    unit.append(
        &LOGS,
        b"{\"restart_count\":1}\n{\"restart_count\":\n{\"message\":\"\xff\"}\n{\"restart_count\":3}\n",
        4,
    )
    .unwrap();
    unit.finish(forensys::bundle::Outcome::complete()).await.unwrap();
    writer.seal(forensys::bundle::SealStatus::Complete).await.unwrap();
    let endpoint = Endpoint::start([]).await;
    let summary = Uploader::default().upload(&dir, &deployment(&endpoint.address)).await.unwrap();
    assert_eq!(endpoint.accepted(), [1, 3]);
    assert_eq!(summary.tables["kubelogs_CL"], sums(4, 2, 2));
}

#[tokio::test]
async fn tables_without_a_destination_are_all_named_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let dir = seal(folder.path(), false, &PARTS).await;
    let error = Uploader::default().upload(&dir, &Default::default()).await.unwrap_err();
    assert!(error.to_string().ends_with("no destination for kubeevents_CL, kubelogs_CL"), "{error:#}");
    assert!(failure(&error).fix.as_ref().unwrap().contains("provision"));
    assert!(!folder.path().join("bundle.upload").exists());
}

#[tokio::test]
async fn a_demonstration_never_leaves_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    let dir = seal(folder.path(), true, &[(&LOGS, "one", 0..3)]).await;
    let error = Uploader::default().upload(&dir, &deployment("https://dce.example.net")).await.unwrap_err();
    assert!(error.to_string().contains("is not sent to dce.example.net"), "{error:#}");
    let endpoint = Endpoint::start([]).await;
    Uploader::default().upload(&dir, &deployment(&endpoint.address)).await.unwrap();
    assert_eq!(endpoint.accepted(), [0, 1, 2]);
}

#[tokio::test]
async fn a_bundle_that_is_not_sealed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let dir = seal(folder.path(), false, &[(&LOGS, "one", 0..3)]).await;
    fs_err::remove_file(dir.join("manifest.json")).unwrap();
    let error = Uploader::default().upload(&dir, &deployment("http://127.0.0.1:1")).await.unwrap_err();
    assert!(error.to_string().contains("is not sealed"), "{error:#}");
}

#[tokio::test]
async fn two_uploads_cannot_share_a_state() {
    let folder = tempfile::tempdir().unwrap();
    let dir = seal(folder.path(), false, &[(&LOGS, "one", 0..3)]).await;
    let endpoint = Endpoint::start([Act::Hang]).await;
    let deployment = deployment(&endpoint.address);
    let (first, second) = (Uploader::default(), Uploader::default());
    let error = tokio::select! {
        result = first.upload(&dir, &deployment) => panic!("it should hang: {result:?}"),
        error = async { endpoint.hangs().await; second.upload(&dir, &deployment).await.unwrap_err() } => error,
    };
    assert!(error.to_string().contains("another upload is using"), "{error:#}");
}

#[tokio::test]
async fn the_state_may_not_lie_inside_the_sealed_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let dir = seal(folder.path(), false, &[(&LOGS, "one", 0..3)]).await;
    let uploader = Uploader { state_dir: Some(dir.join("state")), ..Uploader::default() };
    let error = uploader.upload(&dir, &deployment("http://127.0.0.1:1")).await.unwrap_err();
    assert_eq!(failure(&error).status, ExitStatus::Usage);
    assert!(forensys::bundle::verify(&dir).unwrap().ok, "nothing was written into it");
}
