//! What is read of containers, in the order of volatility, so many at once overall and so many on each node.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::Arc,
};

use serde_json::value::RawValue;
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    Collector,
    instances::{Instances, Place, Stage, Step, by_container, place},
    job::{Job, Key, Rank},
    late::{Late, is_doubtful, lost},
    lists::{self, Scope},
    logs::Done,
    outcome,
    schedule::Schedule,
    scope::WHOLE_CLUSTER,
    targets::{self, Target},
};
use crate::{
    bundle::{Outcome, State},
    cluster::Problem,
    evidence::{Source, pods::Pods, registry::PODS},
};

/// Requests for logs and histories under way at once.
const OVERALL: usize = 32;
/// The same, on one node: its kubelet serves them all.
const PER_NODE: usize = 32;
/// A node that did not answer so many times in a row is left alone until the end.
const MOST_SILENCES: u32 = 8;

/// How often the pods are looked at again at most: a container that crashes all the time brings something new each time.
const LOOKS: u32 = 3;

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

    /// A page of the pods as they are now: what there is to read of them, and the token of the next page. None when it was stopped.
    async fn pods_now(
        &self,
        scope: &Scope,
        next: Option<&str>,
    ) -> Option<Result<(Vec<Target>, Option<String>), Problem>> {
        let selectors = self.settings.pod_selectors();
        let resource = PODS.resource();
        let asked = self.cluster.page(&resource, scope.namespace.as_deref(), &selectors, next);
        let page = tokio::select! {
            page = asked => page,
            () = self.stop.cancelled() => return None,
        };
        let targets = |item: &RawValue| {
            // An object that is no pod is the gap of the list that came first.
            let pod = serde_json::from_str(item.get()).ok()?;
            Some(targets::of_pod(&pod, self.writer.run().started))
        };
        Some(page.map(|page| {
            let next = Some(page.metadata.next).filter(|next| !next.is_empty());
            (page.items.iter().filter_map(|item| targets(item)).flatten().collect(), next)
        }))
    }

    /// Says that nobody knows what became of the containers while their logs were read; or, without a problem, takes that back.
    async fn note_look(&self, scope: &Scope, problem: Option<&Problem>) -> anyhow::Result<()> {
        let scope = scope.namespace.as_deref().unwrap_or(WHOLE_CLUSTER);
        let path = ["_after", scope];
        let outcome = match problem {
            Some(problem) => {
                let reason =
                    format!("whether containers were restarted while their logs were read is not known: {problem}");
                Outcome { reason: Some(reason), ..outcome::of_problem(problem)? }
            }
            None if self.writer.state(Source::Logs.name(), &path).is_some_and(State::is_gap) => Outcome::complete(),
            None => return Ok(()),
        };
        let object = format!("pods after their logs were read, {scope}");
        self.writer.unit(Source::Logs.name(), object, &path).finish(outcome).await
    }
}

/// Reads of all targets what there is to read, those included that are `found` meanwhile, until `others` have ended, too; looks whether
/// what was read is what it was taken for; then reads once more what failed for a reason that may have passed.
///
/// # Errors
/// The bundle cannot be written; the jobs under way were stopped.
pub(super) async fn run(
    collector: &Arc<Collector>,
    targets: Vec<Target>,
    scopes: &[Scope],
    found: mpsc::Receiver<Vec<Target>>,
    others: impl Future<Output = ()>,
) -> anyhow::Result<Late> {
    let mut reading = Reading::new(collector, found);
    reading.plan(targets).await?;
    reading.announce();
    reading.until(others).await?;
    reading.look(scopes).await?;
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
        reading.look(scopes).await?;
    }
    // What has not begun by now says so.
    for job in std::mem::take(&mut reading.not_begun).into_values() {
        reading.schedule(job);
    }
    reading.until(std::future::ready(())).await?;
    Ok(Late { collector: Arc::clone(collector), instances: reading.instances, found: reading.found })
}

