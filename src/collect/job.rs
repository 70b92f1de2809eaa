//! One thing to read of a container: a log or a history, with its place in the journal.

use std::sync::Arc;

use super::{
    Collector,
    logs::Done,
    targets::{Target, Urgency},
};
use crate::{
    bundle::{Outcome, State},
    evidence::Source,
};

/// Something to read of a container.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Job {
    /// Logs or histories.
    pub source: Source,
    /// Of what.
    pub target: Arc<Target>,
}

/// The order of reading: logs of what is dying and of what has just begun, histories, the other logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    DyingLog,
    YoungLog,
    History,
    Log,
}

/// A source and the place of an instance.
pub(super) type Key = (Source, [String; 3]);

impl Collector {
    /// How reading something of an instance ended, when it was tried before.
    pub(super) fn state_of(&self, source: Source, target: &Target) -> Option<State> {
        self.writer.state(source.name(), &target.path().each_ref().map(String::as_str))
    }
}

impl Job {
    /// Whether all that could be said of it is that it had not begun.
    pub(super) fn had_not_begun(&self, collector: &Collector) -> bool {
        let state = collector.state_of(self.source, &self.target);
        state == Some(State::Unsupported)
    }

    pub(super) fn was_tried(&self, collector: &Collector) -> bool {
        collector.state_of(self.source, &self.target).is_some()
    }

    pub(super) fn key(&self) -> Key {
        (self.source, self.target.path())
    }

    pub(super) fn is_done(&self, collector: &Collector) -> bool {
        let state = collector.state_of(self.source, &self.target);
        // What had not begun when an earlier attempt ended may have begun since.
        let may_have_begun =
            self.source == Source::Logs && state == Some(State::Unsupported) && self.target.container_id.is_some();
        let lacks_files = self.source == Source::Logs && collector.has_node_logs_left(&self.target);
        state.is_some_and(State::is_final) && !may_have_begun && !lacks_files
    }

    pub(super) fn is_wanted(&self, collector: &Collector) -> bool {
        match self.source {
            // The instance before is gone: nothing can be run in it.
            Source::History => collector.wants(Source::History) && collector.settings.exec && !self.target.previous,
            source => collector.wants(source),
        }
    }

    pub(super) fn node(&self) -> &str {
        self.target.pod.node.as_deref().unwrap_or_default()
    }

    pub(super) fn rank(&self) -> Rank {
        match (self.source, self.target.urgency) {
            (Source::History, _) => Rank::History,
            (_, Urgency::Dying) => Rank::DyingLog,
            (_, Urgency::Young) => Rank::YoungLog,
            (_, Urgency::Steady) => Rank::Log,
        }
    }

    pub(super) async fn run(&self, collector: &Collector) -> anyhow::Result<Done> {
        match self.source {
            Source::History => {
                let again = collector.read_history(&self.target).await?;
                Ok(if again { Done::TryAgain } else { Done::Ended })
            }
            _ => collector.read_log(&self.target).await,
        }
    }

    /// A source that panics is a gap, not a lost run.
    pub(super) async fn note_defect(
        &self,
        collector: &Collector,
        error: &tokio::task::JoinError,
    ) -> anyhow::Result<()> {
        self.end(collector, format!("a defect of this program ended it: {error}")).await
    }

    /// Ends the unit without having read anything.
    pub(super) async fn end(&self, collector: &Collector, reason: String) -> anyhow::Result<()> {
        let unit = match self.source {
            Source::History => collector.history_unit(&self.target),
            _ => collector.log_unit(&self.target),
        };
        let state = if collector.stop.is_cancelled() { State::Interrupted } else { State::Failed };
        collector.progress.unit(self.source, 0, state);
        unit.finish(Outcome::new(state, reason)).await
    }
}
