//! What happens while a collection runs is evidence, too: events and pods are watched from their lists on until the sealing.
//!
//! A watch is a unit of its own, beside the list that it goes on from: its rows are what came after the list, and every change stands
//! verbatim in `raw/`, with the moment at which it was seen. Pods that appear or are about to vanish are handed over at once, so that
//! their logs are tried while they are there. What a watch could not see is a gap.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    Collector,
    lists::Scope,
    outcome,
    scope::WHOLE_CLUSTER,
    targets::{self, Target},
};
use crate::{
    bundle::{Outcome, State, Unit},
    cluster::{
        Problem, ProblemKind,
        list::Selectors,
        watch::{Change, ChangeKind, Watch},
    },
    evidence::{Listing, Source, Unreadable, events::Events, pods},
};

/// Scopes of one kind that are watched at most; each is a connection of its own.
const MOST_SCOPES: usize = 50;
/// How often a watch that breaks is begun again before it is given up.
const ATTEMPTS: u32 = 5;

/// A server that ends a watch at once is not asked again at once.
const PAUSE: Duration = Duration::from_secs(1);

/// The watches under way.
pub(super) struct Watching {
    stop: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
}

impl Watching {
    /// None yet.
    pub(super) fn new() -> Self {
        Self { stop: CancellationToken::new(), tasks: JoinSet::new() }
    }

    /// Watches the events of the scopes that were listed.
    pub(super) async fn events(&mut self, collector: &Arc<Collector>, scopes: Vec<Scope>) -> anyhow::Result<()> {
        self.begin(collector, scopes, &Events, &|| Subject::Events).await
    }

    /// Watches the pods of the scopes that were listed; what there is to read of them is sent to `found`.
    pub(super) async fn pods(
        &mut self,
        collector: &Arc<Collector>,
        scopes: Vec<Scope>,
        found: &mpsc::Sender<Vec<Target>>,
    ) -> anyhow::Result<()> {
        let listing: &'static pods::Pods = if collector.wants(Source::SuspiciousPods) { &SUSPICIOUS } else { &PLAIN };
        let subject = || Subject::Pods { found: found.clone(), last: HashMap::new() };
        self.begin(collector, scopes, listing, &subject).await
    }

    async fn begin(
        &mut self,
        collector: &Arc<Collector>,
        mut scopes: Vec<Scope>,
        listing: &'static dyn Listing,
        subject: &(dyn Fn() -> Subject + Sync),
    ) -> anyhow::Result<()> {
        let more = scopes.split_off(scopes.len().min(MOST_SCOPES));
        if let Some(first) = more.first() {
            let names = [first.namespace.as_deref().unwrap_or_default(), "and others"].join(" ");
            let unit = unit(collector, listing, "_more");
            let reason = format!("only {MOST_SCOPES} namespaces are watched at a time; not watched: {names}");
            unit.finish(Outcome::new(State::Truncated, reason)).await?;
        }
        for scope in scopes {
            let watcher = Watcher {
                collector: Arc::clone(collector),
                stop: self.stop.clone(),
                listing,
                scope,
                subject: subject(),
                unseen: None,
                is_first: true,
                patience: Patience::default(),
            };
            self.tasks.spawn(watcher.run());
        }
        Ok(())
    }

    /// Ends all watches; what they saw is journalled then.
    ///
    /// # Errors
    /// The bundle cannot be written.
    pub(super) async fn end(mut self, collector: &Collector) -> anyhow::Result<()> {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            match ended {
                Ok(ended) => ended?,
                Err(error) => collector.note_panic("a watch", &error).await?,
            }
        }
        Ok(())
    }
}

static SUSPICIOUS: pods::Pods = pods::Pods { suspicious: true };
static PLAIN: pods::Pods = pods::Pods { suspicious: false };

/// What is watched, and what is done with it.
enum Subject {
    Events,
    Pods {
        found: mpsc::Sender<Vec<Target>>,
        /// What a pod looked like when it last had rows, by UID.
        last: HashMap<String, String>,
    },
}

struct Watcher {
    collector: Arc<Collector>,
    stop: CancellationToken,
    listing: &'static dyn Listing,
    scope: Scope,
    subject: Subject,
    /// Why something was not seen, where that is so.
    unseen: Option<String>,
    /// Nothing changed yet.
    is_first: bool,
    patience: Patience,
}

/// How often in a row a watch broke before anything was seen.
#[derive(Debug, Default)]
struct Patience(u32);

impl Patience {
    /// Something was seen.
    fn renew(&mut self) {
        self.0 = 0;
    }

