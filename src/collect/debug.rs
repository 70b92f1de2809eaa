//! Containers without a shell, read from an ephemeral container beside them: only when that was asked for, and only after somebody agreed.
//!
//! The pod is kept as it was before and after, in `raw/`. A pod that does not take the container is a gap, not the end of the run.

use std::{collections::BTreeSet, sync::Arc};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;

use super::{
    Collector,
    history::{self, Answer, POD_KINDS},
    outcome,
    targets::Target,
};
use crate::{
    bundle::{Outcome, State, Unit},
    cluster::{Problem, ProblemKind, debug_container::DebugContainer, exec::ExecTarget, history_script},
    evidence::{
        Source,
        command_history::{HistoryTarget, state_row},
    },
    ui::{Printer, printable},
};

/// Pods that get a debug container at once.
const AT_ONCE: usize = 4;
/// The kinds that the pod is kept under, before and after.
const BEFORE: &str = POD_KINDS[0];
const AFTER: &str = POD_KINDS[1];
/// Shells tried in a debug container.
const SHELLS: [&str; 2] = ["/bin/sh", "sh"];

/// Whether debug containers may be added once it is known which pods need one.
#[derive(Clone, Copy, Debug)]
pub enum Consent {
    /// It was given with the command.
    Given,
    /// Somebody at the terminal is asked.
    Ask(Printer),
}

impl Consent {
    /// Tells which pods change and what stays behind, and asks.
    fn ask(self, pods: &BTreeSet<String>, image: &str) -> std::io::Result<bool> {
        let Self::Ask(printer) = self else { return Ok(true) };
        for pod in pods {
            printer.note(format!("  {}", printable(pod)));
        }
        let image = printable(image);
        for line in [
            &format!(
                "have containers without a shell ({} in all). To read their files, an ephemeral container with the",
                pods.len()
            ),
            &format!("image {image} is added to each. It cannot be removed again: it stays in the pod's"),
            "specification until the pod is gone; the node keeps the image; the API server, the kubelet and the events",
            "record it. Its process ends with the reading. Add them? [y/N]",
        ] {
            printer.note(line);
        }
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
    }
}

impl Collector {
    /// Those targets that may turn out to have no shell; none when debug containers were not asked for.
    pub(super) fn debug_candidates(&self, targets: &[Target]) -> Vec<Target> {
        let may_be = |target: &&Target| !target.previous && !target.pod.windows && target.without_exec().is_none();
        match self.settings.debug_image {
            Some(_) if self.wants(Source::History) => targets.iter().filter(may_be).cloned().collect(),
            _ => Vec::new(),
        }
    }

