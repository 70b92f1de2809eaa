//! Before anything is read: the API server is asked what the caller may do, so that a missing right is known at once and not after
//! an hour. Nothing is left out because of an answer: authorizers err, and what they deny is tried all the same.
//!
//! The questions are few (one for each verb and resource, and again in each namespace where the whole cluster is denied), at most
//! so many at once, and bounded in time: evidence expires while one asks.

use std::time::Duration;

use futures::StreamExt as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    rights::{self, Answer, Right, Verdict},
    rights_text,
    settings::Settings,
};
use crate::{
    bundle::{BundleWriter, Outcome, State},
    cluster::{Cluster, list::Selectors},
    evidence::registry::NAMESPACES,
};

/// Questions under way at once.
const AT_ONCE: usize = 16;
/// How long all questions may take together.
const LONGEST: Duration = Duration::from_secs(10);
/// With more namespaces than this, none is asked about by itself.
const MOST_NAMESPACES: usize = 50;
/// Place of the rows in the bundle.
const PATH: &[&str] = &["permissions"];

/// What the server said to all questions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The answers: first those about the whole scope, then those about single namespaces.
    pub answers: Vec<Answer>,
    /// Why it is not known which single namespaces are allowed, where it is not.
    pub note: Option<String>,
}

/// Where single namespaces come from when the whole cluster is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespaces {
    /// They are listed.
    Listed,
    /// None is listed: only the namespace to fall back to is asked about.
    Fallback,
}

/// Asks about every right that the settings need.
pub async fn ask(cluster: &Cluster, settings: &Settings, asks_azure: bool, source: Namespaces) -> Findings {
    let deadline = Instant::now() + LONGEST;
    let asked = rights::in_scope(rights::needed(settings, asks_azure), settings);
    let mut answers = ask_each(cluster, asked, deadline).await;
    if !answers.iter().any(|answer| answer.is_denied() && answer.right.is_about_all_namespaces()) {
        return Findings { answers, note: None };
    }
    let (namespaces, note) = candidates(cluster, settings, source, deadline).await;
    let again = rights::to_ask_again(&answers, &namespaces);
    answers.extend(ask_each(cluster, again, deadline).await);
    Findings { answers, note }
}

async fn ask_each(cluster: &Cluster, asked: Vec<Right>, deadline: Instant) -> Vec<Answer> {
    let answers = asked.into_iter().map(async |right| {
        let verdict = match tokio::time::timeout_at(deadline, cluster.review(right.question())).await {
            Ok(Ok(review)) if review.allowed => Verdict::Allowed(review.reason),
            Ok(Ok(review)) => Verdict::Denied(review.reason),
            Ok(Err(problem)) => Verdict::Unanswered(problem.message),
            Err(_) => Verdict::Unanswered(format!("no answer within {} s", LONGEST.as_secs())),
        };
        Answer { right, verdict }
    });
    futures::stream::iter(answers).buffered(AT_ONCE).collect().await
}

/// The namespaces to ask about one by one, and what is to be said about that.
async fn candidates(
    cluster: &Cluster,
    settings: &Settings,
    source: Namespaces,
    deadline: Instant,
) -> (Vec<String>, Option<String>) {
    let fallback = || vec![settings.fallback_namespace.clone()];
    let only = |why: &str| Some(format!("{why}; only `{}` was asked about", settings.fallback_namespace));
    if source == Namespaces::Fallback {
        return (fallback(), only("namespaces are not listed here"));
    }
    let everything = Selectors::default();
    let listed = cluster.page(&NAMESPACES, None, &everything, None);
    match tokio::time::timeout_at(deadline, listed).await {
        Ok(Ok(page)) if page.items.len() > MOST_NAMESPACES || !page.metadata.next.is_empty() => {
            let note =
                format!("there are more than {MOST_NAMESPACES} namespaces: which of them are allowed was not asked");
            (Vec::new(), Some(note))
        }
        Ok(Ok(page)) => (page.items.iter().filter_map(|item| super::scope::name_of(item.get())).collect(), None),
        Ok(Err(problem)) => (fallback(), only(&format!("namespaces cannot be listed ({problem})"))),
        Err(_) => (fallback(), only("namespaces could not be listed in time")),
    }
}

/// Asks, keeps the answers as rows, and returns what to tell the responder. Rows of an earlier attempt are replaced.
///
/// # Errors
/// The bundle cannot be written.
pub async fn run(
    cluster: &Cluster,
    writer: &BundleWriter,
    settings: &Settings,
    asks_azure: bool,
    stop: &CancellationToken,
) -> anyhow::Result<Vec<String>> {
    let findings = tokio::select! {
        findings = ask(cluster, settings, asks_azure, Namespaces::Listed) => findings,
        () = stop.cancelled() => {
            note(writer, State::Interrupted, "stopped while the server was asked").await?;
            return Ok(Vec::new());
        }
    };
    let mut unit = writer.unit("run", "the rights of the caller", PATH);
    unit.replace_earlier()?;
    for answer in &findings.answers {
        unit.push(&answer.row(), None)?;
    }
    unit.finish(outcome(&findings)).await?;
    Ok(rights_text::matrix(&findings))
}

/// The rights were not asked for; what an earlier attempt learned stays.
///
/// # Errors
/// The bundle cannot be written.
pub async fn leave_out(writer: &BundleWriter) -> anyhow::Result<()> {
    note(writer, State::SkippedByFilter, "left out with --no-preflight").await
}

async fn note(writer: &BundleWriter, state: State, reason: &str) -> anyhow::Result<()> {
    if writer.is_done("run", PATH) {
        return Ok(());
    }
    writer.unit("run", "the rights of the caller", PATH).finish(Outcome::new(state, reason)).await
}

/// A question without an answer costs no evidence: it is a note, not a gap.
fn outcome(findings: &Findings) -> Outcome {
    let unanswered: Vec<_> = findings.answers.iter().filter(|answer| answer.allowed().is_none()).collect();
    match unanswered.first() {
        Some(first) => {
            let (count, all, why) = (unanswered.len(), findings.answers.len(), first.reason().unwrap_or_default());
            Outcome::new(State::Unsupported, format!("{count} of {all} questions were not answered; the first: {why}"))
        }
        None => Outcome::complete(),
    }
}
