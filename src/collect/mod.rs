//! From a cluster to a bundle: what is read in which order, with which bounds, and what becomes of it when it cannot be read.
//!
//! The order is that of volatility: events; the list of pods; logs of what is dying and of what is new; histories; the rest. Events and
//! pods are watched from their lists on until the sealing: what is born or dies meanwhile is evidence, too. Each piece of evidence is a unit of the bundle, and every unit that was planned ends in the journal, read or not. Only
//! a bundle that cannot be written ends the run.
//!
//! Limits: nothing here knows what a row means (see [`crate::evidence`]) or how a request is sent (see [`crate::cluster`]).

pub mod aks;
pub mod calls;
mod coverage;
pub mod debug;
mod history;
mod instances;
mod job;
mod jobs;
mod kept_lines;
mod late;
mod lists;
mod logs;
pub mod missing;
mod node_files;
mod node_logs;
pub mod opening;
pub mod outcome;
pub mod preflight;
pub mod progress;
mod report;
pub mod rights;
pub mod rights_text;
mod schedule;
mod scope;
pub mod settings;
pub mod targets;
mod watching;

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub use report::Collected;
use settings::Settings;
use watching::Watching;

use crate::{
    bundle::{BundleWriter, Outcome, State},
    cluster::Cluster,
    evidence::{self, Source, registry},
};

/// What a collection works with. Shared by all its jobs.
pub struct Collector {
    /// The cluster, behind the guard.
    pub cluster: Cluster,
    /// The bundle.
    pub writer: BundleWriter,
    /// What was asked for.
    pub settings: Settings,
    /// Cancelled when the responder wants to stop.
    pub stop: CancellationToken,
    /// Whether Azure may be asked about an AKS cluster.
    pub azure: aks::AskAzure,
    /// Whether debug containers may be added.
    pub consent: debug::Consent,
    /// Who is told how it goes.
    pub progress: progress::Progress,
}

impl Collector {
    /// Collects everything that was asked for and seals the bundle. Units that an earlier attempt finished are left alone.
    ///
    /// # Errors
    /// The bundle cannot be written (a full disk). What it holds stays, and the run can be resumed.
    pub async fn run(self) -> anyhow::Result<Collected> {
        let collector = Arc::new(self);
        collector.note_left_out().await?;
        let mut watching = Watching::new();
        if collector.wants(Source::Events) {
            let scopes = collector.list_kind(&evidence::events::Events, &mut |_| {}).await?;
            watching.events(&collector, scopes).await?;
        }
        // The other lists are short beside that of the pods, and come in meanwhile.
        let others = tokio::spawn({
            let collector = Arc::clone(&collector);
            async move { tokio::try_join!(collector.list(&LATER), collector.aks()).map(drop) }
        });
        let (targets, scopes) = match Arc::clone(&collector).pods().await {
            Ok(pods) => pods,
            Err(error) => {
                others.abort();
                return Err(error);
            }
        };
        let (found, receiver) = mpsc::channel(FOUND);
        watching.pods(&collector, scopes.clone(), &found).await?;
        drop(found);
        let shell_less = collector.debug_candidates(&targets);
        let (ended, others_ended) = oneshot::channel();
        let others = async {
            let listed = others.await;
            ended.send(()).ok();
            listed
        };
        let until = async { others_ended.await.unwrap_or_default() };
        let read = async {
            let read = jobs::run(&collector, targets, &scopes, receiver, until).await;
            if read.is_err() {
                collector.stop.cancel();
            }
            read
        };
        let (read, listed) = tokio::join!(read, others);
        let (read, late) = match read {
            Ok(late) => (Ok(()), Some(late)),
            Err(error) => (Err(error), None),
        };
        let note = async {
            match late {
                Some(late) => late.note().await,
                None => Ok(()),
            }
        };
        let (watched, noted) = tokio::join!(watching.end(&collector), note);
        match listed {
            Ok(listed) => listed?,
            Err(error) => collector.note_panic("lists", &error).await?,
        }
        read?;
        watched?;
        noted?;
        // After the watches: what this adds to the cluster is no news.
        collector.debug_containers(shell_less).await?;
        report::seal(&collector).await
    }

    fn wants(&self, source: Source) -> bool {
        self.settings.sources.contains(&source)
    }

    /// Lists the kinds of some sources, in every scope that was asked for.
    async fn list(&self, sources: &[Source]) -> anyhow::Result<()> {
        for listing in registry::LISTINGS {
            if sources.contains(&listing.source()) && self.wants(listing.source()) {
                self.list_kind(*listing, &mut |_| {}).await?;
            }
        }
        Ok(())
    }

    /// A source that was left out is said to be, so that nobody takes its silence for absence.
    async fn note_left_out(&self) -> anyhow::Result<()> {
        for source in Source::ALL {
            let reason = if !self.wants(source) {
                "left out with --only or --skip"
            } else if source == Source::History && !self.settings.exec {
                "left out with --no-exec: no process was started in any container"
            } else if source == Source::Aks && matches!(self.azure, aks::AskAzure::No) {
                "left out with --no-azure"
            } else {
                continue;
            };
            let unit = self.writer.unit(source.name(), format!("all {}", source.name()), &["_left-out"]);
            unit.finish(Outcome::new(State::SkippedByFilter, reason)).await?;
        }
        Ok(())
    }

    async fn note_panic(&self, what: &str, error: &tokio::task::JoinError) -> anyhow::Result<()> {
        let unit = self.writer.unit("run", what, &["_defect", what]);
        unit.finish(Outcome::new(State::Failed, format!("a defect of this program ended it: {error}"))).await
    }
}

/// Pods that were found by a watch and wait to be planned.
const FOUND: usize = 256;

/// The lists that come after the logs of what is dying.
const LATER: [Source; 4] = [Source::ServiceAccounts, Source::Rbac, Source::CronJobs, Source::NetworkPolicies];
