//! What the program says it did, against what the API server saw: matched by Audit-ID.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::harness::{ADMIN, Collected, LIMITED, audit_log, audit_log_since, eventually, json_lines};

/// What the API server recorded of a run's requests, by Audit-ID; an id may have several stages.
pub(super) fn audited(run: &Collected) -> BTreeMap<String, Value> {
    let agent = format!("run/{}", run.run_id());
    let ours = |entry: &Value| entry["userAgent"].as_str().is_some_and(|name| name.contains(&agent));
    audit_log_since(run)
        .into_iter()
        .filter(ours)
        .map(|entry| (entry["auditID"].as_str().unwrap().to_owned(), entry))
        .collect()
}

/// The ids in the run's own record: those sent, and those of them that were answered.
pub(super) fn recorded(run: &Collected) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut sent, mut answered) = (BTreeSet::new(), BTreeSet::new());
    for line in json_lines(&fs_err::read(run.dir.join("actions.jsonl")).unwrap()) {
        let Some(id) = line["audit_id"].as_str().map(str::to_owned) else { continue };
        if line["phase"] == "sent" {
            sent.insert(id);
        } else if line["status"].is_u64() {
            answered.insert(id);
        }
    }
    (sent, answered)
}

fn only_reads(entry: &Value) -> bool {
    let object = &entry["objectRef"];
    let review = matches!(
        object["resource"].as_str(),
        Some("selfsubjectaccessreviews" | "selfsubjectreviews" | "selfsubjectrulesreviews")
    );
    match entry["verb"].as_str().unwrap() {
        "get" | "list" | "watch" => object["resource"] != "secrets",
        "create" => review || object["subresource"] == "exec",
        _ => false,
    }
}

/// Every request of the run is in both records, and none of them writes.
pub(super) fn record_matches_audit_log(run: &Collected) {
    let written = writes_in_both_records(run);
    assert!(written.is_empty(), "not a read: {written:#?}");
}

/// Every request of the run is in both records. Returns those that are neither reads, nor reviews, nor execs.
pub(super) fn writes_in_both_records(run: &Collected) -> Vec<Value> {
    let (sent, answered) = recorded(run);
    assert!(!answered.is_empty());
    assert!(answered.is_subset(&sent));
    eventually("every answered request in the audit log", || {
        let audited = audited(run);
        answered.iter().all(|id| audited.contains_key(id))
    });
    let audited = audited(run);
    for (id, entry) in &audited {
        assert!(sent.contains(id), "not in actions.jsonl: {entry}");
    }
    audited.into_values().filter(|entry| !only_reads(entry)).collect()
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn every_request_is_recorded_and_none_writes() {
    record_matches_audit_log(&ADMIN);
    record_matches_audit_log(&LIMITED);
    for entry in audit_log() {
        let agent = entry["userAgent"].as_str().unwrap_or_default();
        let named = agent.starts_with("kubectl-forensys/") && agent.contains(" run/");
        assert!(named || !agent.contains("forensys"), "{agent}");
    }
}
