//! The limits of the service: sizes of bodies and fields, declared columns, the quota of a rule, throttling, waiting.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use forensys::{
    bundle::{BundleWriter, Outcome, SealStatus},
    upload::{BODY_LIMIT, BodyLimit, Progress, Waiting},
};
use serde_json::json;

use super::{
    endpoint::{Act, Endpoint, number},
    evidence::{LOGS, Uploader, deployment, lines, run_file, seal},
    sums,
};

/// Seals a bundle whose one part holds these lines.
async fn seal_lines(folder: &Path, text: &[u8], rows: u64) -> PathBuf {
    let dir = folder.join("bundle");
    let writer = BundleWriter::create(&dir, run_file(false)).unwrap();
    let mut unit = writer.unit("logs", "one", &["one"]);
    unit.append(&LOGS, text, rows).unwrap();
    unit.finish(Outcome::complete()).await.unwrap();
    writer.seal(SealStatus::Complete).await.unwrap();
    dir
}

/// Rows that compress well, about 200 bytes each.
fn plain_rows(count: u64) -> Vec<u8> {
    let mut text = Vec::new();
    for number in 0..count {
        let words = "GET /api/cart HTTP/1.1 200 12345 Mozilla/5.0 (X11; Linux x86_64) ".repeat(2);
        writeln!(text, "{{\"restart_count\":{number},\"message\":\"{words}{number}\"}}").unwrap();
    }
    text
}

#[tokio::test]
async fn on_the_wire_bodies_hold_more_than_a_megabyte_and_learn_from_a_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let dir = seal_lines(folder.path(), &plain_rows(30_000), 30_000).await;
    let uploader = Uploader { body_limit: BodyLimit::Wire, ..Uploader::default() };
    let endpoint = Endpoint::start([]).await;
    uploader.upload(&dir, &deployment(&endpoint.address)).await.unwrap();
    assert_eq!(endpoint.accepted(), (0..30_000).collect::<Vec<_>>());
    let seen = endpoint.seen();
    assert!(seen.iter().all(|request| request.wire_bytes < BODY_LIMIT));
    assert!(seen.iter().any(|request| request.plain_bytes > 2 * BODY_LIMIT), "one body for each packing thread");

    let strict = Endpoint::start_with_rule([], |seen| {
        (seen.plain_bytes > 1 << 20).then_some(Act::Answer(413, "ContentLengthLimitExceeded", None))
    })
    .await;
    let summary = uploader.upload(&dir, &deployment(&strict.address)).await.unwrap();
    assert_eq!(strict.accepted(), (0..30_000).collect::<Vec<_>>());
    assert_eq!(summary.tables["kubelogs_CL"], sums(30_000, 30_000, 0));
}

#[tokio::test]
async fn what_azure_would_change_without_a_word_is_spooled_instead() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = Vec::new();
    writeln!(text, "{}", json!({"restart_count": 0, "message": "m"})).unwrap();
    writeln!(text, "{}", json!({"restart_count": 1, "mesage": "misspelt"})).unwrap();
    writeln!(text, "{}", json!({"restart_count": 2, "message": "x".repeat(70_000)})).unwrap();
    writeln!(text, "{}", json!({"restart_count": 3, "message": "x".repeat(60 * 1024)})).unwrap();
    writeln!(text, "{}", json!({"restart_count": 4, "message": "x".repeat(2_000_000)})).unwrap();
    write!(text, "{}", json!({"restart_count": 5})).unwrap();
    let dir = seal_lines(folder.path(), &text, 6).await;
    let endpoint = Endpoint::start([]).await;
    let summary = Uploader::default().upload(&dir, &deployment(&endpoint.address)).await.unwrap();
    assert_eq!(endpoint.accepted(), [0, 3, 5]);
    assert_eq!(summary.tables["kubelogs_CL"], sums(6, 3, 3));
    let spool = folder.path().join("bundle.upload/spool");
    assert_eq!(lines(&spool.join("kubelogs_CL.jsonl")).iter().map(number).collect::<Vec<_>>(), [1, 2, 4]);
    let reasons = lines(&spool.join("kubelogs_CL.reasons.jsonl"));
    let reason = |at: usize| reasons[at]["reason"].as_str().unwrap().to_owned();
    assert!(reason(0).contains("does not declare the column `mesage`"), "{}", reason(0));
    assert!(reason(1).contains("`message` has 70000 bytes"), "{}", reason(1));
}

