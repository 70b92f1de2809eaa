//! Cluster-wide roles and bindings: the bootstrap's, the shop's, and the attacker's way back in.

use super::objects::{account, binding, principal, role};
use super::recording::Clock;
use serde_json::{Value, json};

/// The roles and bindings without a namespace.
pub(super) fn objects(clock: Clock) -> Vec<Value> {
    let bootstrap = 7_776_000;
    let defaults = json!({ "labels": { "kubernetes.io/bootstrapping": "rbac-defaults" },
        "annotations": { "rbac.authorization.kubernetes.io/autoupdate": "true" } });
    let everything = json!([{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }, { "nonResourceURLs": ["*"], "verbs": ["*"] }]);
    let edit = json!([
        { "apiGroups": [""], "resources": ["pods"], "verbs": ["create", "get", "list", "delete"] },
        { "apiGroups": [""], "resources": ["pods/ephemeralcontainers"], "verbs": ["patch"] },
        { "apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"] },
        { "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterrolebindings"], "verbs": ["create"] },
        { "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "verbs": ["bind"] },
        { "apiGroups": [""], "resources": ["events"], "verbs": ["delete", "deletecollection"] },
    ]);
    let view = json!({ "clusterRoleSelectors": [{ "matchLabels": { "rbac.authorization.k8s.io/aggregate-to-view": "true" } }] });
    let read = json!([{ "apiGroups": [""], "resources": ["pods", "events"], "verbs": ["get", "list", "watch"] }]);
    let agent = json!([{ "apiGroups": [""], "resources": ["nodes/proxy"], "verbs": ["get", "create"] }]);
    vec![
        role(clock, "", "cluster-admin", bootstrap, json!({ "metadata": defaults, "rules": everything })),
        role(clock, "", "view", bootstrap, json!({ "metadata": defaults, "aggregationRule": view, "rules": read })),
        role(clock, "", "shop-edit", 2_100_000, json!({ "rules": edit })),
        role(clock, "", "metrics-agent", 3650, json!({ "rules": agent })),
        binding(
            clock,
            "",
            "cluster-admin",
            bootstrap,
            "ClusterRole/cluster-admin",
            json!([principal("Group", "system:masters")]),
        ),
        binding(
            clock,
            "",
            "auditors",
            5_000_000,
            "ClusterRole/view",
            json!([principal("Group", "auditors@example.com")]),
        ),
        binding(
            clock,
            "",
            "metrics-agent",
            3640,
            "ClusterRole/metrics-agent",
            json!([account("kube-system", "metrics-agent")]),
        ),
        binding(
            clock,
            "",
            "system-health",
            4300,
            "ClusterRole/cluster-admin",
            json!([principal("User", "system:anonymous")]),
        ),
    ]
}
