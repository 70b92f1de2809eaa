//! Which container instances are known, and what becomes of their logs when a newer instance takes their place. The log endpoint knows
//! containers, not instances: it serves the current one, and the one before it as `previous`. Pure.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;

use super::targets::{Target, Urgency};

/// Namespace, pod and container: what the log endpoint knows.
pub(super) type Place = [String; 3];

/// How far the log of an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It waits to be read, for the first time or again.
    Waiting,
    /// It is being read.
    Running,
    /// It was read, or could not be.
    Ended,
    /// The same, and that another has taken its place since is settled.
    Settled,
}

#[derive(Debug)]
struct Instance {
    target: Arc<Target>,
    stage: Stage,
    /// How it was asked for when it was last read.
    was_previous: bool,
}

/// What is to be done about an instance's log.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// Nobody has planned to read it.
    Read(Arc<Target>),
    /// It waits to be read, and is that of the instance before by now.
    Instead(Arc<Target>),
    /// It waits to be read, and may soon be gone.
    Hurry(Arc<Target>),
    /// It cannot be had any more; it was not read, or not to its end.
    Lost(Arc<Target>, String),
    /// It was read. What was read may be that of the instance that took its place, if that had begun by then.
    Check(Arc<Target>, Doubt),
}

/// How a log that was read may be that of another instance.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Doubt {
    /// When the instance after it began, where that is known.
    pub next: Option<Timestamp>,
    /// Whether it can be read again, as the instance before.
    pub can_be_had: bool,
    /// Why it is in doubt.
    pub reason: String,
}

/// The instances of every container, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Instances(HashMap<Place, Vec<Instance>>);

/// Where a target's log is read.
pub(super) fn place(target: &Target) -> Place {
    [target.pod.namespace.clone(), target.pod.name.clone(), target.container.clone()]
}

/// Targets, container by container.
pub(super) fn by_container(targets: Vec<Target>) -> Vec<Vec<Target>> {
    let mut containers: Vec<Vec<Target>> = Vec::new();
    for target in targets {
        let is_next = |last: &Target| last.pod.uid == target.pod.uid && last.container == target.container;
        match containers.last_mut() {
            Some(shown) if shown.last().is_some_and(is_next) => shown.push(target),
            _ => containers.push(vec![target]),
        }
    }
    containers
}

impl Instances {
    /// Takes what the cluster shows of one container: its current instance, and the one before it where the status knows it. Targets
    /// without an id are no instances yet. Returns what is to be done.
    pub(super) fn see(&mut self, shown: Vec<Target>) -> Vec<Step> {
        let mut shown: Vec<_> = shown.into_iter().filter(|target| target.container_id.is_some()).collect();
        let Some(place) = shown.first().map(place) else { return Vec::new() };
        shown.sort_by_key(|target| !target.previous);
        let known = self.0.entry(place).or_default();
        let (mut steps, mut added) = (Vec::new(), Vec::new());
        for target in shown {
            match known.iter_mut().find(|one| is_same(&one.target, &target)) {
                Some(one) => steps.extend(update(one, target)),
                None => added.push(add(known, target)),
            }
        }
        steps.extend(settle(known));
        let waits =
            |target: &Arc<Target>| known.iter().any(|one| one.stage == Stage::Waiting && is_same(&one.target, target));
        steps.extend(added.into_iter().filter(waits).map(Step::Read));
        steps
    }

    /// Notes how far an instance is. Returns what is to be done about it.
    pub(super) fn is_at(&mut self, target: &Target, stage: Stage) -> Vec<Step> {
        let Some(known) = self.0.get_mut(&place(target)) else { return Vec::new() };
        let Some(one) = known.iter_mut().find(|one| is_same(&one.target, target)) else { return Vec::new() };
        one.stage = stage;
        if stage == Stage::Running {
            one.was_previous = target.previous;
        }
        settle(known)
    }

    /// An instance as it can be read now; none when there is nothing to be read of it any more.
    pub(super) fn now(&self, target: &Target) -> Option<Arc<Target>> {
        let known = self.0.get(&place(target))?;
        let one = known.iter().find(|one| is_same(&one.target, target))?;
        (one.stage != Stage::Settled).then(|| Arc::clone(&one.target))
    }

    /// Whether a log of the container is being read.
    pub(super) fn is_busy(&self, place: &Place) -> bool {
        self.0.get(place).is_some_and(|known| known.iter().any(|one| one.stage == Stage::Running))
    }
}

fn is_same(one: &Target, other: &Target) -> bool {
    one.pod.uid == other.pod.uid && one.container_id == other.container_id
}

/// Whether an instance came before another of its pod. A count may begin anew when a node starts again; the times tell then.
fn is_before(one: &Target, other: &Target) -> bool {
    match (one.started_at, other.started_at) {
        (Some(one), Some(other)) if one != other => one < other,
        _ => one.restart_count < other.restart_count,
    }
}

