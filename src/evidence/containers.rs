//! Containers and their instances: the union of what a pod's specification and its status know.
//!
//! An instance is a container id. A container may be specified without a status (pending) and have a status
//! although the pod has failed; both count.

use std::borrow::Cow;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    Container, ContainerState, ContainerStateTerminated, ContainerStatus, EphemeralContainer, Pod,
};

use super::{cron_jobs::init_type, identity};

crate::table! {
    /// Instances of containers: the facts that would otherwise stand on every line of their logs. Joined by
    /// `pod_uid`, `container_name` and `restart_count`.
    "containers_CL": ContainerRow {
        /// Namespace.
        [key] namespace: String,
        /// Name of the pod.
        [key] pod_name: String,
        /// UID of the pod.
        [key] pod_uid: String,
        /// Name of the container.
        [key] container_name: String,
        /// Which instance: how often the container had been restarted before it.
        [key] restart_count: i64,
        /// `init`, `sidecar`, `app` or `ephemeral`.
        container_type: String,
        /// Id that the runtime gave the instance; absent when it never started.
        container_id: Option<String>,
        /// Whether this is the terminated instance before the current one.
        previous: bool,
        /// Image as specified.
        image: Option<String>,
        /// Image as it runs, with its digest.
        image_id: Option<String>,
        /// `running`, `waiting` or `terminated`.
        state: Option<String>,
        /// Reason of the state (`CrashLoopBackOff`, `OOMKilled` …).
        state_reason: Option<String>,
        /// Message of the state.
        state_message: Option<String>,
        /// Exit code of a terminated instance.
        exit_code: Option<i64>,
        /// When the instance started.
        started_at: Option<Timestamp>,
        /// When it ended.
        finished_at: Option<Timestamp>,
        /// Command (JSON array).
        command: Option<String>,
        /// Arguments (JSON array).
        args: Option<String>,
        /// Environment: names and literal values (JSON array); references are names only.
        env: Option<String>,
        /// Where more environment comes from (JSON array).
        env_from: Option<String>,
        /// Working directory.
        working_dir: Option<String>,
        /// Ports (JSON array).
        ports: Option<String>,
        /// Volume mounts (JSON array).
        volume_mounts: Option<String>,
        /// Security context (JSON).
        security_context: Option<String>,
        /// Resources (JSON).
        resources: Option<String>,
        /// Probes and lifecycle handlers (JSON object).
        handlers: Option<String>,
        /// User that the runtime says it runs as (JSON).
        user: Option<String>,
        /// Node.
        node_name: Option<String>,
    }
}

/// A container of any of the three lists, in the words of one.
pub(super) struct Specified<'a> {
    /// `init`, `sidecar`, `app` or `ephemeral`.
    pub kind: &'static str,
    /// Path of the list in the pod.
    pub field: &'static str,
    /// The container.
    pub container: Cow<'a, Container>,
}

/// Every specified container of a pod.
pub(super) fn specified(pod: &Pod) -> Vec<Specified<'_>> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let init = spec.init_containers.iter().flatten().map(|container| Specified {
        kind: init_type(container),
        field: "spec.initContainers",
        container: Cow::Borrowed(container),
    });
    let app = spec.containers.iter().map(|container| Specified {
        kind: "app",
        field: "spec.containers",
        container: Cow::Borrowed(container),
    });
    let ephemeral = spec.ephemeral_containers.iter().flatten().map(|container| Specified {
        kind: "ephemeral",
        field: "spec.ephemeralContainers",
        container: Cow::Owned(as_container(container)),
    });
    init.chain(app).chain(ephemeral).collect()
}

fn as_container(ephemeral: &EphemeralContainer) -> Container {
    let ephemeral = ephemeral.clone();
    Container {
        name: ephemeral.name,
        image: ephemeral.image,
        command: ephemeral.command,
        args: ephemeral.args,
        env: ephemeral.env,
        env_from: ephemeral.env_from,
        volume_mounts: ephemeral.volume_mounts,
        security_context: ephemeral.security_context,
        working_dir: ephemeral.working_dir,
        ports: ephemeral.ports,
        resources: ephemeral.resources,
        stdin: ephemeral.stdin,
        tty: ephemeral.tty,
        lifecycle: ephemeral.lifecycle,
        liveness_probe: ephemeral.liveness_probe,
        ..Container::default()
    }
}

/// The rows of a pod's containers: the current instance of each, and the one before where the status knows it.
pub fn rows(pod: &Pod) -> Vec<ContainerRow> {
    let mut rows = Vec::new();
    let mut known = Vec::new();
    for specified in specified(pod) {
        let status = status_of(pod, &specified.container.name);
        known.push(specified.container.name.clone());
        rows.extend(instances(pod, Some(&specified), status, &specified.container.name));
    }
    for status in statuses(pod).filter(|status| !known.contains(&status.name)) {
        rows.extend(instances(pod, None, Some(status), &status.name));
    }
    rows
}

fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.as_ref();
    let list = |get: fn(&k8s_openapi::api::core::v1::PodStatus) -> &Option<Vec<ContainerStatus>>| {
        status.into_iter().flat_map(move |status| get(status).iter().flatten())
    };
    list(|status| &status.init_container_statuses)
        .chain(list(|status| &status.container_statuses))
        .chain(list(|status| &status.ephemeral_container_statuses))
}

fn status_of<'a>(pod: &'a Pod, name: &str) -> Option<&'a ContainerStatus> {
    statuses(pod).find(|status| status.name == name)
}

