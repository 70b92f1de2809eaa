//! What is told of containers when nothing is read any more, and what becomes of logs that cannot be had: gaps with their reasons.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{
    Collector, coverage,
    instances::{Doubt, Instances, Step, by_container},
    job::Job,
    logs::hole_of,
    targets::Target,
};
use crate::{bundle::State, evidence::Source};

/// Why what begins last is not read.
const LATE: &str = "it began when the collection was about to end";

/// Whether what was read may be that of the instance after it.
pub(super) fn is_doubtful(collector: &Collector, target: &Target, doubt: &Doubt) -> bool {
    let [pod, container, instance] = target.path();
    let coverage = collector.log_coverage(target);
    let hole = collector.writer.state(Source::Logs.name(), &[&pod, &container, &hole_of(&instance)]);
    hole.is_some_and(State::is_gap) || coverage::may_be_of_next(coverage.as_ref(), doubt.next)
}

/// Ends the log of an instance that cannot be had any more. What was read of it stays.
pub(super) async fn lost(collector: &Collector, target: &Arc<Target>, reason: String) -> anyhow::Result<()> {
    let job = Job { source: Source::Logs, target: Arc::clone(target) };
    match job.was_tried(collector) {
        true => collector.doubt_log(target, reason, None).await,
        false => job.end(collector, reason).await,
    }
}

/// What is told of containers when nothing is read any more, until the watches have ended.
pub(super) struct Late {
    pub collector: Arc<Collector>,
    /// What was known of instances when reading ended.
    pub instances: Instances,
    /// What the watches find.
    pub found: mpsc::Receiver<Vec<Target>>,
}

impl Late {
    /// Notes what is not read.
    ///
    /// # Errors
    /// The bundle cannot be written.
    pub(super) async fn note(mut self) -> anyhow::Result<()> {
        while let Some(targets) = self.found.recv().await {
            for shown in by_container(targets) {
                // What does not run has said so already.
                let histories = shown.iter().filter(|target| target.without_exec().is_none()).cloned();
                for target in histories.map(Arc::new).collect::<Vec<_>>() {
                    let job = Job { source: Source::History, target };
                    if job.is_wanted(&self.collector)
                        && (!job.was_tried(&self.collector) || job.had_not_begun(&self.collector))
                    {
                        job.end(&self.collector, LATE.to_owned()).await?;
                    }
                }
                if self.collector.wants(Source::Logs) {
                    for step in self.instances.see(shown) {
                        self.note_step(step).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn note_step(&self, step: Step) -> anyhow::Result<()> {
        match step {
            Step::Read(target) => {
                let job = Job { source: Source::Logs, target };
                if job.is_done(&self.collector) { Ok(()) } else { job.end(&self.collector, LATE.to_owned()).await }
            }
            Step::Lost(target, reason) => lost(&self.collector, &target, reason).await,
            Step::Check(target, doubt) if is_doubtful(&self.collector, &target, &doubt) => {
                self.collector.doubt_log(&target, doubt.reason, doubt.next).await
            }
            Step::Check(..) | Step::Instead(_) | Step::Hurry(_) => Ok(()),
        }
    }
}
