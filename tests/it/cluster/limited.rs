//! Collected by an account with rights in one namespace: that namespace is whole, and the rest is said to be missing.

use super::harness::{ADMIN, LIMITED, column, text, verify};

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn it_ends_with_gaps_and_verifies() {
    assert_eq!(LIMITED.ended.status, Some(3), "{}", LIMITED.ended.said);
    assert_eq!(LIMITED.ended.report["status"], "gaps");
    let gaps = LIMITED.ended.report["gaps"].as_array().unwrap();
    assert!(gaps.iter().any(|gap| gap["state"] == "denied"), "{gaps:?}");
    assert_eq!(LIMITED.rows("forensysgaps_CL").len(), gaps.len());
    assert_eq!(verify(&LIMITED.dir).report["ok"], true);
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn the_namespace_it_may_read_is_as_whole_as_the_admin_sees_it() {
    for table in [
        "kubelogs_CL",
        "commandhistory_CL",
        "pods_CL",
        "containers_CL",
        "suspiciouspods_CL",
        "serviceaccounts_CL",
        "cronjobs_CL",
        "networkpolicies_CL",
        "rbacbindings_CL",
    ] {
        let expected = column(&ADMIN.rows_of(table, &[("namespace", "shop")]), "RecordId");
        let found = column(&LIMITED.rows_of(table, &[("namespace", "shop")]), "RecordId");
        assert!(!expected.is_empty() && expected == found, "{table}: {} rows, {} seen", expected.len(), found.len());
        assert_eq!(found.len(), LIMITED.rows(table).len(), "{table} has rows of other namespaces");
    }
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn what_was_refused_is_named() {
    let gaps = LIMITED.rows("forensysgaps_CL");
    let denied = |source: &str| gaps.iter().any(|gap| text(gap, "source") == source && gap["state"] == "denied");
    assert!(denied("rbac"), "cluster role bindings: {gaps:?}");
    assert!(
        gaps.iter().any(|gap| text(gap, "object").contains("namespaces") || text(gap, "reason").contains("namespaces")),
        "{gaps:?}"
    );
}
