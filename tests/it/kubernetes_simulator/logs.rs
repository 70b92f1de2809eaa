//! Logs of a cluster that does not stand still: containers that restart, pods that are replaced, files that are rotated, while they are read.

use std::collections::BTreeSet;

use forensys::{
    bundle::{Bundle, BundleWriter, FORMAT, GapEntry, RunFile, State},
    collect::{Collected, Collector, aks::AskAzure, debug::Consent, progress::Progress, settings::Settings as Asked},
    demo::{
        kubernetes::{Cluster as Recorded, Fault, Settings},
        scenario::{LogChunk, RecordedContainer, Scenario},
    },
    ui::{Output, Printer},
};
use serde_json::{Value, json};

use super::{Served, served};

/// When instance N of a container begins.
fn begun(instance: i64) -> String {
    format!("2026-03-01T1{instance}:00:00Z")
}

/// Lines of instance N, from a number on.
fn lines(instance: i64, numbers: std::ops::Range<i64>) -> Vec<LogChunk> {
    let line = |number: i64| LogChunk {
        time: format!("2026-03-01T1{instance}:00:{number:02}.5Z").parse().ok(),
        bytes: format!("instance {instance} line {number}").into_bytes(),
        full: true,
    };
    numbers.map(line).collect()
}

/// A pod whose container was restarted so often.
fn pod(name: &str, uid: &str, restarts: i64) -> Value {
    let id = |instance: i64| format!("containerd://{uid}-{instance}");
    let last = match restarts {
        0 => json!({}),
        count => json!({"terminated": {"exitCode": 1, "containerID": id(count - 1), "startedAt": begun(count - 1)}}),
    };
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop", "uid": uid},
        "spec": {"nodeName": "node-1", "containers": [{"name": "app"}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "app", "image": "i", "imageID": "", "ready": true,
            "restartCount": restarts, "containerID": id(restarts), "state": {"running": {"startedAt": begun(restarts)}},
            "lastState": last}]}})
}

/// What the kubelet has of the container then.
fn recording(name: &str, restarts: i64) -> RecordedContainer {
    let container = RecordedContainer::new("shop", name, "app").printed(lines(restarts, 0..5));
    if restarts == 0 { container } else { container.printed_before(lines(restarts - 1, 0..5)) }
}

async fn cluster(pods: &[Value], containers: Vec<RecordedContainer>) -> Served {
    let now = "2026-03-01T19:00:00Z".parse().unwrap();
    served(Settings::new(Scenario { now, objects: pods.to_vec(), containers, denials: Vec::new() })).await
}

/// One pod, `web`, that was restarted so often.
async fn web(restarts: i64) -> Served {
    cluster(&[pod("web", "u", restarts)], vec![recording("web", restarts)]).await
}

struct Read {
    dir: std::path::PathBuf,
    collected: Collected,
    served: Served,
}

/// Collects the logs of the namespace, with some settings changed.
async fn collect(served: Served) -> Read {
    let settings = json!({"namespaces": ["shop"], "fallback_namespace": "shop", "sources": ["logs"], "exec": false,
        "log_metadata": "none"});
    let run: RunFile = serde_json::from_value(json!({"format": FORMAT, "run_id": "01JTEST", "tool": "test", "demo": true,
        "started": "2026-03-01T19:00:00Z", "operator": {"login": "", "host": ""}, "server": "", "window": {}, "settings": settings}))
    .unwrap();
    let dir = served.folder.path().join("bundle");
    let collector = Collector {
        cluster: served.client("other.jsonl").await,
        writer: BundleWriter::create(&dir, run).unwrap(),
        settings: serde_json::from_value::<Asked>(settings).unwrap(),
        stop: tokio_util::sync::CancellationToken::new(),
        azure: AskAzure::No,
        consent: Consent::Given,
        progress: Progress::new(Printer::new(Output::Json)),
    };
    let collected = collector.run().await.unwrap();
    Read { dir, collected, served }
}