#[tokio::test]
async fn a_rule_is_sent_no_more_a_minute_than_its_quota() {
    let folder = tempfile::tempdir().unwrap();
    let dir = seal(folder.path(), false, &[(&LOGS, "one", 0..2500)]).await;
    let endpoint = Endpoint::start([]).await;
    let uploader = Uploader { bytes_per_minute: Some(1_500_000), ..Uploader::default() };
    uploader.upload(&dir, &deployment(&endpoint.address)).await.unwrap();
    assert_eq!(endpoint.accepted(), (0..2500).collect::<Vec<_>>());
    let waited: Duration = uploader.clock.0.lock().unwrap().iter().sum();
    assert_eq!(waited.as_secs(), 120, "three bodies, of which no two fit into one minute");
}

/// Remembers what it was told.
#[derive(Default)]
struct Told {
    waiting: Mutex<Vec<String>>,
    notes: Mutex<Vec<String>>,
}

impl Progress for Told {
    fn waiting(&self, waiting: &Waiting<'_>) {
        let left = waiting.left.map_or(0, |left| left.as_secs());
        self.waiting.lock().unwrap().push(format!("{}: {} {left}", waiting.subject, waiting.reason));
    }

    fn note(&self, text: &str) {
        self.notes.lock().unwrap().push(text.to_owned());
    }
}

#[tokio::test]
async fn waiting_for_a_role_says_for_how_long() {
    let folder = tempfile::tempdir().unwrap();
    let dir = seal(folder.path(), false, &[(&LOGS, "one", 0..3)]).await;
    let denied = Act::Answer(403, "OperationFailed", None);
    let endpoint = Endpoint::start([denied.clone(), denied]).await;
    let told = Told::default();
    Uploader::default().upload_telling(&dir, &deployment(&endpoint.address), &told).await.unwrap();
    let told = told.waiting.into_inner().unwrap();
    let words = "kubelogs_CL: the rule or its role has not taken effect yet (403)";
    assert_eq!(told[0], format!("{words} 600"));
    assert!(told[1].starts_with(words) && told.len() == 2, "{told:?}");
}

#[tokio::test]
async fn rows_are_held_against_the_columns_of_the_deployed_stream() {
    let text =
        b"{\"restart_count\":1}\n{\"restart_count\":2,\"stream\":\"stderr\"}\n{\"restart_count\":3,\"extra\":\"x\"}\n";
    let folder = tempfile::tempdir().unwrap();
    let dir = seal_lines(folder.path(), text, 3).await;
    let endpoint = Endpoint::start([]).await;
    let mut older = deployment(&endpoint.address);
    let columns = ["restart_count", "extra"].map(str::to_owned).to_vec();
    older.tables.get_mut(LOGS.name).unwrap().columns = columns;
    let told = Told::default();
    let summary = Uploader::default().upload_telling(&dir, &older, &told).await.unwrap();
    assert_eq!(endpoint.accepted(), [1, 3], "`extra` is no column of this version, but of the stream");
    assert_eq!(summary.tables[LOGS.name], sums(3, 2, 1));
    let reasons = lines(&folder.path().join("bundle.upload/spool/kubelogs_CL.reasons.jsonl"));
    let reason = reasons[0]["reason"].as_str().unwrap();
    assert_eq!(reason, "not sent: the rule's stream does not declare the column `stream`, which Azure drops");
    let notes = told.notes.lock().unwrap();
    assert!(notes[0].contains("does not declare") && notes[0].contains("kubectl forensys provision"), "{notes:?}");
}