/// A source and a container of a pod with its UID.
type OfContainer = (Source, String, String);

/// The reading under way.
struct Reading<'a> {
    collector: &'a Arc<Collector>,
    schedule: Schedule<Rank, Job>,
    running: JoinSet<anyhow::Result<Done>>,
    /// What runs, by its task, with its node.
    names: HashMap<tokio::task::Id, (String, Job)>,
    /// What is known of the instances whose logs are read.
    instances: Instances,
    /// Logs that wait for another log of their container: a container's logs are read one after another.
    held: HashMap<Place, Vec<Job>>,
    /// Histories that were planned: each is read once, however often its pod is seen.
    histories: HashSet<Key>,
    /// The instance of each container in which a shell would be started now.
    current: HashMap<Place, Key>,
    /// What has not begun: it may yet, and is read then; else it ends as what could not be read.
    not_begun: BTreeMap<OfContainer, Job>,
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
            instances: Instances::default(),
            held: HashMap::new(),
            histories: HashSet::new(),
            current: HashMap::new(),
            not_begun: BTreeMap::new(),
            found,
            again: Vec::new(),
            silences: HashMap::new(),
            is_last: false,
        }
    }

    /// Adds what there is to read of targets. What an earlier attempt finished is left out; what waits already may become more urgent.
    async fn plan(&mut self, targets: Vec<Target>) -> anyhow::Result<()> {
        for shown in by_container(targets) {
            for target in &shown {
                self.plan_history(target);
                self.note_begun(target);
            }
            if self.collector.wants(Source::Logs) {
                let steps = self.instances.see(shown);
                self.take(steps).await?;
            }
        }
        Ok(())
    }

    /// Notes a container that has not begun, or that one has.
    fn note_begun(&mut self, target: &Target) {
        let of_container = |source| (source, target.pod.uid.clone(), target.container.clone());
        let sources = [Source::Logs, Source::History];
        if target.container_id.is_some() {
            return sources.into_iter().for_each(|source| drop(self.not_begun.remove(&of_container(source))));
        }
        let target = Arc::new(target.clone());
        for job in sources.map(|source| Job { source, target: Arc::clone(&target) }) {
            let (is_wanted, source) = (job.is_wanted(self.collector) && !job.is_done(self.collector), job.source);
            if is_wanted && self.not_begun.insert(of_container(source), job).is_none() {
                self.collector.progress.expected(source);
            }
        }
    }

    fn plan_history(&mut self, target: &Target) {
        let job = Job { source: Source::History, target: Arc::new(target.clone()) };
        if target.container_id.is_none() || !job.is_wanted(self.collector) || !self.histories.insert(job.key()) {
            return;
        }
        self.current.insert(place(target), job.key());
        if !job.is_done(self.collector) {
            self.collector.progress.expected(job.source);
            self.schedule(job);
        }
    }

    /// Does what is to be done about instances.
    async fn take(&mut self, steps: Vec<Step>) -> anyhow::Result<()> {
        let mut steps = VecDeque::from(steps);
        while let Some(step) = steps.pop_front() {
            match step {
                Step::Read(target) => {
                    let job = Job { source: Source::Logs, target };
                    if job.is_done(self.collector) {
                        steps.extend(self.instances.is_at(&job.target, Stage::Ended));
                    } else {
                        self.collector.progress.expected(job.source);
                        self.schedule(job);
                    }
                }
                Step::Instead(target) | Step::Hurry(target) => {
                    let job = Job { source: Source::Logs, target };
                    // What was put off to the end may be gone by then.
                    if let Some(at) = self.again.iter().position(|other| other.key() == job.key()) {
                        self.again.swap_remove(at);
                        self.schedule(job);
                        continue;
                    }
                    self.schedule.hurry(job.node(), |waiting| waiting.key() == job.key(), Rank::DyingLog);
                }
                Step::Lost(target, reason) => lost(self.collector, &target, reason).await?,
                Step::Check(target, doubt) if is_doubtful(self.collector, &target, &doubt) => {
                    if doubt.can_be_had {
                        steps.extend(self.instances.is_at(&target, Stage::Waiting));
                        self.collector.progress.expected(Source::Logs);
                        self.schedule(Job { source: Source::Logs, target });
                    } else {
                        self.collector.doubt_log(&target, doubt.reason, doubt.next).await?;
                    }
                }
                Step::Check(..) => {}
            }
        }
        Ok(())
    }

    /// Looks at the pods once more: whether containers were restarted, or began, while logs were read. What that brings is read.
    async fn look(&mut self, scopes: &[Scope]) -> anyhow::Result<()> {
        if !self.collector.wants(Source::Logs) && self.not_begun.is_empty() {
            return Ok(());
        }
        for _ in 0..LOOKS {
            if !self.look_once(scopes).await? || self.schedule.is_idle() {
                break;
            }
            self.until(std::future::ready(())).await?;
        }
        Ok(())
    }

    /// False when there is no point in looking again.
    async fn look_once(&mut self, scopes: &[Scope]) -> anyhow::Result<bool> {
        for scope in scopes {
            let mut next = None;
            loop {
                match self.collector.pods_now(scope, next.as_deref()).await {
                    None => return Ok(false),
                    Some(Ok((targets, more))) => {
                        self.plan(targets).await?;
                        next = more;
                    }
                    Some(Err(problem)) => {
                        self.collector.note_look(scope, Some(&problem)).await?;
                        return Ok(false);
                    }
                }
                if next.is_none() {
                    self.collector.note_look(scope, None).await?;
                    break;
                }
            }
        }
        Ok(true)
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
                self.plan(targets).await?;
            }
            self.start().await?;
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
                Some(targets) = self.found.recv() => self.plan(targets).await?,
                () = &mut others, if !others_ended => others_ended = true,
            }
        }
    }

    /// Starts as many jobs as there is room for.
    async fn start(&mut self) -> anyhow::Result<()> {
        while let Some((node, job)) = self.schedule.next() {
            let Some(job) = self.ready(job).await? else {
                self.schedule.ended(&node);
                continue;
            };
            let (collector, work) = (Arc::clone(self.collector), job.clone());
            let handle = self.running.spawn(async move { work.run(&collector).await });
            self.names.insert(handle.id(), (node, job));
        }
        Ok(())
    }

    /// A job as it can be done now; none when it waits for another, or there is nothing to be done any more.
    async fn ready(&mut self, mut job: Job) -> anyhow::Result<Option<Job>> {
        let place = place(&job.target);
        if job.target.container_id.is_none() {
            return Ok(Some(job));
        }
        if job.source == Source::History {
            if self.current.get(&place).is_none_or(|current| *current == job.key()) {
                return Ok(Some(job));
            }
            if !job.was_tried(self.collector) {
                let reason =
                    "the container was restarted, or its pod replaced, before its history was read: it is gone with it";
                job.end(self.collector, reason.to_owned()).await?;
            }
            return Ok(None);
        }
        let Some(target) = self.instances.now(&job.target) else { return Ok(None) };
        job.target = target;
        if self.instances.is_busy(&place) {
            self.held.entry(place).or_default().push(job);
            return Ok(None);
        }
        self.instances.is_at(&job.target, Stage::Running);
        Ok(Some(job))
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
        let target = Arc::clone(&job.target);
        let is_log = job.source == Source::Logs;
        if done != Done::Ended {
            self.again.push(job);
        }
        if is_log {
            let stage = if done == Done::Ended { Stage::Ended } else { Stage::Waiting };
            let steps = self.instances.is_at(&target, stage);
            for job in self.held.remove(&place(&target)).unwrap_or_default() {
                self.schedule(job);
            }
            self.take(steps).await?;
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
