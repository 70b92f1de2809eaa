//! The kinds that the in-process API serves, and the discovery documents that follow from them.

use serde_json::{Value, json};

/// One served kind.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) plural: &'static str,
    pub(super) kind: &'static str,
    pub(super) namespaced: bool,
    short: &'static [&'static str],
    subresources: &'static [(&'static str, &'static str, &'static [&'static str])],
}

const READ: &[&str] = &["get", "list", "watch"];
const RBAC: &str = "rbac.authorization.k8s.io";

const fn cluster(
    group: &'static str,
    plural: &'static str,
    kind: &'static str,
    short: &'static [&'static str],
) -> Resource {
    Resource { group, version: "v1", plural, kind, namespaced: false, short, subresources: &[] }
}

const fn namespaced(
    group: &'static str,
    plural: &'static str,
    kind: &'static str,
    short: &'static [&'static str],
) -> Resource {
    Resource { group, version: "v1", plural, kind, namespaced: true, short, subresources: &[] }
}

/// Everything that is served.
pub(super) const RESOURCES: &[Resource] = &[
    cluster("", "namespaces", "Namespace", &["ns"]),
    cluster("", "nodes", "Node", &["no"]),
    Resource {
        group: "",
        version: "v1",
        plural: "pods",
        kind: "Pod",
        namespaced: true,
        short: &["po"],
        subresources: &[("pods/log", "Pod", &["get"]), ("pods/exec", "PodExecOptions", &["create", "get"])],
    },
    namespaced("", "events", "Event", &["ev"]),
    namespaced("", "serviceaccounts", "ServiceAccount", &["sa"]),
    namespaced("batch", "cronjobs", "CronJob", &["cj"]),
    namespaced("networking.k8s.io", "networkpolicies", "NetworkPolicy", &["netpol"]),
    namespaced(RBAC, "roles", "Role", &[]),
    namespaced(RBAC, "rolebindings", "RoleBinding", &[]),
    cluster(RBAC, "clusterroles", "ClusterRole", &[]),
    cluster(RBAC, "clusterrolebindings", "ClusterRoleBinding", &[]),
];

/// The groups whose reviews are answered though nothing of them is stored.
const REVIEW_GROUPS: &[(&str, &[(&str, &str)])] = &[
    ("authentication.k8s.io", &[("selfsubjectreviews", "SelfSubjectReview")]),
    ("authorization.k8s.io", &[("selfsubjectaccessreviews", "SelfSubjectAccessReview")]),
];

impl Resource {
    /// `v1` or `group/v1`.
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }
}

/// The kind served under this group, version and plural name.
pub(super) fn find(group: &str, version: &str, plural: &str) -> Option<&'static Resource> {
    RESOURCES.iter().find(|known| known.group == group && known.version == version && known.plural == plural)
}

/// The kind of a stored object, by its `apiVersion` and `kind`.
pub(super) fn of_object(object: &Value) -> Option<&'static Resource> {
    let text = |name| object.get(name).and_then(Value::as_str).unwrap_or_default();
    RESOURCES.iter().find(|known| known.kind == text("kind") && known.api_version() == text("apiVersion"))
}

/// The discovery document for `path`, if it is one of discovery's.
pub(super) fn discovery(path: &str) -> Option<Value> {
    match path.trim_matches('/').split('/').collect::<Vec<_>>().as_slice() {
        ["version"] => Some(version()),
        ["api"] => Some(json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] })),
        ["apis"] => Some(json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups() })),
        ["api", "v1"] => resource_list("", "v1"),
        ["apis", group] => groups().into_iter().find(|known| known.get("name") == Some(&json!(group))),
        ["apis", group, "v1"] => resource_list(group, "v1"),
        _ => None,
    }
}

fn version() -> Value {
    json!({
        "major": "1", "minor": "36", "gitVersion": "v1.36.3", "gitCommit": "0000000000000000000000000000000000000000",
        "gitTreeState": "clean", "buildDate": "2026-01-01T00:00:00Z", "goVersion": "go1.26", "compiler": "gc", "platform": "linux/amd64",
    })
}

fn groups() -> Vec<Value> {
    let stored = RESOURCES.iter().map(|known| known.group);
    let mut names: Vec<&str> =
        stored.chain(REVIEW_GROUPS.iter().map(|group| group.0)).filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(group).collect()
}

fn group(name: &str) -> Value {
    let version = json!({ "groupVersion": format!("{name}/v1"), "version": "v1" });
    json!({ "kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": [version], "preferredVersion": version })
}

fn resource_list(group: &str, version: &str) -> Option<Value> {
    let served = RESOURCES.iter().filter(|known| known.group == group && known.version == version);
    let mut resources: Vec<Value> = served.flat_map(entries).collect();
    let reviews = REVIEW_GROUPS.iter().filter(|known| known.0 == group).flat_map(|known| known.1);
    resources.extend(reviews.map(|(name, kind)| {
        json!({ "name": name, "singularName": kind.to_lowercase(), "namespaced": false, "kind": kind, "verbs": ["create"] })
    }));
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    (!resources.is_empty()).then(|| {
        json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources })
    })
}

fn entries(known: &Resource) -> Vec<Value> {
    let own = json!({
        "name": known.plural, "singularName": known.kind.to_lowercase(), "namespaced": known.namespaced,
        "kind": known.kind, "verbs": READ, "shortNames": known.short,
    });
    let parts = known.subresources.iter().map(|(name, kind, verbs)| {
        json!({ "name": name, "singularName": "", "namespaced": known.namespaced, "kind": kind, "verbs": verbs })
    });
    std::iter::once(own).chain(parts).collect()
}