fn instances(
    pod: &Pod,
    specified: Option<&Specified<'_>>,
    status: Option<&ContainerStatus>,
    name: &str,
) -> Vec<ContainerRow> {
    let base = base(pod, specified, name);
    let Some(status) = status else { return vec![base] };
    let count = i64::from(status.restart_count);
    let mut current = ContainerRow {
        restart_count: count,
        image: base.image.clone().or_else(|| Some(status.image.clone())),
        image_id: Some(status.image_id.clone()).filter(|id| !id.is_empty()),
        container_id: status.container_id.clone(),
        user: identity::json(&status.user),
        ..base
    };
    let mut rows = Vec::new();
    if let Some(last) = status.last_state.as_ref().and_then(|state| state.terminated.as_ref()) {
        if last.container_id == current.container_id {
            // While the next start is waited for, the instance that ended is the current one: its times are there.
            current.exit_code = Some(i64::from(last.exit_code));
            current.started_at = identity::moment(last.started_at.as_ref());
            current.finished_at = identity::moment(last.finished_at.as_ref());
        } else {
            let before = ContainerRow { restart_count: (count - 1).max(0), previous: true, ..current.clone() };
            rows.push(terminated(before, last));
        }
    }
    if let Some(state) = &status.state {
        current = with_state(current, state);
    }
    rows.push(current);
    rows
}

fn base(pod: &Pod, specified: Option<&Specified<'_>>, name: &str) -> ContainerRow {
    let unknown = Container::default();
    let container = specified.map_or(&unknown, |specified| &*specified.container);
    let handlers = serde_json::json!({
        "livenessProbe": container.liveness_probe,
        "readinessProbe": container.readiness_probe,
        "startupProbe": container.startup_probe,
        "lifecycle": container.lifecycle,
    });
    let has_handlers = handlers.as_object().is_some_and(|map| map.values().any(|value| !value.is_null()));
    ContainerRow {
        namespace: pod.metadata.namespace.clone().unwrap_or_default(),
        pod_name: pod.metadata.name.clone().unwrap_or_default(),
        pod_uid: pod.metadata.uid.clone().unwrap_or_default(),
        container_name: name.to_owned(),
        container_type: specified.map_or("unknown", |specified| specified.kind).to_owned(),
        image: container.image.clone(),
        command: identity::json(&container.command),
        args: identity::json(&container.args),
        env: identity::json(&container.env),
        env_from: identity::json(&container.env_from),
        working_dir: container.working_dir.clone(),
        ports: identity::json(&container.ports),
        volume_mounts: identity::json(&container.volume_mounts),
        security_context: identity::json(&container.security_context),
        resources: identity::json(&container.resources),
        handlers: has_handlers.then(|| handlers.to_string()),
        node_name: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        ..ContainerRow::default()
    }
}

fn with_state(row: ContainerRow, state: &ContainerState) -> ContainerRow {
    if let Some(state) = &state.terminated {
        return terminated(row, state);
    }
    if let Some(state) = &state.waiting {
        return ContainerRow {
            state: Some("waiting".to_owned()),
            state_reason: state.reason.clone(),
            state_message: state.message.clone(),
            ..row
        };
    }
    let started_at = state.running.as_ref().and_then(|state| identity::moment(state.started_at.as_ref()));
    ContainerRow {
        state: state.running.as_ref().map(|_| "running".to_owned()),
        started_at: started_at.or(row.started_at),
        ..row
    }
}

fn terminated(row: ContainerRow, state: &ContainerStateTerminated) -> ContainerRow {
    ContainerRow {
        container_id: state.container_id.clone().or(row.container_id),
        state: Some("terminated".to_owned()),
        state_reason: state.reason.clone(),
        state_message: state.message.clone(),
        exit_code: Some(i64::from(state.exit_code)),
        started_at: identity::moment(state.started_at.as_ref()),
        finished_at: identity::moment(state.finished_at.as_ref()),
        ..row
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rows_of(pod: serde_json::Value) -> Vec<ContainerRow> {
        rows(&serde_json::from_value(pod).unwrap())
    }

    #[test]
    fn every_kind_of_container_counts_with_and_without_a_status() {
        let rows = rows_of(json!({"metadata": {"name": "web", "namespace": "shop", "uid": "u"},
            "spec": {"initContainers": [{"name": "init"}, {"name": "proxy", "restartPolicy": "Always"}],
                "containers": [{"name": "app"}], "ephemeralContainers": [{"name": "dbg"}]},
            "status": {"containerStatuses": [{"name": "app", "image": "a", "imageID": "a@1", "ready": true,
                "restartCount": 2, "containerID": "c://2", "state": {"running": {}},
                "lastState": {"terminated": {"exitCode": 137, "containerID": "c://1"}}}]}}));
        let seen: Vec<_> = rows
            .iter()
            .map(|row| (row.container_name.as_str(), row.container_type.as_str(), row.restart_count, row.previous))
            .collect();
        assert_eq!(
            seen,
            [
                ("init", "init", 0, false),
                ("proxy", "sidecar", 0, false),
                ("app", "app", 1, true),
                ("app", "app", 2, false),
                ("dbg", "ephemeral", 0, false)
            ]
        );
    }

    #[test]
    fn in_a_crash_loop_the_last_state_is_the_current_instance_and_counts_once() {
        let rows = rows_of(json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "app"}]},
            "status": {"containerStatuses": [{"name": "app", "image": "", "imageID": "", "ready": false,
                "restartCount": 3, "containerID": "c://3", "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"exitCode": 1, "containerID": "c://3", "startedAt": "2026-01-02T03:04:05Z",
                    "finishedAt": "2026-01-02T03:04:06Z"}}}]}}));
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].exit_code, rows[0].state.as_deref()), (Some(1), Some("waiting")));
        assert_eq!(rows[0].started_at, "2026-01-02T03:04:05Z".parse().ok(), "what its log began with can be judged");
        assert_eq!(rows[0].state_reason.as_deref(), Some("CrashLoopBackOff"));
    }
}
