//! Pods with settings that reach the node: host namespaces, privileged containers, paths of the node.

use k8s_openapi::api::core::v1::{Container, HostPathVolumeSource, Pod};

use super::containers::{Specified, specified};

crate::table! {
    /// Settings by which a pod can reach its node. A row per setting and container; whether a setting is meant is for
    /// the reader to judge.
    "suspiciouspods_CL": SuspiciousPodRow {
        /// Namespace.
        [key] namespace: String,
        /// Name of the pod.
        [key] pod_name: String,
        /// UID of the pod.
        [key] pod_uid: String,
        /// `hostNetwork`, `hostPID`, `hostIPC`, `privileged`, `hostPath` or `hostPath (creation-capable)`.
        [key] issue_type: String,
        /// Name of the container, where the setting is a container's.
        [key] container_name: Option<String>,
        /// Field of the pod that holds the setting.
        [key] field_path: String,
        /// Its value.
        field_value: String,
        /// The setting in a sentence.
        [derived] details: String,
        /// `init`, `sidecar`, `app` or `ephemeral`.
        container_type: Option<String>,
        /// Whether the container can write to the path of the node: its mount does not say `readOnly`.
        writable: Option<bool>,
        /// Image of the container.
        image: Option<String>,
        /// Node.
        node_name: Option<String>,
        /// Service account.
        service_account: Option<String>,
    }
}

/// The rows of a pod; none for a pod without such settings.
pub fn rows(pod: &Pod) -> Vec<SuspiciousPodRow> {
    let mut rows = of_pod(pod);
    for specified in specified(pod) {
        let context = specified.container.security_context.as_ref();
        if context.and_then(|context| context.privileged) == Some(true) {
            rows.push(SuspiciousPodRow {
                issue_type: "privileged".to_owned(),
                field_path: format!("{}[{}].securityContext.privileged", specified.field, specified.container.name),
                field_value: "true".to_owned(),
                details: format!("{} container `{}` is privileged", specified.kind, specified.container.name),
                ..of_container(pod, &specified)
            });
        }
    }
    rows.extend(host_paths(pod));
    rows
}

fn of_pod(pod: &Pod) -> Vec<SuspiciousPodRow> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    [
        ("hostNetwork", spec.host_network, "uses the node's network"),
        ("hostPID", spec.host_pid, "sees the node's processes"),
        ("hostIPC", spec.host_ipc, "shares the node's inter-process communication"),
    ]
    .into_iter()
    .filter(|(_, value, _)| *value == Some(true))
    .map(|(name, _, words)| SuspiciousPodRow {
        issue_type: name.to_owned(),
        field_path: format!("spec.{name}"),
        field_value: "true".to_owned(),
        details: format!("the pod {words}"),
        ..base(pod)
    })
    .collect()
}

/// A row per mount of each hostPath volume, in every list of containers, and one for a volume that nothing mounts.
fn host_paths(pod: &Pod) -> Vec<SuspiciousPodRow> {
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    let containers = specified(pod);
    let mut rows = Vec::new();
    for volume in volumes {
        let Some(source) = &volume.host_path else { continue };
        let issue = issue_type(source);
        let before = rows.len();
        for specified in &containers {
            for writable in mounts(&specified.container, &volume.name) {
                rows.push(SuspiciousPodRow {
                    issue_type: issue.to_owned(),
                    field_path: format!("spec.volumes[{}].hostPath", volume.name),
                    field_value: source.path.clone(),
                    details: format!(
                        "{} container `{}` mounts `{}` of the node, {}",
                        specified.kind,
                        specified.container.name,
                        source.path,
                        if writable { "writable" } else { "read-only" }
                    ),
                    writable: Some(writable),
                    ..of_container(pod, specified)
                });
            }
        }
        if rows.len() == before {
            rows.push(SuspiciousPodRow {
                issue_type: issue.to_owned(),
                field_path: format!("spec.volumes[{}].hostPath", volume.name),
                field_value: source.path.clone(),
                details: format!("volume `{}` is `{}` of the node; no container mounts it", volume.name, source.path),
                ..base(pod)
            });
        }
    }
    rows
}

fn issue_type(source: &HostPathVolumeSource) -> &'static str {
    match source.type_.as_deref() {
        Some("DirectoryOrCreate" | "FileOrCreate") => "hostPath (creation-capable)",
        _ => "hostPath",
    }
}

/// For each mount of a volume, whether it can be written. The volume itself has no say: `readOnly` is the mount's.
fn mounts(container: &Container, volume: &str) -> Vec<bool> {
    let mounts = container.volume_mounts.iter().flatten().filter(|mount| mount.name == volume);
    let mut found: Vec<_> = mounts.map(|mount| mount.read_only != Some(true)).collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn base(pod: &Pod) -> SuspiciousPodRow {
    let spec = pod.spec.as_ref();
    SuspiciousPodRow {
        namespace: pod.metadata.namespace.clone().unwrap_or_default(),
        pod_name: pod.metadata.name.clone().unwrap_or_default(),
        pod_uid: pod.metadata.uid.clone().unwrap_or_default(),
        node_name: spec.and_then(|spec| spec.node_name.clone()),
        service_account: spec.and_then(|spec| spec.service_account_name.clone()),
        ..SuspiciousPodRow::default()
    }
}

fn of_container(pod: &Pod, specified: &Specified<'_>) -> SuspiciousPodRow {
    SuspiciousPodRow {
        container_name: Some(specified.container.name.clone()),
        container_type: Some(specified.kind.to_owned()),
        image: specified.container.image.clone(),
        ..base(pod)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_container_lists_count_and_each_mount_speaks_for_itself() {
        let pod = json!({"metadata": {"name": "p", "namespace": "shop"}, "spec": {"hostPID": true,
            "volumes": [{"name": "host", "hostPath": {"path": "/"}},
                {"name": "spare", "hostPath": {"path": "/tmp/x", "type": "DirectoryOrCreate"}}],
            "initContainers": [{"name": "i", "securityContext": {"privileged": true}}],
            "containers": [{"name": "w", "volumeMounts": [{"name": "host", "mountPath": "/h"}]},
                {"name": "r", "volumeMounts": [{"name": "host", "mountPath": "/h", "readOnly": true}]}]}});
        let rows = rows(&serde_json::from_value(pod).unwrap());
        let seen: Vec<_> =
            rows.iter().map(|row| (row.issue_type.as_str(), row.container_name.as_deref(), row.writable)).collect();
        assert_eq!(
            seen,
            [
                ("hostPID", None, None),
                ("privileged", Some("i"), None),
                ("hostPath", Some("w"), Some(true)),
                ("hostPath", Some("r"), Some(false)),
                ("hostPath (creation-capable)", None, None)
            ]
        );
    }
}