    /// Reads the files of those candidates in which no shell was found.
    ///
    /// # Errors
    /// The bundle cannot be written, or the terminal not read.
    pub(super) async fn debug_containers(self: &Arc<Self>, candidates: Vec<Target>) -> anyhow::Result<()> {
        let Some(image) = &self.settings.debug_image else { return Ok(()) };
        let has_no_shell = |target: &Target| self.state_of(Source::History, target) == Some(State::NoShell);
        let targets: Vec<_> = candidates.into_iter().filter(has_no_shell).collect();
        let pods = targets.iter().map(|target| format!("{}/{}", target.pod.namespace, target.pod.name)).collect();
        if targets.is_empty() || self.stop.is_cancelled() {
            return Ok(());
        }
        let consent = self.consent;
        if !self.progress.quiet(|| tokio::task::block_in_place(|| consent.ask(&pods, image)))? {
            let unit = self.writer.unit(Source::History.name(), "debug containers", &["_debug-containers"]);
            return unit.finish(Outcome::new(State::SkippedByFilter, "nobody agreed to add debug containers")).await;
        }
        stream::iter(targets)
            .map(|target| async move { self.read_beside(&target, image).await })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    /// Reads one container from a debug container; the unit takes the place of the one that found no shell.
    async fn read_beside(&self, target: &Target, image: &str) -> anyhow::Result<()> {
        let mut unit = self.history_unit(target);
        let about = target.history_target();
        if self.stop.is_cancelled() {
            let outcome = Outcome::new(State::Interrupted, "stopped before a debug container was added");
            return self.finish_history(unit, outcome).await;
        }
        history::begin(&mut unit, &about)?;
        let name = format!("forensys-{}", ulid::Ulid::generate().to_string().to_ascii_lowercase());
        let container = DebugContainer {
            namespace: &target.pod.namespace,
            pod: &target.pod.name,
            name: &name,
            image,
            target: &target.container,
        };
        let outcome = tokio::select! {
            ended = self.beside(target, &about, &container, &mut unit) => ended?,
            () = self.stop.cancelled() => {
                Outcome::new(State::Interrupted, format!("stopped while it was read from the debug container {name}"))
            }
        };
        self.finish_history(unit, outcome).await
    }

    async fn beside(
        &self,
        target: &Target,
        about: &HistoryTarget,
        container: &DebugContainer<'_>,
        unit: &mut Unit,
    ) -> anyhow::Result<Outcome> {
        let before = self.cluster.pod(container.namespace, container.pod).await;
        let id = match before.and_then(|pod| may_change(&pod, target).map(|id| (pod, id))) {
            Ok((pod, id)) => {
                unit.raw(BEFORE, pod.to_string().as_bytes())?;
                id
            }
            Err(problem) => return failed(about, &problem, None, unit),
        };
        let id = match id {
            Ok(id) => id,
            Err(reason) => {
                unit.push(&state_row(about, "no-shell", Some(reason.clone())), None)?;
                return Ok(Outcome::new(State::Unsupported, reason));
            }
        };
        if let Err(problem) = self.cluster.add_debug_container(container).await {
            // A refused patch adds nothing; anything later leaves the container behind.
            let left = (problem.status.is_none()).then_some(container.name);
            self.keep_after(container, unit).await?;
            return failed(about, &problem, left, unit);
        }
        let read = self.read_from(container, &id, about, unit).await?;
        self.keep_after(container, unit).await?;
        match read {
            Ok(outcome) => Ok(named(outcome, container.name)),
            Err(problem) => failed(about, &problem, Some(container.name), unit),
        }
    }

    async fn read_from(
        &self,
        container: &DebugContainer<'_>,
        id: &str,
        about: &HistoryTarget,
        unit: &mut Unit,
    ) -> anyhow::Result<Result<Outcome, Problem>> {
        let place = ExecTarget { namespace: container.namespace, pod: container.pod, container: container.name };
        for shell in SHELLS {
            let nonce = ulid::Ulid::generate().to_string();
            let command = history_script::debug_command(shell, &nonce, id, container.name);
            let method = format!("debug-container {shell}");
            match self.run_script(place, &command, &nonce, about, &method, unit).await? {
                Answer::NotThere { .. } => {}
                Answer::Ran(outcome) => return Ok(Ok(outcome)),
                Answer::Problem(problem) => return Ok(Err(problem)),
            }
        }
        Ok(Err(Problem::new(ProblemKind::Refused, "the debug image has no shell")))
    }

    /// Keeps the pod as it is after all, ended or not.
    async fn keep_after(&self, container: &DebugContainer<'_>, unit: &mut Unit) -> anyhow::Result<()> {
        let ended = match self.cluster.debug_container_ended(container).await {
            Ok(pod) => Ok(pod),
            Err(_) => self.cluster.pod(container.namespace, container.pod).await,
        };
        match ended {
            Ok(pod) => unit.raw(AFTER, pod.to_string().as_bytes()),
            Err(problem) if problem.kind == ProblemKind::Local => Err(problem.into()),
            Err(problem) => {
                tracing::warn!(%problem, pod = container.pod, "The pod could not be read after its debug container");
                Ok(())
            }
        }
    }
}

/// The runtime's id of the container, when the pod can take a debug container; else, in the inner error, why it cannot.
fn may_change(pod: &Value, target: &Target) -> Result<Result<String, String>, Problem> {
    if pod.pointer("/metadata/annotations/kubernetes.io~1config.mirror").is_some() {
        return Ok(Err("a static pod takes no debug container".to_owned()));
    }
    if target.ephemeral {
        return Ok(Err("an ephemeral container cannot be the target of another one".to_owned()));
    }
    let lists = ["containerStatuses", "initContainerStatuses"];
    let all = lists.iter().filter_map(|list| pod.pointer(&format!("/status/{list}"))?.as_array()).flatten();
    let mut ours = all.filter(|status| status.get("name").and_then(Value::as_str) == Some(&target.container));
    let id = ours.find_map(|status| status.get("containerID")?.as_str());
    let uid = pod.pointer("/metadata/uid").and_then(Value::as_str);
    if id != target.container_id.as_deref() || uid != Some(&target.pod.uid) {
        return Err(Problem::new(ProblemKind::Refused, "the container was replaced since it was listed"));
    }
    let id = id.and_then(|id| id.split_once("://")).map(|(_, id)| id.to_owned()).filter(|id| !id.is_empty());
    Ok(id.ok_or_else(|| "the container has no id".to_owned()))
}

/// The outcome with the name of what stays in the pod.
fn named(outcome: Outcome, name: &str) -> Outcome {
    let stays = format!("the debug container {name} stays in the pod");
    let reason = outcome.reason.as_ref().map_or_else(|| stays.clone(), |reason| format!("{reason}; {stays}"));
    Outcome { reason: Some(reason), ..outcome }
}

fn failed(about: &HistoryTarget, problem: &Problem, left: Option<&str>, unit: &mut Unit) -> anyhow::Result<Outcome> {
    let outcome = outcome::of_problem(problem)?;
    let word = if outcome.state == State::Denied { "denied" } else { "failed" };
    let reason = format!("it has no shell, and no debug container could read it: {problem}");
    unit.push(&state_row(about, word, Some(reason.clone())), None)?;
    let outcome = Outcome { reason: Some(reason), ..outcome };
    Ok(left.map_or(outcome.clone(), |name| named(outcome, name)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::collect::targets::of_pod;

    fn pod(annotations: &Value) -> Value {
        json!({
            "metadata": {"name": "web", "namespace": "shop", "uid": "u", "annotations": annotations},
            "spec": {"containers": [{"name": "app"}], "ephemeralContainers": [{"name": "dbg"}]},
            "status": {
                "containerStatuses": [{"name": "app", "image": "i", "imageID": "", "ready": true, "restartCount": 0,
                    "containerID": "containerd://abc", "state": {"running": {}}}],
                "ephemeralContainerStatuses": [{"name": "dbg", "image": "i", "imageID": "", "ready": true, "restartCount": 0,
                    "containerID": "containerd://def", "state": {"running": {}}}]}
        })
    }

    fn target(name: &str) -> Target {
        let pod = serde_json::from_value(pod(&Value::Null)).unwrap();
        of_pod(&pod, jiff::Timestamp::UNIX_EPOCH).into_iter().find(|target| target.container == name).unwrap()
    }

    #[test]
    fn a_target_is_known_by_the_id_that_it_has_now() {
        assert_eq!(may_change(&pod(&Value::Null), &target("app")), Ok(Ok("abc".to_owned())));
        let older = Target { container_id: Some("containerd://before".to_owned()), ..target("app") };
        assert!(may_change(&pod(&Value::Null), &older).unwrap_err().message.contains("replaced"));
    }

    #[test]
    fn static_pods_and_ephemeral_containers_take_none_and_say_so() {
        let mirror = pod(&json!({"kubernetes.io/config.mirror": "1"}));
        assert!(may_change(&mirror, &target("app")).unwrap().unwrap_err().contains("static pod"));
        assert!(may_change(&pod(&Value::Null), &target("dbg")).unwrap().unwrap_err().contains("ephemeral"));
    }

    #[test]
    fn consent_that_was_given_is_not_asked_for() {
        assert!(Consent::Given.ask(&BTreeSet::new(), "i").unwrap());
    }

    #[test]
    fn what_stays_behind_is_named_however_it_went() {
        let whole = named(Outcome::complete(), "forensys-1");
        assert!(whole.state == State::Complete && whole.reason.unwrap().contains("forensys-1 stays"));
        let failed = named(Outcome::new(State::Failed, "no process"), "forensys-1");
        assert_eq!(failed.reason.unwrap(), "no process; the debug container forensys-1 stays in the pod");
    }
}
