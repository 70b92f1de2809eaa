//! What is read of containers, in the order of volatility, so many at once overall and so many on each node.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use tokio::{sync::mpsc, task::JoinSet};

use super::{
    Collector,
    lists::{self, Scope},
    logs::Done,
    schedule::Schedule,
    targets::{self, Target, Urgency},
};
use crate::{
    bundle::{Outcome, State},
    evidence::{Source, pods::Pods},
};

/// Requests for logs and histories under way at once.
const OVERALL: usize = 32;
/// The same, on one node: its kubelet serves them all.
const PER_NODE: usize = 32;
/// A node that did not answer so many times in a row is left alone until the end.
const MOST_SILENCES: u32 = 8;

/// Something to read of a container.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Job {
    source: Source,
    target: Arc<Target>,
}

/// The order of reading: logs of what is dying and of what has just begun, histories, the other logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    DyingLog,
    YoungLog,
    History,
    Log,
}

impl Collector {
    /// Lists the pods. Returns what there is to read of them, and the scopes that were read.
    pub(super) async fn pods(self: Arc<Self>) -> anyhow::Result<(Vec<Target>, Vec<Scope>)> {
        if !self.settings.sources.iter().any(|source| source.needs_pods()) {
            return Ok((Vec::new(), Vec::new()));
        }
        let mut found: Vec<Target> = Vec::new();
        let listing = Pods { suspicious: self.wants(Source::SuspiciousPods) };
        let is_read = self.wants(Source::Logs) || self.wants(Source::History);
        let visit: lists::Visit<'_> = &mut |object| {
            if !is_read {
                return;
            }
            // An object that is no pod is the list's gap; there is nothing to read of it.
            if let Ok(pod) = serde_json::from_str(object) {
                found.extend(targets::of_pod(&pod, self.writer.run().started));
            }
        };
        let scopes = self.list_kind(&listing, visit).await?;
        Ok((found, scopes))
    }
}

/// Reads of all targets what there is to read, those included that are `found` meanwhile, until `others` have ended, too; then once more
/// what failed for a reason that may have passed.
///
/// # Errors
/// The bundle cannot be written; the jobs under way were stopped.
pub(super) async fn run(
    collector: &Arc<Collector>,
    targets: Vec<Target>,
    found: mpsc::Receiver<Vec<Target>>,
    others: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let mut reading = Reading::new(collector, found);
    reading.plan(targets);
    reading.announce();
    reading.until(others).await?;
    let not_begun = std::mem::take(&mut reading.not_begun);
    for (key, job) in not_begun {
        reading.planned.insert(key);
        reading.schedule(job);
    }
    reading.until(std::future::ready(())).await?;
    let mut again = std::mem::take(&mut reading.again);
    if collector.stop.is_cancelled() {
        // What was put off and never tried has to stand in the journal all the same.
        again.retain(|job| !job.was_tried(collector));
    }
    if !again.is_empty() {
        collector.progress.again(again.len());
        reading.is_last = true;
        reading.silences.clear();
        again.into_iter().for_each(|job| reading.schedule(job));
        reading.until(std::future::ready(())).await?;
    }
    Ok(())
}

/// A source and the place of an instance.
type Key = (Source, [String; 3]);

/// The reading under way.
struct Reading<'a> {
    collector: &'a Arc<Collector>,
    schedule: Schedule<Rank, Job>,
    running: JoinSet<anyhow::Result<Done>>,
    /// What runs, by its task, with its node.
    names: HashMap<tokio::task::Id, (String, Job)>,
    /// Units that were planned: each is read once, however often its pod is seen.
    planned: HashSet<Key>,
    /// What has not begun: it may yet, and is read then; else it ends as what could not be read.
    not_begun: BTreeMap<Key, Job>,
    found: mpsc::Receiver<Vec<Target>>,
    /// What is worth another try.
    again: Vec<Job>,
    /// How many jobs in a row each node did not answer to.
    silences: HashMap<String, u32>,
    /// Whether this is the last try.
    is_last: bool,
}

impl<'a> Reading<'a> {
    fn new(collector: &'a Arc<Collector>, found: mpsc::Receiver<Vec<Target>>) -> Self {
        Self {
            collector,
            schedule: Schedule::new(OVERALL, PER_NODE),
            running: JoinSet::new(),
            names: HashMap::new(),
            planned: HashSet::new(),
            not_begun: BTreeMap::new(),
            found,
            again: Vec::new(),
            silences: HashMap::new(),
            is_last: false,
        }
    }

    /// Adds what there is to read of targets. What an earlier attempt finished is left out; what waits already may become more urgent.
    fn plan(&mut self, targets: Vec<Target>) {
        for target in targets.into_iter().map(Arc::new) {
            for source in [Source::Logs, Source::History] {
                let job = Job { source, target: Arc::clone(&target) };
                if !job.is_wanted(self.collector) || job.is_done(self.collector) {
                    continue;
                }
                self.plan_job(job);
            }
        }
    }

    fn plan_job(&mut self, job: Job) {
        let key = job.key();
        if self.planned.contains(&key) {
            if job.rank() == Rank::DyingLog {
                self.schedule.hurry(job.node(), |waiting| waiting.key() == key, Rank::DyingLog);
            }
        } else if job.target.container_id.is_none() {
            let source = job.source;
            if self.not_begun.insert(key, job).is_none() {
                self.collector.progress.expected(source);
            }
        } else {
            if self.not_begun.remove(&key).is_none() {
                self.collector.progress.expected(job.source);
            }
            self.planned.insert(key);
            self.schedule(job);
        }
    }

