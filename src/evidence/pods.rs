//! Pods: one list that feeds the inventories of pods and containers and the suspicious settings.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodSpec, PodStatus};

use super::{Listing, Source, containers, identity, read, suspicious_pods};
use crate::{bundle::Unit, cluster::Resource};

crate::table! {
    /// Pods: identity, specification and status, once for each pod.
    "pods_CL": PodRow {
        /// Namespace.
        [key] namespace: Option<String>,
        /// Name.
        [key] pod_name: Option<String>,
        /// UID.
        [key] pod_uid: Option<String>,
        /// Node that it runs on.
        node_name: Option<String>,
        /// Phase.
        phase: Option<String>,
        /// Reason of the phase (`Evicted` …).
        status_reason: Option<String>,
        /// Message of the phase.
        status_message: Option<String>,
        /// Service account.
        service_account: Option<String>,
        /// Whether a token is mounted, as the pod says.
        automount_service_account_token: Option<bool>,
        /// Kind of the owner.
        owner_kind: Option<String>,
        /// Name of the owner.
        owner_name: Option<String>,
        /// Address of the pod.
        pod_ip: Option<String>,
        /// Address of the node.
        host_ip: Option<String>,
        /// Whether it uses the node's network.
        host_network: Option<bool>,
        /// Whether it sees the node's processes.
        host_pid: Option<bool>,
        /// Whether it shares the node's inter-process communication.
        host_ipc: Option<bool>,
        /// Whether its containers see each other's processes.
        share_process_namespace: Option<bool>,
        /// Quality of service class.
        qos_class: Option<String>,
        /// Priority class.
        priority_class: Option<String>,
        /// Restart policy.
        restart_policy: Option<String>,
        /// Scheduler.
        scheduler_name: Option<String>,
        /// Runtime class.
        runtime_class: Option<String>,
        /// Security context of the pod (JSON).
        security_context: Option<String>,
        /// Volumes (JSON array).
        volumes: Option<String>,
        /// Tolerations (JSON array).
        tolerations: Option<String>,
        /// Node selector (JSON object).
        node_selector: Option<String>,
        /// Conditions (JSON array).
        conditions: Option<String>,
        /// When the kubelet took the pod.
        started_at: Option<Timestamp>,
        /// When it is to be gone: lies in the future while the grace period runs.
        deletion_at: Option<Timestamp>,
        /// When it was seen to be gone, by the collector's clock; only where that happened during the collection.
        vanished_at: Option<Timestamp>,
        /// Labels (JSON object).
        labels: Option<String>,
        /// Annotations (JSON object).
        annotations: Option<String>,
        /// When it was created.
        created_at: Option<Timestamp>,
        /// When a manager last changed it.
        last_change_at: Option<Timestamp>,
        /// Managers that changed it (JSON array).
        managed_by: Option<String>,
    }
}

/// The list of pods. It always gives the inventories of pods and containers, which logs and histories refer to.
pub struct Pods {
    /// Whether suspicious settings become rows, too.
    pub suspicious: bool,
}

impl Listing for Pods {
    fn source(&self) -> Source {
        Source::Pods
    }

    fn resource(&self) -> Resource {
        Resource { group: "", version: "v1", plural: "pods", kind: "Pod", namespaced: true }
    }

    fn emit(&self, object: &str, unit: &mut Unit) -> anyhow::Result<()> {
        let pod: Pod = read(object)?;
        let created = identity::created(&pod.metadata);
        unit.push(&row(&pod), created)?;
        for row in containers::rows(&pod) {
            unit.push(&row, row.started_at)?;
        }
        for row in suspicious_pods::rows(&pod).into_iter().filter(|_| self.suspicious) {
            unit.push(&row, created)?;
        }
        Ok(())
    }
}

/// Writes the last rows of a pod that is gone, as the server last knew it.
///
/// # Errors
/// The bundle cannot be written.
pub fn push_vanished(pod: &Pod, seen: Timestamp, unit: &mut Unit) -> anyhow::Result<()> {
    unit.push(&PodRow { vanished_at: Some(seen), ..row(pod) }, identity::created(&pod.metadata))?;
    containers::rows(pod).iter().try_for_each(|row| unit.push(row, row.started_at))
}

/// The row of a pod.
pub fn row(pod: &Pod) -> PodRow {
    let metadata = &pod.metadata;
    let (no_spec, no_status) = (PodSpec::default(), PodStatus::default());
    let spec = pod.spec.as_ref().unwrap_or(&no_spec);
    let status = pod.status.as_ref().unwrap_or(&no_status);
    let (owner_kind, owner_name) = identity::owner(metadata);
    PodRow {
        namespace: metadata.namespace.clone(),
        pod_name: metadata.name.clone(),
        pod_uid: metadata.uid.clone(),
        node_name: spec.node_name.clone(),
        phase: status.phase.clone(),
        status_reason: status.reason.clone(),
        status_message: status.message.clone(),
        service_account: spec.service_account_name.clone(),
        automount_service_account_token: spec.automount_service_account_token,
        owner_kind,
        owner_name,
        pod_ip: status.pod_ip.clone(),
        host_ip: status.host_ip.clone(),
        host_network: spec.host_network,
        host_pid: spec.host_pid,
        host_ipc: spec.host_ipc,
        share_process_namespace: spec.share_process_namespace,
        qos_class: status.qos_class.clone(),
        priority_class: spec.priority_class_name.clone(),
        restart_policy: spec.restart_policy.clone(),
        scheduler_name: spec.scheduler_name.clone(),
        runtime_class: spec.runtime_class_name.clone(),
        security_context: identity::json(&spec.security_context),
        volumes: identity::json(&spec.volumes),
        tolerations: identity::json(&spec.tolerations),
        node_selector: identity::json(&spec.node_selector),
        conditions: identity::json(&status.conditions),
        started_at: identity::moment(status.start_time.as_ref()),
        deletion_at: identity::moment(metadata.deletion_timestamp.as_ref()),
        vanished_at: None,
        labels: identity::json(&metadata.labels),
        annotations: identity::json(&metadata.annotations),
        created_at: identity::created(metadata),
        last_change_at: identity::last_change(metadata),
        managed_by: identity::managed_by(metadata),
    }
}