/// An instance is the one before from now on. Its place in the bundle stays.
fn update(one: &mut Instance, target: Target) -> Option<Step> {
    if !target.previous || one.target.previous {
        // Once: what failed in spite of it waits for the end like everything else.
        let begins_to_go = target.urgency == Urgency::Dying && one.target.urgency != Urgency::Dying;
        if !begins_to_go || one.stage != Stage::Waiting {
            return None;
        }
        one.target = Arc::new(Target { urgency: Urgency::Dying, ..Target::clone(&one.target) });
        return Some(Step::Hurry(Arc::clone(&one.target)));
    }
    let (twin, others) = (one.target.twin, one.target.others.clone());
    one.target = Arc::new(Target { restart_count: one.target.restart_count, twin, others, ..target });
    (one.stage == Stage::Waiting).then(|| Step::Instead(Arc::clone(&one.target)))
}

/// Adds an instance. What is told late may be older than what is known: then it is the instance before at best.
fn add(known: &mut Vec<Instance>, mut target: Target) -> Arc<Target> {
    let newest_pod = known.last().map(|one| one.target.pod.uid.clone());
    let is_of_pod = |one: &Instance| one.target.pod.uid == target.pod.uid;
    let after = known.iter().position(|one| is_of_pod(one) && is_before(&target, &one.target));
    let at = after.or_else(|| match newest_pod {
        Some(newest) if newest != target.pod.uid => known.iter().rposition(is_of_pod).map(|at| at + 1),
        _ => None,
    });
    let of_pod = known.iter().filter(|one| is_of_pod(one)).map(|one| one.target.restart_count);
    let (twins, others): (Vec<_>, Vec<_>) = of_pod.partition(|count| *count == target.restart_count);
    (target.twin, target.others) = (!twins.is_empty(), others);
    target.previous |= at.is_some();
    let target = Arc::new(target);
    let instance = Instance { target: Arc::clone(&target), stage: Stage::Waiting, was_previous: false };
    known.insert(at.unwrap_or(known.len()), instance);
    target
}

/// What is to be done about the instances that newer ones have left behind.
fn settle(known: &mut [Instance]) -> Vec<Step> {
    let Some(newest) = known.last().map(|one| Arc::clone(&one.target)) else { return Vec::new() };
    let begun: Vec<_> = known.iter().map(|one| one.target.started_at).collect();
    let mut steps = Vec::new();
    for (at, one) in known.iter_mut().enumerate() {
        let newer = begun.len() - 1 - at;
        let can_be_had = newer == 1 && one.target.previous && one.target.pod.uid == newest.pod.uid;
        match one.stage {
            Stage::Waiting if newer > 0 && !can_be_had => {
                one.stage = Stage::Settled;
                steps.push(Step::Lost(Arc::clone(&one.target), lost(&one.target, &newest)));
            }
            // Asked for as the one before, it is itself as long as there is one instance after it.
            Stage::Ended if newer > usize::from(one.was_previous) => {
                one.stage = Stage::Settled;
                let next = begun.get(at + 1).copied().flatten();
                let doubt = Doubt { next, can_be_had, reason: taken(&one.target, &newest, next) };
                steps.push(Step::Check(Arc::clone(&one.target), doubt));
            }
            _ => {}
        }
    }
    steps
}

/// Why an instance cannot be read any more.
fn lost(target: &Target, newest: &Target) -> String {
    if newest.pod.uid != target.pod.uid {
        return format!("the pod is gone, and the pod {} has its name", newest.pod.uid);
    }
    "the container was restarted before its log was read to its end: the API serves the current instance and at most the one before it"
        .to_owned()
}

