//! From the list of pods to what is read of each: logs of every instance, the history of every running container. Pure.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Pod, PodSpec};

use super::settings::LogMetadata;
use crate::{
    cluster::log_stream::{LogRequest, NodeLogFile},
    evidence::{
        command_history::HistoryTarget,
        containers::{self, ContainerRow},
        identity,
        log_lines::Metadata,
    },
};

/// How soon something may be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// The pod is being deleted, or a container crashes again and again: the next restart removes the log.
    Dying,
    /// The instance began minutes ago: what came with an intruder is new, and may soon be gone again.
    Young,
    /// Everything else.
    Steady,
}

/// A container instance and what is read of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The pod's facts, shared by its containers.
    pub pod: Arc<PodFacts>,
    /// Name of the container.
    pub container: String,
    /// Id of the instance, where it ever started.
    pub container_id: Option<String>,
    /// Which instance.
    pub restart_count: i64,
    /// Whether it is the terminated instance before the current one.
    pub previous: bool,
    /// Whether another instance of the pod's container was restarted as often: a count may begin anew when a node starts again.
    pub twin: bool,
    /// Restart counts of instances of the container that are targets of their own.
    pub others: Vec<i64>,
    /// `running`, `waiting` or `terminated`.
    pub state: Option<String>,
    /// Reason of the state.
    pub state_reason: Option<String>,
    /// Image.
    pub image: Option<String>,
    /// When the instance began.
    pub started_at: Option<Timestamp>,
    /// How soon it may be gone.
    pub urgency: Urgency,
    /// Whether it is an ephemeral container.
    pub ephemeral: bool,
    /// Its environment as specified: names and literal values.
    pub environment: Vec<(String, String)>,
}

/// What the containers of a pod have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodFacts {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// Node, once it is scheduled.
    pub node: Option<String>,
    /// Whether it runs on Windows.
    pub windows: bool,
    /// Labels (JSON).
    pub labels: Option<String>,
    /// Annotations (JSON).
    pub annotations: Option<String>,
    /// The UID by which the kubelet knows a static pod, whose mirror in the API has another (annotation `kubernetes.io/config.mirror`).
    pub static_uid: Option<String>,
}

/// An instance that began no longer ago than this counts as young.
const YOUNG: SignedDuration = SignedDuration::from_mins(5);

/// The targets of a pod, as seen from a moment.
pub fn of_pod(pod: &Pod, now: Timestamp) -> Vec<Target> {
    let metadata = &pod.metadata;
    let spec = pod.spec.as_ref();
    let facts = Arc::new(PodFacts {
        namespace: metadata.namespace.clone().unwrap_or_default(),
        name: metadata.name.clone().unwrap_or_default(),
        uid: metadata.uid.clone().unwrap_or_default(),
        node: spec.and_then(|spec| spec.node_name.clone()),
        windows: spec.is_some_and(runs_on_windows),
        labels: identity::json(&metadata.labels),
        annotations: identity::json(&metadata.annotations),
        static_uid: metadata
            .annotations
            .as_ref()
            .and_then(|annotations| annotations.get("kubernetes.io/config.mirror").cloned()),
    });
    let deleting = metadata.deletion_timestamp.is_some();
    let rows = containers::rows(pod);
    let target = |row: ContainerRow| {
        let environment = environment(spec, &row.container_name);
        Target { environment, ..target(&facts, deleting, now, row) }
    };
    rows.into_iter().map(target).collect()
}

/// Whether the pod says so, or selects its node so.
fn runs_on_windows(spec: &PodSpec) -> bool {
    let selected = spec.node_selector.as_ref().and_then(|labels| labels.get("kubernetes.io/os"));
    let named = spec.os.as_ref().map(|os| &os.name);
    named.or(selected).is_some_and(|name| name == "windows")
}

/// What the specification sets in a container's environment.
fn environment(spec: Option<&PodSpec>, name: &str) -> Vec<(String, String)> {
    let Some(spec) = spec else { return Vec::new() };
    let ordinary = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let ordinary = ordinary.map(|container| (&container.name, &container.env));
    let ephemeral = spec.ephemeral_containers.iter().flatten().map(|container| (&container.name, &container.env));
    let variables =
        ordinary.chain(ephemeral).filter(|(known, _)| *known == name).flat_map(|(_, env)| env.iter().flatten());
    variables.filter_map(|variable| Some((variable.name.clone(), variable.value.clone()?))).collect()
}

fn target(pod: &Arc<PodFacts>, deleting: bool, now: Timestamp, row: ContainerRow) -> Target {
    let crashing = row.previous || row.state_reason.as_deref() == Some("CrashLoopBackOff");
    let is_young = row.started_at.is_some_and(|started| now.duration_since(started) < YOUNG);
    let urgency = match (deleting || crashing, is_young) {
        (true, _) => Urgency::Dying,
        (false, true) => Urgency::Young,
        (false, false) => Urgency::Steady,
    };
    Target {
        pod: Arc::clone(pod),
        container: row.container_name,
        container_id: row.container_id,
        restart_count: row.restart_count,
        previous: row.previous,
        twin: false,
        others: Vec::new(),
        state: row.state,
        state_reason: row.state_reason,
        image: row.image,
        started_at: row.started_at,
        ephemeral: row.container_type == "ephemeral",
        environment: Vec::new(),
        urgency,
    }
}

impl Target {
    /// The thing in words.
    pub fn object(&self) -> String {
        let before = if self.previous { ", instance before" } else { "" };
        format!("{}/{} container {}{before}", self.pod.namespace, self.pod.name, self.container)
    }

