//! What is read of containers, in the order of volatility, so many at once overall and so many on each node.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{sync::Semaphore, task::JoinSet};

use super::{
    Collector, lists,
    targets::{self, Target, Urgency},
};
use crate::{
    bundle::{Outcome, State},
    evidence::{Source, pods::Pods},
};

/// Requests for logs and histories under way at once.
const OVERALL: usize = 32;
/// The same, on one node: its kubelet serves them all.
const PER_NODE: usize = 8;

/// Something to read of a container.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Job {
    source: Source,
    target: Arc<Target>,
}

impl Collector {
    /// Lists the pods and returns what there is to read of them.
    pub(super) async fn pods(self: Arc<Self>) -> anyhow::Result<Vec<Target>> {
        if !self.settings.sources.iter().any(|source| source.needs_pods()) {
            return Ok(Vec::new());
        }
        let mut found: Vec<Target> = Vec::new();
        let listing = Pods { suspicious: self.wants(Source::SuspiciousPods) };
        let visit: lists::Visit<'_> = &mut |object| {
            // An object that is no pod is the list's gap; there is nothing to read of it.
            if let Ok(pod) = serde_json::from_str(object) {
                found.extend(targets::of_pod(&pod));
            }
        };
        self.list_kind(&listing, visit).await?;
        // A list that began again because its pages expired shows pods twice.
        let mut seen = std::collections::HashSet::new();
        found.retain(|target| seen.insert((target.path(), target.previous)));
        Ok(found)
    }
}

/// The jobs in their order: logs of what is dying, histories, the other logs. What an earlier attempt finished is left out.
pub(super) fn plan(collector: &Collector, targets: Vec<Target>) -> Vec<Job> {
    let targets: Vec<_> = targets.into_iter().map(Arc::new).collect();
    let logs = |urgency| {
        let chosen = targets.iter().filter(move |target| target.urgency == urgency);
        chosen.map(|target| Job { source: Source::Logs, target: Arc::clone(target) })
    };
    let histories = targets
        .iter()
        .filter(|target| !target.previous)
        .map(|target| Job { source: Source::History, target: Arc::clone(target) });
    let jobs: Vec<Job> = logs(Urgency::Dying)
        .chain(histories)
        .chain(logs(Urgency::Steady))
        .filter(|job| collector.wants(job.source) && (job.source != Source::History || collector.settings.exec))
        .filter(|job| !job.is_done(collector))
        .collect();
    let shells = |job: &&Job| job.source == Source::History && job.target.without_exec().is_none();
    collector.progress.planned(jobs.iter().filter(shells).count(), jobs.len());
    jobs
}

/// Does all jobs, and once more those that failed for a reason that may have passed.
///
/// # Errors
/// The bundle cannot be written; the jobs under way were stopped.
pub(super) async fn run(collector: &Arc<Collector>, jobs: Vec<Job>) -> anyhow::Result<()> {
    let again = round(collector, jobs).await?;
    if !again.is_empty() && !collector.stop.is_cancelled() {
        collector.progress.again(again.len());
        round(collector, again).await?;
    }
    Ok(())
}

/// Does the jobs; returns those that are worth another try.
async fn round(collector: &Arc<Collector>, jobs: Vec<Job>) -> anyhow::Result<Vec<Job>> {
    let limits = Arc::new(Limits::default());
    let mut running = JoinSet::new();
    let mut names = HashMap::new();
    for job in jobs {
        let (collector, limits, work) = (Arc::clone(collector), Arc::clone(&limits), job.clone());
        let handle = running.spawn(async move { work.run(&collector, &limits).await });
        names.insert(handle.id(), job);
    }
    let mut again = Vec::new();
    let mut broken = None;
    while let Some(ended) = running.join_next_with_id().await {
        match ended {
            Ok((id, Ok(true))) => again.extend(names.remove(&id)),
            Ok((id, Ok(false))) => drop(names.remove(&id)),
            Ok((_, Err(error))) => {
                collector.stop.cancel();
                broken.get_or_insert(error);
            }
            Err(error) => {
                if let Some(job) = names.remove(&error.id()) {
                    job.note_defect(collector, &error).await?;
                }
            }
        }
    }
    broken.map_or(Ok(again), Err)
}

impl Job {
    fn is_done(&self, collector: &Collector) -> bool {
        let path = self.target.path();
        collector.writer.is_done(self.source.name(), &path.iter().map(String::as_str).collect::<Vec<_>>())
    }

    async fn run(&self, collector: &Collector, limits: &Limits) -> anyhow::Result<bool> {
        let node = limits.node(self.target.pod.node.as_deref().unwrap_or_default());
        // A semaphore that is never closed always grants.
        let _on_node = node.acquire().await?;
        let _overall = limits.overall.acquire().await?;
        match self.source {
            Source::History => collector.read_history(&self.target).await,
            _ => collector.read_log(&self.target).await,
        }
    }

    /// A source that panics is a gap, not a lost run.
    async fn note_defect(&self, collector: &Collector, error: &tokio::task::JoinError) -> anyhow::Result<()> {
        let path = self.target.path();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let unit = collector.writer.unit(self.source.name(), self.target.object(), &path);
        unit.finish(Outcome::new(State::Failed, format!("a defect of this program ended it: {error}"))).await
    }
}

struct Limits {
    overall: Semaphore,
    nodes: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { overall: Semaphore::new(OVERALL), nodes: Mutex::default() }
    }
}

impl Limits {
    fn node(&self, name: &str) -> Arc<Semaphore> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(nodes.entry(name.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(PER_NODE))))
    }
}
