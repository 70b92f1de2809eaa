//! A bundle that is still being written.

use forensys::{
    bundle::{BundleWriter, Outcome, SealStatus},
    failure::ExitStatus,
    upload::{Progress, follow},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    endpoint::Endpoint,
    evidence::{LOGS, Uploader, deployment, run_file},
    failure, sums,
};

/// Tells when rows were acknowledged.
#[derive(Default)]
struct Advanced(Notify);

impl Progress for Advanced {
    fn advanced(&self, _: &str, _: u64) {
        self.0.notify_one();
    }
}

async fn write(writer: &BundleWriter, name: &str, number: u64) {
    let mut unit = writer.unit("logs", name, &[name]);
    unit.append(&LOGS, format!("{{\"restart_count\":{number}}}\n").as_bytes(), 1).unwrap();
    unit.finish(Outcome::complete()).await.unwrap();
}

#[tokio::test]
async fn parts_are_sent_as_they_are_finished_and_the_rest_when_it_is_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("bundle");
    let endpoint = Endpoint::start([]).await;
    let (deployment, uploader) = (deployment(&endpoint.address), Uploader::default());
    let (client, ended, advanced) = (uploader.client(), CancellationToken::new(), Advanced::default());
    let collecting = async {
        let writer = BundleWriter::create(&dir, run_file(false)).unwrap();
        for number in 0..3 {
            write(&writer, &format!("unit-{number}"), number).await;
            advanced.0.notified().await;
            assert!(endpoint.accepted().contains(&number), "sent while the bundle is open");
        }
        write(&writer, "last", 3).await;
        writer.seal(SealStatus::Complete).await.unwrap();
    };
    let following = follow(&dir, &deployment, &client, uploader.options(), &ended, &advanced);
    let (summary, ()) = tokio::join!(following, collecting);
    assert_eq!(summary.unwrap().tables["kubelogs_CL"], sums(4, 4, 0));
    assert_eq!(endpoint.accepted(), [0, 1, 2, 3], "each once");
}

#[tokio::test]
async fn a_collection_that_ends_without_a_seal_is_an_error_and_can_be_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("bundle");
    let endpoint = Endpoint::start([]).await;
    let (deployment, uploader) = (deployment(&endpoint.address), Uploader::default());
    let (client, ended) = (uploader.client(), CancellationToken::new());
    ended.cancel();
    let error = follow(&dir, &deployment, &client, uploader.options(), &ended, &()).await.unwrap_err();
    assert!(error.to_string().contains("ended without sealing"), "there is nothing yet: {error:#}");

    let writer = BundleWriter::create(&dir, run_file(false)).unwrap();
    write(&writer, "one", 1).await;
    // The journal names the part about a second after it was written.
    while !fs_err::read_to_string(dir.join("journal.jsonl")).is_ok_and(|text| text.ends_with('\n')) {
        tokio::task::yield_now().await;
    }
    let error = follow(&dir, &deployment, &client, uploader.options(), &ended, &()).await.unwrap_err();
    assert_eq!(failure(&error).status, ExitStatus::Interrupted, "{error:#}");
    assert_eq!(endpoint.accepted(), [1]);
    write(&writer, "two", 2).await;
    writer.seal(SealStatus::Complete).await.unwrap();
    uploader.upload(&dir, &deployment).await.unwrap();
    assert_eq!(endpoint.accepted(), [1, 2]);
}

#[tokio::test]
async fn a_collector_that_was_killed_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("bundle");
    let endpoint = Endpoint::start([]).await;
    let (deployment, uploader) = (deployment(&endpoint.address), Uploader::default());
    let (client, never, advanced) = (uploader.client(), CancellationToken::new(), Advanced::default());
    let collecting = async {
        let writer = BundleWriter::create(&dir, run_file(false)).unwrap();
        write(&writer, "one", 1).await;
        advanced.0.notified().await;
        // The system closes the files of a process that is gone; nothing is sealed.
        drop(writer);
    };
    let following = follow(&dir, &deployment, &client, uploader.options(), &never, &advanced);
    let (result, ()) = tokio::join!(following, collecting);
    let error = result.unwrap_err();
    assert!(error.to_string().contains("is unfinished"), "{error:#}");
    let failure = failure(&error);
    assert_eq!(failure.status, ExitStatus::Interrupted);
    let fix = failure.fix.clone().unwrap();
    assert!(fix.contains("collect --resume") && fix.contains("forensys upload"), "{fix}");
    assert_eq!(endpoint.accepted(), [1], "what was finished is sent");

    let writer = BundleWriter::resume(&dir).unwrap();
    write(&writer, "two", 2).await;
    writer.seal(SealStatus::Complete).await.unwrap();
    uploader.upload(&dir, &deployment).await.unwrap();
    assert_eq!(endpoint.accepted(), [1, 2]);
}

/// Lets a later try take the place of the first part just before that is read.
struct Superseding<'a>(&'a std::path::Path, std::sync::Once);

impl Progress for Superseding<'_> {
    fn expected(&self, _: u64) {
        self.1.call_once(|| {
            let journal = fs_err::read_to_string(self.0.join("journal.jsonl")).unwrap();
            let mut line: serde_json::Value = serde_json::from_str(journal.lines().next().unwrap()).unwrap();
            let part = line["parts"][0].take();
            fs_err::remove_file(self.0.join(part["path"].as_str().unwrap())).unwrap();
            line["superseded"] = serde_json::json!([part["path"]]);
            line["parts"] = serde_json::json!([]);
            fs_err::write(self.0.join("journal.jsonl"), format!("{journal}{line}\n")).unwrap();
        });
    }
}

#[tokio::test]
async fn a_part_that_was_superseded_before_it_was_read_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("bundle");
    let endpoint = Endpoint::start([]).await;
    let (deployment, uploader) = (deployment(&endpoint.address), Uploader::default());
    let (client, ended) = (uploader.client(), CancellationToken::new());
    let writer = BundleWriter::create(&dir, run_file(false)).unwrap();
    write(&writer, "superseded", 1).await;
    write(&writer, "stays", 2).await;
    while !fs_err::read_to_string(dir.join("journal.jsonl")).is_ok_and(|text| text.lines().count() == 2) {
        tokio::task::yield_now().await;
    }
    ended.cancel();
    let superseding = Superseding(&dir, std::sync::Once::new());
    let error = follow(&dir, &deployment, &client, uploader.options(), &ended, &superseding).await.unwrap_err();
    assert_eq!(failure(&error).status, ExitStatus::Interrupted, "{error:#}");
    assert_eq!(endpoint.accepted(), [2]);
}