    fn schedule(&mut self, job: Job) {
        let node = job.node().to_owned();
        self.schedule.push(&node, job.rank(), job);
    }

    /// Says how many shells will be started and how much is to be read.
    fn announce(&self) {
        let is_shell = |job: &&Job| job.source == Source::History && job.target.without_exec().is_none();
        let shells = self.schedule.waiting().filter(is_shell).count();
        self.collector.progress.planned(shells, self.schedule.waiting().count() + self.not_begun.len());
    }

    /// Works until nothing is left to do and `others` have ended.
    async fn until(&mut self, others: impl Future<Output = ()>) -> anyhow::Result<()> {
        let mut others = std::pin::pin!(others);
        let (mut others_ended, mut broken) = (false, None);
        loop {
            // What a watch found last is planned before the end is judged.
            while let Ok(targets) = self.found.try_recv() {
                self.plan(targets);
            }
            self.start();
            if others_ended && self.schedule.is_idle() {
                return broken.map_or(Ok(()), Err);
            }
            tokio::select! {
                Some(ended) = self.running.join_next_with_id() => {
                    if let Err(error) = self.ended(ended).await {
                        self.collector.stop.cancel();
                        broken.get_or_insert(error);
                    }
                }
                Some(targets) = self.found.recv() => self.plan(targets),
                () = &mut others, if !others_ended => others_ended = true,
            }
        }
    }

    /// Starts as many jobs as there is room for.
    fn start(&mut self) {
        while let Some((node, job)) = self.schedule.next() {
            let (collector, work) = (Arc::clone(self.collector), job.clone());
            let handle = self.running.spawn(async move { work.run(&collector).await });
            self.names.insert(handle.id(), (node, job));
        }
    }

    async fn ended(
        &mut self,
        ended: Result<(tokio::task::Id, anyhow::Result<Done>), tokio::task::JoinError>,
    ) -> anyhow::Result<()> {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let Some((node, job)) = self.names.remove(&id) else { return Ok(()) };
        self.schedule.ended(&node);
        let done = match &ended {
            Ok((_, Ok(done))) => *done,
            _ => Done::Ended,
        };
        match ended {
            Ok((_, Ok(done))) => self.note_node(&node, done).await?,
            Ok((_, Err(error))) => return Err(error),
            Err(error) => job.note_defect(self.collector, &error).await?,
        }
        if done != Done::Ended {
            self.again.push(job);
        }
        Ok(())
    }

    /// A node that does not answer holds nobody up: what waits on it is put off to the end, and given up there.
    async fn note_node(&mut self, node: &str, done: Done) -> anyhow::Result<()> {
        let silences = self.silences.entry(node.to_owned()).or_default();
        *silences = if done == Done::NodeSilent { *silences + 1 } else { 0 };
        if *silences < MOST_SILENCES {
            return Ok(());
        }
        let waiting = self.schedule.take_all(node);
        if !self.is_last {
            self.again.extend(waiting);
            return Ok(());
        }
        // What was tried before has said already why it failed.
        for job in waiting.into_iter().filter(|job| !job.was_tried(self.collector)) {
            let reason =
                format!("the node {node} did not answer: {MOST_SILENCES} others on it were tried, this was not");
            job.end(self.collector, reason).await?;
        }
        Ok(())
    }
}

impl Job {
    fn was_tried(&self, collector: &Collector) -> bool {
        let path = self.target.path();
        collector.writer.state(self.source.name(), &path.each_ref().map(String::as_str)).is_some()
    }

    fn key(&self) -> Key {
        (self.source, self.target.path())
    }

    fn is_done(&self, collector: &Collector) -> bool {
        let path = self.target.path();
        let state = collector.writer.state(self.source.name(), &path.each_ref().map(String::as_str));
        // What had not begun when an earlier attempt ended may have begun since.
        let may_have_begun =
            self.source == Source::Logs && state == Some(State::Unsupported) && self.target.container_id.is_some();
        let lacks_files = self.source == Source::Logs && collector.has_node_logs_left(&self.target);
        state.is_some_and(State::is_final) && !may_have_begun && !lacks_files
    }

    fn is_wanted(&self, collector: &Collector) -> bool {
        match self.source {
            // The instance before is gone: nothing can be run in it.
            Source::History => collector.wants(Source::History) && collector.settings.exec && !self.target.previous,
            source => collector.wants(source),
        }
    }

    fn node(&self) -> &str {
        self.target.pod.node.as_deref().unwrap_or_default()
    }

    fn rank(&self) -> Rank {
        match (self.source, self.target.urgency) {
            (Source::History, _) => Rank::History,
            (_, Urgency::Dying) => Rank::DyingLog,
            (_, Urgency::Young) => Rank::YoungLog,
            (_, Urgency::Steady) => Rank::Log,
        }
    }

    async fn run(&self, collector: &Collector) -> anyhow::Result<Done> {
        match self.source {
            Source::History => {
                let again = collector.read_history(&self.target).await?;
                Ok(if again { Done::TryAgain } else { Done::Ended })
            }
            _ => collector.read_log(&self.target).await,
        }
    }

    /// A source that panics is a gap, not a lost run.
    async fn note_defect(&self, collector: &Collector, error: &tokio::task::JoinError) -> anyhow::Result<()> {
        self.end(collector, format!("a defect of this program ended it: {error}")).await
    }

    /// Ends the unit without having read anything.
    async fn end(&self, collector: &Collector, reason: String) -> anyhow::Result<()> {
        let unit = match self.source {
            Source::History => collector.history_unit(&self.target),
            _ => collector.log_unit(&self.target),
        };
        unit.finish(Outcome::new(State::Failed, reason)).await
    }
}
