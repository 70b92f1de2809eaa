//! An ephemeral container beside a container without a shell: it shares the other's processes, and so sees its files in /proc.
//!
//! It cannot be removed again: it stays in the pod's specification until the pod is gone. Its process ends with the reading, at the latest
//! after [`LONGEST_LIFE`] seconds.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{
    connect::Cluster,
    history_script::DEBUG_NAME,
    problem::{Problem, ProblemKind},
};

/// Seconds after which the process of a debug container ends by itself.
pub const LONGEST_LIFE: u64 = 900;
/// How long its start may take, the pull of its image included.
const STARTING: Duration = Duration::from_secs(120);
/// How long its end may take after it was told to end.
const ENDING: Duration = Duration::from_secs(15);
/// Between two looks at the pod.
const PAUSE: Duration = Duration::from_millis(500);
/// Reasons for waiting that do not pass by themselves.
const HOPELESS: [&str; 8] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImageInspectError",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];

/// A debug container to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebugContainer<'a> {
    /// Namespace of the pod.
    pub namespace: &'a str,
    /// Name of the pod.
    pub pod: &'a str,
    /// Its own name.
    pub name: &'a str,
    /// Its image, which needs a shell.
    pub image: &'a str,
    /// The container whose processes it is to see.
    pub target: &'a str,
}

impl DebugContainer<'_> {
    fn path(&self) -> String {
        format!("/api/v1/namespaces/{}/pods/{}", self.namespace, self.pod)
    }

    /// The patch that adds it. SYS_PTRACE is what looking into /proc/PID/root of another user's process takes. An open standard
    /// input lets a shell without `sleep` wait.
    fn patch(&self) -> Value {
        let wait = format!("command -v sleep >/dev/null && exec sleep {LONGEST_LIFE}; while read -r line; do :; done");
        json!({"spec": {"ephemeralContainers": [{
            "name": self.name,
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "targetContainerName": self.target,
            "command": ["sh", "-c", wait],
            "env": [{"name": DEBUG_NAME, "value": self.name}],
            "stdin": true,
            "securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}},
        }]}})
    }

    /// The state of its container in a pod, `running`, `waiting` or `terminated`, with its members.
    fn state<'v>(&self, pod: &'v Value) -> Option<(&'v str, &'v Value)> {
        let all = pod.pointer("/status/ephemeralContainerStatuses")?.as_array()?;
        let ours = all.iter().find(|status| status.get("name").and_then(Value::as_str) == Some(self.name))?;
        ours.get("state")?.as_object()?.iter().next().map(|(name, state)| (name.as_str(), state))
    }

    /// Whether it has started; an error when it will not.
    fn has_started(&self, pod: &Value) -> Result<bool, Problem> {
        let text = |state: &Value, name: &str| state.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        match self.state(pod) {
            Some(("running", _)) => Ok(true),
            Some(("terminated", state)) => Err(Problem::new(
                ProblemKind::Refused,
                format!("the debug container ended at once: {} {}", text(state, "reason"), text(state, "message")),
            )),
            Some((_, state)) if HOPELESS.contains(&text(state, "reason").as_str()) => Err(Problem::new(
                ProblemKind::Refused,
                format!("the debug container does not start: {} {}", text(state, "reason"), text(state, "message")),
            )),
            _ => Ok(false),
        }
    }
}

impl Cluster {
    /// The pod as it is now.
    pub async fn pod(&self, namespace: &str, name: &str) -> Result<Value, Problem> {
        self.object(&format!("/api/v1/namespaces/{namespace}/pods/{name}")).await
    }

    /// Adds a debug container to its pod and waits until it runs.
    ///
    /// # Errors
    /// The server refuses it, or it does not start within two minutes.
    pub async fn add_debug_container(&self, container: &DebugContainer<'_>) -> Result<(), Problem> {
        self.patch(&format!("{}/ephemeralcontainers", container.path()), &container.patch()).await?;
        self.wait_for(container, STARTING, "the debug container did not start", |pod| container.has_started(pod))
            .await?;
        Ok(())
    }

    /// Waits until a debug container has ended, and returns the pod.
    pub async fn debug_container_ended(&self, container: &DebugContainer<'_>) -> Result<Value, Problem> {
        let has_ended = |pod: &Value| Ok(matches!(container.state(pod), Some(("terminated", _))));
        self.wait_for(container, ENDING, "the debug container did not end", has_ended).await
    }

    async fn wait_for(
        &self,
        container: &DebugContainer<'_>,
        longest: Duration,
        what: &str,
        holds: impl Fn(&Value) -> Result<bool, Problem>,
    ) -> Result<Value, Problem> {
        let began = Instant::now();
        loop {
            let pod = self.object(&container.path()).await?;
            if holds(&pod)? {
                return Ok(pod);
            }
            if began.elapsed() > longest {
                return Err(Problem::new(ProblemKind::Refused, format!("{what} within {} s", longest.as_secs())));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTAINER: DebugContainer<'_> =
        DebugContainer { namespace: "shop", pod: "web", name: "forensys-1", image: "busybox", target: "app" };

    fn pod(state: Value) -> Value {
        json!({"status": {"ephemeralContainerStatuses": [{"name": "other", "state": {"running": {}}}, {"name": "forensys-1", "state": state}]}})
    }

    #[test]
    fn it_shares_the_processes_of_its_target_and_ends_by_itself() {
        let patch = CONTAINER.patch();
        let added = &patch["spec"]["ephemeralContainers"][0];
        assert_eq!(added["targetContainerName"], "app");
        assert!(added["command"][2].as_str().unwrap().contains("sleep 900"));
        assert!(added.get("tty").is_none());
        assert_eq!(patch["spec"].as_object().unwrap().len(), 1, "nothing else of the pod is touched");
    }

    #[test]
    fn a_start_that_cannot_succeed_is_not_waited_for() {
        assert_eq!(CONTAINER.has_started(&pod(json!({"running": {}}))), Ok(true));
        assert_eq!(CONTAINER.has_started(&pod(json!({"waiting": {"reason": "ContainerCreating"}}))), Ok(false));
        assert_eq!(CONTAINER.has_started(&json!({})), Ok(false));
        let refused = CONTAINER.has_started(&pod(json!({"waiting": {"reason": "ErrImageNeverPull"}}))).unwrap_err();
        assert!(refused.message.contains("ErrImageNeverPull"));
        assert!(CONTAINER.has_started(&pod(json!({"terminated": {"reason": "Error"}}))).is_err());
    }
}
