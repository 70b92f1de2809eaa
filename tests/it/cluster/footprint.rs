//! The filters that `footprint` prints, run by the real jq on the API server's own audit log.

use std::{collections::BTreeSet, path::Path, process::Command};

use serde_json::Value;

use super::{
    audit::{audited, recorded},
    harness::{Ended, audit_log_since, eventually, json_lines, kubeconfig, kubectl, place},
    rights::CORE,
};

/// What a run of `footprint` in a folder reports.
fn footprint(folder: &Path) -> Value {
    let mut command = kubectl(&kubeconfig("admin"));
    command.current_dir(folder).args(["forensys", "footprint", "-o", "json", "--audit-ids", "ids"]).arg(&CORE.dir);
    let ended = Ended::of(&command.output().unwrap());
    assert_eq!(ended.status, Some(0), "{}", ended.said);
    ended.report
}

/// The stages that a filter leaves of the audit log in the folder.
fn left(folder: &Path, filter: &Value) -> Vec<Value> {
    let output = Command::new("sh").current_dir(folder).args(["-c", filter.as_str().unwrap()]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    json_lines(&output.stdout)
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn the_filters_take_out_the_lines_of_the_run_and_no_others() {
    let (sent, answered) = recorded(&CORE);
    eventually("every answered request in the audit log", || {
        let audited = audited(&CORE);
        answered.iter().all(|id| audited.contains_key(id))
    });
    let folder = place("footprint");
    fs_err::create_dir_all(&folder).unwrap();
    let mut log = audit_log_since(&CORE);
    // Somebody who borrows the name of the run is not the run.
    let mut forged = log.iter().find(|entry| sent.contains(entry["auditID"].as_str().unwrap())).unwrap().clone();
    forged["auditID"] = "forged".into();
    log.push(forged);
    let lines: String = log.iter().map(|entry| format!("{entry}\n")).collect();
    fs_err::write(folder.join("audit.log"), lines).unwrap();

    let report = footprint(&folder);
    let ids = fs_err::read_to_string(folder.join("ids")).unwrap();
    assert_eq!(ids.lines().map(str::to_owned).collect::<BTreeSet<_>>(), sent);
    assert_eq!(report["total"]["sent"], ids.lines().count());
    let others = |is_ours: &dyn Fn(&str) -> bool| -> Vec<Value> {
        log.iter().filter(|entry| !is_ours(entry["auditID"].as_str().unwrap())).cloned().collect()
    };
    let by_id = others(&|id| sent.contains(id));
    assert!(by_id.len() < log.len());
    assert_eq!(left(&folder, &report["filters"]["jq_audit_ids"]), by_id);
    assert_eq!(left(&folder, &report["filters"]["jq_user_agent"]), others(&|id| sent.contains(id) || id == "forged"));
}