    /// How long to wait before the watch is begun again after a problem; none when it is given up. It may go on where the way to the server
    /// was interrupted, and where the list has to be read again, but neither for ever.
    fn after(&mut self, problem: &Problem) -> Option<Duration> {
        let may_pass = problem.is_transient() || problem.kind == ProblemKind::Gone;
        if !may_pass || self.0 == ATTEMPTS {
            return None;
        }
        self.0 += 1;
        Some(Duration::from_millis(200 << self.0))
    }
}

fn unit(collector: &Collector, listing: &dyn Listing, scope: &str) -> Unit {
    let plural = listing.resource().plural;
    let object = format!("{plural} during the collection, {scope}");
    collector.writer.unit(listing.source().name(), object, &["watch", plural, scope])
}

impl Watcher {
    async fn run(mut self) -> anyhow::Result<()> {
        let scope = self.scope.namespace.clone().unwrap_or_else(|| WHOLE_CLUSTER.to_owned());
        let mut unit = unit(&self.collector, self.listing, &scope);
        unit.take_once()?;
        if matches!(self.subject, Subject::Events) {
            unit.keep_only(self.collector.writer.run().window);
        }
        let ended = self.watch(&mut unit).await?;
        let outcome = match (ended, self.unseen.take()) {
            (Err(problem), _) => {
                let outcome = outcome::of_problem(&problem)?;
                let reason = format!("what changed during the collection was not seen: {problem}");
                Outcome { reason: Some(reason), ..outcome }
            }
            (Ok(()), Some(reason)) => Outcome::new(State::Truncated, reason),
            (Ok(()), None) if self.collector.stop.is_cancelled() => {
                Outcome::new(State::Interrupted, "stopped while it was watched")
            }
            (Ok(()), None) => Outcome::complete(),
        };
        self.collector.progress.unit(self.listing.source(), unit.all_rows(), outcome.state);
        unit.finish(outcome).await
    }

    fn selectors(&self) -> Selectors {
        match self.subject {
            Subject::Events => Selectors::default(),
            Subject::Pods { .. } => self.collector.settings.pod_selectors(),
        }
    }

    /// Watches until it is to stop, or until it cannot go on.
    async fn watch(&mut self, unit: &mut Unit) -> anyhow::Result<Result<(), Problem>> {
        let (resource, selectors) = (self.listing.resource(), self.selectors());
        loop {
            let (namespace, version) = (self.scope.namespace.clone(), self.scope.version.clone());
            let collector = Arc::clone(&self.collector);
            let begun = tokio::select! {
                begun = collector.cluster.watch(&resource, namespace.as_deref(), &selectors, &version) => begun,
                () = self.stopped() => return Ok(Ok(())),
            };
            let ended = match begun {
                Ok(watch) => self.follow(watch, unit).await?,
                Err(problem) => Err(problem),
            };
            match ended {
                Ok(Ended::Stopped) => return Ok(Ok(())),
                Ok(Ended::ByServer) => {
                    self.patience.renew();
                    if self.pause(PAUSE).await {
                        return Ok(Ok(()));
                    }
                }
                Err(problem) => {
                    let Some(pause) = self.patience.after(&problem) else { return Ok(Err(problem)) };
                    if problem.kind == ProblemKind::Gone {
                        self.unseen = Some(format!("for a while no change was seen: {problem}"));
                        // What fails here fails again with the next watch, and counts there.
                        drop(self.catch_up(unit).await?);
                    }
                    if self.pause(pause).await {
                        return Ok(Ok(()));
                    }
                }
            }
        }
    }