/// Why what was read is in doubt.
fn taken(target: &Target, newest: &Target, next: Option<Timestamp>) -> String {
    let what = if newest.pod.uid == target.pod.uid { "container was restarted" } else { "pod was replaced" };
    let since = next.map_or_else(String::new, |next| format!(" since {next}"));
    format!("the {what} while its log was read: rows{since} may be those of what took its place")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::collect::targets::of_pod;

    /// What a pod shows after so many restarts. Instance N begins at minute N.
    fn shown(uid: &str, restarts: i64) -> Vec<Target> {
        let status = match restarts {
            0 => json!({"name": "app", "image": "", "imageID": "", "ready": true, "restartCount": 0,
                "containerID": format!("c://{uid}0"), "state": {"running": {"startedAt": "2026-01-02T00:00:00Z"}}}),
            count => json!({"name": "app", "image": "", "imageID": "", "ready": true, "restartCount": count,
                "containerID": format!("c://{uid}{count}"), "state": {"running": {"startedAt": format!("2026-01-02T00:0{count}:00Z")}},
                "lastState": {"terminated": {"exitCode": 1, "containerID": format!("c://{uid}{}", count - 1),
                    "startedAt": format!("2026-01-02T00:0{}:00Z", count - 1)}}}),
        };
        let pod = json!({"metadata": {"name": "web", "namespace": "shop", "uid": uid}, "spec": {"containers": [{"name": "app"}]},
            "status": {"containerStatuses": [status]}});
        of_pod(&serde_json::from_value(pod).unwrap(), Timestamp::UNIX_EPOCH)
    }

    /// The steps in short: what, of which instance, and whether as the one before.
    fn short(steps: &[Step]) -> Vec<(&'static str, String, bool)> {
        let one = |word, target: &Target| (word, target.container_id.clone().unwrap(), target.previous);
        let short = |step: &Step| match step {
            Step::Read(target) => one("read", target),
            Step::Instead(target) => one("instead", target),
            Step::Hurry(target) => one("hurry", target),
            Step::Lost(target, _) => one("lost", target),
            Step::Check(target, doubt) => one(if doubt.can_be_had { "again" } else { "check" }, target),
        };
        steps.iter().map(short).collect()
    }

    fn current(uid: &str, restarts: i64) -> Target {
        shown(uid, restarts).pop().unwrap()
    }

    #[test]
    fn what_waits_while_its_container_restarts_is_read_as_the_instance_before_and_the_new_one_as_itself() {
        let mut instances = Instances::default();
        assert_eq!(short(&instances.see(shown("u", 0))), [("read", "c://u0".into(), false)]);
        assert_eq!(short(&instances.see(shown("u", 0))), []);
        let steps = instances.see(shown("u", 1));
        assert_eq!(short(&steps), [("instead", "c://u0".into(), true), ("read", "c://u1".into(), false)]);
        assert_eq!(short(&instances.see(shown("u", 0))), [], "told late");
        let steps = instances.see(shown("u", 2));
        assert_eq!(
            short(&steps),
            [("instead", "c://u1".into(), true), ("lost", "c://u0".into(), true), ("read", "c://u2".into(), false)]
        );
    }

    #[test]
    fn what_was_read_while_its_container_restarted_is_checked_once() {
        let mut instances = Instances::default();
        instances.see(shown("u", 0));
        let first = current("u", 0);
        instances.is_at(&first, Stage::Running);
        assert_eq!(short(&instances.see(shown("u", 1))), [("read", "c://u1".into(), false)]);
        assert!(instances.is_busy(&place(&first)));
        let steps = instances.is_at(&first, Stage::Ended);
        assert_eq!(short(&steps), [("again", "c://u0".into(), true)]);
        let Step::Check(again, doubt) = &steps[0] else { panic!("{steps:?}") };
        assert_eq!(doubt.next, current("u", 1).started_at);
        instances.is_at(again, Stage::Waiting);
        instances.is_at(again, Stage::Running);
        assert_eq!(short(&instances.is_at(again, Stage::Ended)), []);
        let steps = instances.see(shown("u", 2));
        assert_eq!(steps.len(), 3, "{steps:?}");
        assert!(short(&steps).contains(&("check", "c://u0".into(), true)), "it may be that of instance 1: {steps:?}");
    }

    #[test]
    fn what_waits_is_hurried_once_when_its_pod_begins_to_go() {
        let mut instances = Instances::default();
        let dying = || vec![Target { urgency: Urgency::Dying, ..current("u", 0) }];
        instances.see(vec![Target { urgency: Urgency::Steady, ..current("u", 0) }]);
        assert_eq!(short(&instances.see(dying())), [("hurry", "c://u0".into(), false)]);
        assert_eq!(short(&instances.see(dying())), [], "it was hurried already, and may have failed since");
    }

    #[test]
    fn a_pod_of_the_same_name_takes_the_log_away() {
        let mut instances = Instances::default();
        instances.see(shown("u", 1));
        let ended = current("u", 1);
        instances.is_at(&ended, Stage::Running);
        instances.is_at(&ended, Stage::Ended);
        let steps = instances.see(shown("v", 0));
        assert_eq!(
            short(&steps),
            [("lost", "c://u0".into(), true), ("check", "c://u1".into(), false), ("read", "c://v0".into(), false)]
        );
        assert_eq!(short(&instances.see(shown("u", 2))), [("lost", "c://u2".into(), true)], "of the pod that is gone");
    }

    #[test]
    fn a_count_that_begins_anew_has_a_place_of_its_own() {
        let mut instances = Instances::default();
        instances.see(shown("u", 0));
        let id = Some("c://0123456789abcdef".to_owned());
        let started_at = "2026-01-02T05:00:00Z".parse().ok();
        let steps = instances.see(vec![Target { container_id: id, started_at, ..current("u", 0) }]);
        let Some(Step::Read(target)) = steps.last() else { panic!("{steps:?}") };
        assert_eq!(target.path()[2], "0-0123456789ab");
        assert!(!target.previous);
    }
}
