//! Builders for the recorded API objects: what the server would have filled in (uid, resource version, creation time,
//! field managers) follows from kind, name and the age given here.

use super::recording::Clock;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// The API version of the role-based access kinds.
const RBAC: &str = "rbac.authorization.k8s.io/v1";

/// The uid of an object: the same in every recording.
pub(super) fn uid(kind: &str, namespace: &str, name: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("forensys/{kind}/{namespace}/{name}").as_bytes()).to_string()
}

/// Hexadecimal SHA-256, for container and image ids.
pub(super) fn digest(text: &str) -> String {
    crate::table::hex_text(Sha256::digest(text.as_bytes()).iter())
}

/// An object made from its identity, its age in seconds, who made it, and its other fields.
pub(super) struct Object<'a> {
    pub(super) api_version: &'a str,
    pub(super) kind: &'a str,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) age: i64,
    pub(super) manager: &'a str,
}

impl Object<'_> {
    /// The whole object; `fields` are its top-level fields, of which `metadata` is merged into the generated one.
    pub(super) fn with(&self, clock: Clock, fields: Value) -> Value {
        let mut fields = into_map(fields);
        let mut metadata = json!({
            "name": self.name,
            "uid": uid(self.kind, self.namespace, self.name),
            "resourceVersion": (90_000 - self.age / 60).max(1).to_string(),
            "creationTimestamp": clock.text(self.age),
            "managedFields": [{
                "manager": self.manager, "operation": "Update", "apiVersion": self.api_version, "time": clock.text(self.age),
                "fieldsType": "FieldsV1", "fieldsV1": { "f:metadata": {} },
            }],
        });
        if let Some(metadata) = metadata.as_object_mut() {
            if !self.namespace.is_empty() {
                metadata.insert("namespace".to_owned(), json!(self.namespace));
            }
            metadata.extend(into_map(fields.remove("metadata").unwrap_or_default()));
        }
        let mut object = into_map(json!({ "apiVersion": self.api_version, "kind": self.kind, "metadata": metadata }));
        object.extend(fields);
        Value::Object(object)
    }
}

fn into_map(value: Value) -> Map<String, Value> {
    if let Value::Object(map) = value { map } else { Map::new() }
}

/// A namespace with its labels.
pub(super) fn namespace(clock: Clock, name: &str, age: i64, labels: Value) -> Value {
    Object { api_version: "v1", kind: "Namespace", namespace: "", name, age, manager: "kubectl-create" }.with(
        clock,
        json!({ "metadata": { "labels": labels }, "spec": { "finalizers": ["kubernetes"] }, "status": { "phase": "Active" } }),
    )
}

/// A ready node.
pub(super) fn node(clock: Clock, name: &str, address: &str, age: i64) -> Value {
    Object { api_version: "v1", kind: "Node", namespace: "", name, age, manager: "kubelet" }.with(
        clock,
        json!({
            "metadata": { "labels": { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64" } },
            "spec": { "podCIDR": "10.244.0.0/24" },
            "status": {
                "addresses": [{ "type": "InternalIP", "address": address }, { "type": "Hostname", "address": name }],
                "conditions": [{ "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status",
                    "lastTransitionTime": clock.text(age), "lastHeartbeatTime": clock.text(20) }],
                "nodeInfo": { "architecture": "amd64", "operatingSystem": "linux", "kubeletVersion": "v1.36.3", "kubeProxyVersion": "",
                    "containerRuntimeVersion": "containerd://2.4.2", "osImage": "Ubuntu 24.04.3 LTS", "kernelVersion": "6.8.0-60-generic",
                    "machineID": digest(name).get(..32), "systemUUID": uid("Machine", "", name), "bootID": uid("Boot", "", name) },
            },
        }),
    )
}

/// A service account; `fields` as in the API.
pub(super) fn service_account(clock: Clock, namespace: &str, name: &str, age: i64, fields: Value) -> Value {
    let manager = if name == "default" { "kube-controller-manager" } else { "kubectl-client-side-apply" };
    Object { api_version: "v1", kind: "ServiceAccount", namespace, name, age, manager }.with(clock, fields)
}

/// A role: cluster-wide when the namespace is empty.
pub(super) fn role(clock: Clock, namespace: &str, name: &str, age: i64, fields: Value) -> Value {
    let kind = if namespace.is_empty() { "ClusterRole" } else { "Role" };
    Object { api_version: RBAC, kind, namespace, name, age, manager: "kubectl-client-side-apply" }.with(clock, fields)
}

/// A binding (cluster-wide when the namespace is empty) of a role, given as `Kind/name`, to subjects.
pub(super) fn binding(clock: Clock, namespace: &str, name: &str, age: i64, role: &str, subjects: Value) -> Value {
    let kind = if namespace.is_empty() { "ClusterRoleBinding" } else { "RoleBinding" };
    let (role_kind, role_name) = role.split_once('/').unwrap_or(("Role", role));
    let mut fields =
        json!({ "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": role_name } });
    if let (Some(fields), false) = (fields.as_object_mut(), subjects.is_null()) {
        fields.insert("subjects".to_owned(), subjects);
    }
    Object { api_version: RBAC, kind, namespace, name, age, manager: "kubectl-create" }.with(clock, fields)
}

/// A subject that is a service account.
pub(super) fn account(namespace: &str, name: &str) -> Value {
    json!({ "kind": "ServiceAccount", "namespace": namespace, "name": name })
}

/// A subject that is a user or a group.
pub(super) fn principal(kind: &str, name: &str) -> Value {
    json!({ "kind": kind, "name": name, "apiGroup": "rbac.authorization.k8s.io" })
}

/// A cron job; `pod` is the spec of its pods.
pub(super) fn cron_job(clock: Clock, namespace: &str, name: &str, age: i64, spec: Value, pod: Value) -> Value {
    let mut spec = into_map(spec);
    spec.insert("jobTemplate".to_owned(), json!({ "spec": { "template": { "spec": pod } } }));
    Object { api_version: "batch/v1", kind: "CronJob", namespace, name, age, manager: "kubectl-client-side-apply" }
        .with(clock, json!({ "spec": spec, "status": { "lastScheduleTime": clock.text(240), "lastSuccessfulTime": clock.text(235) } }))
}

/// A network policy.
pub(super) fn network_policy(clock: Clock, namespace: &str, name: &str, age: i64, spec: Value) -> Value {
    let api_version = "networking.k8s.io/v1";
    Object { api_version, kind: "NetworkPolicy", namespace, name, age, manager: "kubectl-client-side-apply" }
        .with(clock, json!({ "spec": spec }))
}