    /// Waits before the watch is begun again. True when it is to stop instead.
    async fn pause(&self, pause: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(pause) => false,
            () = self.stopped() => true,
        }
    }

    async fn stopped(&self) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.collector.stop.cancelled() => {}
        }
    }

    /// Takes what a watch brings.
    async fn follow(&mut self, mut watch: Watch, unit: &mut Unit) -> anyhow::Result<Result<Ended, Problem>> {
        loop {
            let next = tokio::select! {
                next = watch.next() => next,
                () = self.stopped() => return Ok(Ok(Ended::Stopped)),
            };
            match next {
                Ok(Some(change)) => {
                    self.patience.renew();
                    self.take(&change, unit).await?;
                    if let Some(version) = change.version() {
                        self.scope.version = version;
                    }
                }
                Ok(None) => return Ok(Ok(Ended::ByServer)),
                Err(problem) => return Ok(Err(problem)),
            }
        }
    }

    /// Reads the list again where the server forgot the version to go on from. What is new in it becomes rows. It ends early when the
    /// watch is to stop.
    async fn catch_up(&mut self, unit: &mut Unit) -> anyhow::Result<Result<(), Problem>> {
        let (resource, selectors) = (self.listing.resource(), self.selectors());
        let mut next = None;
        loop {
            let namespace = self.scope.namespace.clone();
            let collector = Arc::clone(&self.collector);
            let asked = collector.cluster.page(&resource, namespace.as_deref(), &selectors, next.as_deref());
            let asked = tokio::select! {
                asked = asked => asked,
                () = self.stopped() => return Ok(Ok(())),
            };
            let page = match asked {
                Ok(page) => page,
                Err(problem) => return Ok(Err(problem)),
            };
            for object in page.items {
                self.take(&Change { kind: ChangeKind::Added, object }, unit).await?;
            }
            self.scope.version = page.metadata.resource_version;
            next = Some(page.metadata.next).filter(|next| !next.is_empty());
            if next.is_none() {
                return Ok(Ok(()));
            }
        }
    }

    async fn take(&mut self, change: &Change, unit: &mut Unit) -> anyhow::Result<()> {
        let word = match change.kind {
            ChangeKind::Added => "ADDED",
            ChangeKind::Modified => "MODIFIED",
            ChangeKind::Deleted => "DELETED",
            ChangeKind::Bookmark | ChangeKind::Error => return Ok(()),
        };
        if std::mem::take(&mut self.is_first) {
            let (plural, scope) = (self.listing.resource().plural, self.scope.namespace.as_deref());
            unit.leave_out_rows_of(self.listing.source().name(), &[plural, scope.unwrap_or(WHOLE_CLUSTER)])?;
        }
        let seen = Timestamp::now();
        let line = format!(r#"{{"seen":"{seen}","type":"{word}","object":{}}}"#, change.object.get());
        unit.raw_line(self.listing.resource().plural, line.as_bytes())?;
        let rows = match &mut self.subject {
            // An event that is deleted has expired, or somebody deleted it: `raw/` has it; its row is there already.
            Subject::Events if change.kind == ChangeKind::Deleted => Ok(()),
            Subject::Events => self.listing.emit(change.object.get(), unit),
            Subject::Pods { found, last } => {
                let is_gone = change.kind == ChangeKind::Deleted;
                let began = self.collector.writer.run().started;
                take_pod(self.listing, change.object.get(), began, is_gone.then_some(seen), unit, found, last).await
            }
        };
        match rows {
            Err(error) if error.is::<Unreadable>() => {
                self.unseen = Some(format!("an object has no rows and is in raw/ only: {error}"));
            }
            other => other?,
        }
        unit.flush()
    }
}

/// How following a watch ended well.
enum Ended {
    /// It was to stop.
    Stopped,
    /// The server ended it, as it does from time to time.
    ByServer,
}

/// Rows of a pod that appeared, changed or vanished, and what there is to read of it. Changes that concern neither its life nor its
/// container instances (heartbeats of conditions) have no rows.
async fn take_pod(
    listing: &dyn Listing,
    object: &str,
    began: Timestamp,
    vanished: Option<Timestamp>,
    unit: &mut Unit,
    found: &mpsc::Sender<Vec<Target>>,
    last: &mut HashMap<String, String>,
) -> anyhow::Result<()> {
    let pod: Pod = crate::evidence::read(object)?;
    let targets = targets::of_pod(&pod, began);
    if let Some(vanished) = vanished {
        pods::push_vanished(&pod, vanished, unit)?;
        // Instances that nobody heard of before: it is tried, and said, that their logs are gone with them.
        let begun = targets.into_iter().filter(|target| target.container_id.is_some()).collect();
        found.send(begun).await.ok();
        return Ok(());
    }
    let looks = looks(&pod, &targets);
    let uid = pod.metadata.uid.unwrap_or_default();
    if last.get(&uid) == Some(&looks) {
        return Ok(());
    }
    last.insert(uid, looks);
    listing.emit(object, unit)?;
    // Nobody takes them any more when the collection is about to end.
    found.send(targets).await.ok();
    Ok(())
}

/// What makes a pod's state worth rows: its phase, whether it is being deleted, and its container instances with their states.
fn looks(pod: &Pod, targets: &[Target]) -> String {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default();
    let mut text = format!("{phase} {}", pod.metadata.deletion_timestamp.is_some());
    for target in targets {
        let (id, state) = (target.container_id.as_deref(), target.state.as_deref());
        text.push_str(&format!(" {}:{}:{id:?}:{state:?}", target.container, target.restart_count));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_is_gone_again_and_again_is_given_up_and_every_change_renews_the_patience() {
        let gone = Problem::new(ProblemKind::Gone, "too old");
        let mut patience = Patience::default();
        let pauses: Vec<_> = std::iter::from_fn(|| patience.after(&gone)).take(100).collect();
        assert_eq!(pauses.len(), 5);
        assert!(pauses.is_sorted() && pauses[0] > Duration::ZERO);
        patience.renew();
        assert!(patience.after(&Problem::new(ProblemKind::Unreachable, "broke")).is_some());
        assert_eq!(patience.after(&Problem::new(ProblemKind::Denied, "no")), None);
    }
}