    /// Place in the folders of the tables: the kubelet's own scheme.
    pub fn path(&self) -> [String; 3] {
        let pod = format!("{}_{}_{}", self.pod.namespace, self.pod.name, self.pod.uid);
        let count = self.restart_count.to_string();
        let id = self.container_id.as_deref().filter(|_| self.twin).unwrap_or_default();
        let instance = match id.rsplit('/').next().filter(|id| !id.is_empty()) {
            Some(id) => format!("{count}-{}", id.chars().take(12).collect::<String>()),
            None => count,
        };
        [pod, self.container.clone(), instance]
    }

    /// Why there cannot be a log, where that is certain.
    pub fn without_log(&self) -> Option<String> {
        let reason = self.state_reason.as_deref().unwrap_or("it was never started");
        self.container_id.is_none().then(|| format!("the instance has no log: {reason}"))
    }

    /// Why no process can be started in it, where that is certain, and the word for it.
    pub fn without_exec(&self) -> Option<(&'static str, String)> {
        let state = self.state.as_deref().unwrap_or("not started");
        (state != "running").then(|| ("not-running", format!("the container is {state}: nothing can be run in it")))
    }

    /// The request for its log.
    pub fn log_request(&self, since: Option<Timestamp>, limit: Option<u64>) -> LogRequest {
        LogRequest {
            namespace: self.pod.namespace.clone(),
            pod: self.pod.name.clone(),
            container: self.container.clone(),
            previous: self.previous,
            limit,
            since,
        }
    }

    /// The folder of its log files on the node; none for a pod without a node.
    pub fn node_log_folder(&self) -> Option<NodeLogFile> {
        let pod = &self.pod;
        let uid = pod.static_uid.as_ref().unwrap_or(&pod.uid);
        Some(NodeLogFile {
            node: pod.node.clone()?,
            pod: format!("{}_{}_{uid}", pod.namespace, pod.name),
            container: self.container.clone(),
            file: String::new(),
        })
    }

    /// Whether a file of the node is this target's to read: that of its own instance, and those of instances that no target stands for.
    pub fn has_file(&self, instance: i64) -> bool {
        let is_other_target = self.others.contains(&instance);
        instance == self.restart_count || (!self.previous && instance < self.restart_count && !is_other_target)
    }

    /// What is constant on the lines of its log.
    pub fn log_metadata(&self, detail: LogMetadata) -> Metadata {
        let is_some = detail != LogMetadata::None;
        Metadata {
            namespace: self.pod.namespace.clone(),
            pod_name: self.pod.name.clone(),
            pod_uid: self.pod.uid.clone(),
            container_name: self.container.clone(),
            container_id: self.container_id.clone().unwrap_or_default(),
            restart_count: self.restart_count,
            image: self.image.clone().filter(|_| is_some),
            labels: self.pod.labels.clone().filter(|_| is_some),
            annotations: self.pod.annotations.clone().filter(|_| detail == LogMetadata::Full),
        }
    }

    /// The same container as the history knows it.
    pub fn history_target(&self) -> HistoryTarget {
        HistoryTarget {
            namespace: self.pod.namespace.clone(),
            pod_name: self.pod.name.clone(),
            pod_uid: self.pod.uid.clone(),
            container_name: self.container.clone(),
            container_id: self.container_id.clone(),
            restart_count: self.restart_count,
            node_name: self.pod.node.clone(),
            environment: self.environment.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_crash_looping_container_is_read_first_and_each_instance_once() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "web", "namespace": "shop", "uid": "u"},
            "spec": {"containers": [{"name": "app"}, {"name": "calm"}]},
            "status": {"containerStatuses": [
                {"name": "app", "image": "i", "imageID": "", "ready": false, "restartCount": 3, "containerID": "c://3",
                 "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                 "lastState": {"terminated": {"exitCode": 1, "containerID": "c://3"}}},
                {"name": "calm", "image": "i", "imageID": "", "ready": true, "restartCount": 0, "containerID": "c://9",
                 "state": {"running": {"startedAt": "2026-01-02T03:04:05Z"}}}]}
        }))
        .unwrap();
        let seen_at = |text: &str| of_pod(&pod, text.parse().unwrap());
        assert_eq!(seen_at("2026-01-02T03:05:05Z")[1].urgency, Urgency::Young);
        let targets = seen_at("2026-01-02T04:04:05Z");
        let seen: Vec<_> = targets.iter().map(|target| (target.container.as_str(), target.urgency)).collect();
        assert_eq!(seen, [("app", Urgency::Dying), ("calm", Urgency::Steady)]);
        assert_eq!(targets[0].without_exec().unwrap().0, "not-running");
        assert_eq!(targets[1].without_exec(), None);
    }

    #[test]
    fn windows_containers_and_what_the_environment_says_are_known() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "web", "namespace": "shop", "uid": "u"},
            "spec": {"nodeSelector": {"kubernetes.io/os": "windows"}, "containers": [
                {"name": "app", "env": [{"name": "HISTFILE", "value": "/dev/null"}, {"name": "IP", "valueFrom": {}}]}]}
        }))
        .unwrap();
        let target = &of_pod(&pod, Timestamp::UNIX_EPOCH)[0];
        assert!(target.pod.windows);
        assert_eq!(target.history_target().environment, [("HISTFILE".to_owned(), "/dev/null".to_owned())]);
    }

    #[test]
    fn a_container_that_never_started_has_no_log_and_says_why() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "web", "namespace": "shop", "uid": "u"}, "spec": {"containers": [{"name": "app"}]}
        }))
        .unwrap();
        let reason = of_pod(&pod, Timestamp::UNIX_EPOCH)[0].without_log().unwrap();
        assert!(reason.contains("never started"), "{reason}");
    }
}