impl Read {
    /// Lines in the order of their times: instance as the row names it, and text.
    fn lines(&self) -> Vec<(i64, String)> {
        let bundle = Bundle::open(&self.dir).unwrap();
        let mut rows: Vec<Value> = Vec::new();
        for part in bundle.parts("kubelogs_CL") {
            let lines = std::io::BufRead::lines(bundle.read_part(part).unwrap());
            rows.extend(lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap()));
        }
        let ids: BTreeSet<_> = rows.iter().map(|row| row["RecordId"].to_string()).collect();
        assert_eq!(ids.len(), rows.len(), "a line is there twice");
        let line = |row: &Value| (row["restart_count"].as_i64().unwrap(), row["message"].as_str().unwrap().to_owned());
        let mut lines: Vec<_> = rows.iter().map(|row| (row["EventTime"].to_string(), line(row))).collect();
        lines.sort();
        lines.into_iter().map(|(_, line)| line).collect()
    }

    fn gaps(&self) -> Vec<&GapEntry> {
        self.collected.gaps.iter().filter(|gap| gap.source == "logs" && gap.state.is_gap()).collect()
    }

    fn journal(&self) -> Vec<Value> {
        let text = fs_err::read_to_string(self.dir.join("journal.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Lines under the instances that printed them.
fn of_instances(instances: &[i64]) -> Vec<(i64, String)> {
    let lines = |&instance: &i64| (0..5).map(move |line| (instance, format!("instance {instance} line {line}")));
    instances.iter().flat_map(lines).collect()
}

/// The pod `web` is restarted, so often in all.
fn restart(restarts: i64) -> impl FnOnce(&Recorded<'_>) + Send + 'static {
    move |cluster| {
        cluster.record(recording("web", restarts));
        assert!(cluster.put(pod("web", "u", restarts)));
    }
}

#[tokio::test]
async fn a_container_that_restarts_right_before_its_log_is_read_has_both_logs_under_their_numbers() {
    let served = web(0).await;
    served.api.before("pods/log", Some("web"), 0, restart(1));
    let read = collect(served).await;
    assert_eq!(read.lines(), of_instances(&[0, 1]));
    assert!(read.gaps().is_empty(), "{:?}", read.gaps());
}

#[tokio::test]
async fn a_container_that_restarts_between_two_attempts_has_both_logs_under_their_numbers() {
    let served = web(0).await;
    served.api.inject(Fault::CutLog { namespace: "shop".into(), pod: "web".into(), after: 120 });
    served.api.before("pods/log", Some("web"), 1, restart(1));
    let read = collect(served).await;
    assert_eq!(read.lines(), of_instances(&[0, 1]));
    assert!(read.gaps().is_empty(), "{:?}", read.gaps());
}

#[tokio::test]
async fn an_instance_that_is_older_than_the_one_before_is_a_gap_and_nothing_stands_under_its_number() {
    let served = web(0).await;
    served.api.before("pods/log", Some("web"), 0, restart(2));
    let read = collect(served).await;
    assert_eq!(read.lines(), of_instances(&[1, 2]));
    let gaps = read.gaps();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert!(gaps[0].state == State::Failed && gaps[0].reason.contains("restarted"), "{gaps:?}");
}

#[tokio::test]
async fn the_instance_before_is_not_taken_for_the_one_that_was_it_when_the_pods_were_listed() {
    let served = web(1).await;
    // The first of the two logs is that of instance 0.
    served.api.before("pods/log", Some("web"), 0, restart(2));
    let read = collect(served).await;
    assert_eq!(read.lines(), of_instances(&[1, 2]));
    assert_eq!(read.gaps().len(), 1, "{:?}", read.gaps());
}

#[tokio::test]
async fn a_pod_that_is_replaced_right_before_its_log_is_read_has_no_lines_of_the_new_one() {
    let served = web(0).await;
    served.api.before("pods/log", Some("web"), 0, |cluster| {
        cluster.delete_pod("shop", "web");
        // The new one began later.
        let mut new = pod("web", "v", 0);
        new["status"]["containerStatuses"][0]["state"]["running"]["startedAt"] = begun(3).into();
        cluster.record(RecordedContainer::new("shop", "web", "app").printed(lines(3, 0..5)));
        assert!(cluster.put(new));
    });
    let read = collect(served).await;
    assert_eq!(read.lines().len(), 5, "the new pod's lines once: {:?}", read.lines());
    let gaps = read.gaps();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert!(gaps[0].reason.contains("replaced"), "{gaps:?}");
    assert!(read.served.api.requests().iter().all(|request| !request.uri.ends_with("/pods/web")));
}

#[tokio::test]
async fn a_container_that_begins_while_logs_are_read_is_read() {
    let mut waiting = pod("late", "l", 0);
    waiting["status"] = json!({"phase": "Pending"});
    let served = cluster(&[pod("web", "u", 0), waiting], vec![recording("web", 0), recording("late", 0)]).await;
    served.api.before("pods", None, 1, |cluster| assert!(cluster.put(pod("late", "l", 0))));
    let read = collect(served).await;
    assert_eq!(read.lines().len(), 10);
    assert!(read.gaps().is_empty(), "{:?}", read.gaps());
    assert!(!read.collected.gaps.iter().any(|gap| gap.state == State::Unsupported), "{:?}", read.collected.gaps);
}

#[tokio::test]
async fn lines_between_a_break_and_a_rotation_are_a_gap_and_the_log_begins_with_the_first_line_kept() {
    let served = web(0).await;
    served.api.inject(Fault::CutLog { namespace: "shop".into(), pod: "web".into(), after: 120 });
    served.api.before("pods/log", Some("web"), 1, |cluster| {
        cluster.record(RecordedContainer::new("shop", "web", "app").printed(lines(0, 30..33)));
    });
    let read = collect(served).await;
    let numbers: Vec<_> =
        read.lines().into_iter().map(|(_, text)| text.rsplit(' ').next().unwrap().to_owned()).collect();
    assert_eq!(numbers, ["0", "1", "30", "31", "32"]);
    let gaps = read.gaps();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert!(
        gaps[0].state == State::Truncated && gaps[0].reason.contains("10:00:01.5Z and 2026-03-01T10:00:30.5Z"),
        "{gaps:?}"
    );
    let journal = read.journal();
    let log = journal.iter().rfind(|line| line["unit"].as_str().unwrap().ends_with("/app/0")).unwrap();
    assert_eq!(log["coverage"]["first"], "2026-03-01T10:00:00.5Z");
    assert_eq!(log["coverage"]["last"], "2026-03-01T10:00:32.5Z");
}

#[tokio::test]
async fn what_was_kept_of_a_log_stays_when_it_is_rotated_and_its_container_restarts_before_it_is_read_on() {
    let served = web(0).await;
    for after in [120, 1, 1, 1] {
        served.api.inject(Fault::CutLog { namespace: "shop".into(), pod: "web".into(), after });
    }
    served.api.before("pods/log", Some("web"), 4, |cluster| {
        let container = RecordedContainer::new("shop", "web", "app").printed(lines(1, 0..5));
        cluster.record(container.printed_before(lines(0, 30..33)));
        assert!(cluster.put(pod("web", "u", 1)));
    });
    let read = collect(served).await;
    let mut expected: Vec<_> = [0, 1, 30, 31, 32].map(|line| (0, format!("instance 0 line {line}"))).into();
    expected.extend(of_instances(&[1]));
    assert_eq!(read.lines(), expected);
    let gaps = read.gaps();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert!(gaps[0].reason.contains("10:00:01.5Z and 2026-03-01T10:00:30.5Z"), "{gaps:?}");
}

#[tokio::test]
async fn rows_that_turn_out_to_be_of_another_instance_stay_in_the_bundle_as_raw_lines() {
    let served = web(0).await;
    served.api.before("pods/log", Some("web"), 0, restart(1));
    let read = collect(served).await;
    let raw = format!("{}/raw/withdrawn_logs", read.dir.display());
    let found = std::process::Command::new("grep").args(["-rc", "instance 1 line", &raw]).output().unwrap();
    assert!(String::from_utf8_lossy(&found.stdout).trim().ends_with(":5"), "{found:?}");
    assert_eq!(forensys::bundle::verify(&read.dir).unwrap().problems, []);
}

#[tokio::test]
async fn a_break_without_a_rotation_leaves_no_gap_and_no_line_twice() {
    let served = web(0).await;
    served.api.inject(Fault::CutLog { namespace: "shop".into(), pod: "web".into(), after: 120 });
    let read = collect(served).await;
    assert_eq!(read.lines(), of_instances(&[0]));
    assert!(read.gaps().is_empty(), "{:?}", read.gaps());
}

#[tokio::test]
async fn an_empty_log_of_a_container_that_runs_for_hours_is_noted() {
    let served = cluster(&[pod("web", "u", 0)], vec![RecordedContainer::new("shop", "web", "app")]).await;
    let read = collect(served).await;
    let note = read.collected.gaps.iter().find(|gap| gap.reason.contains("the log is empty")).expect("a note");
    assert_eq!(note.state, State::SkippedByFilter);
}
