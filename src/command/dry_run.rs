//! `collect --dry-run`: every call that the collection would make, what it is for, what it leaves behind, and whether it is
//! allowed. Makes no call that collects, and leaves no file behind.
//!
//! When the cluster answers, it is asked about rights; that changes nothing and stands in its audit log. When it does not, or there
//! is none, the calls are printed all the same.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::collect::Args;
use crate::{
    cluster::{Cluster, Level, actions::Actions},
    collect::{
        calls::{self, Call},
        preflight::{self, Findings, Namespaces},
        rights_text,
        settings::Settings,
    },
    failure::ExitStatus,
    ui::{Printer, printable},
};

/// How long the cluster may take to answer at all.
const REACH: Duration = Duration::from_secs(10);

/// What only the lists tell.
const UNKNOWN: [&str; 3] = [
    "how many namespaces, pods and containers there are: what stands in {braces} is not known before the lists are read",
    "which lists are denied for the whole cluster and are then read namespace by namespace",
    "how often a call is repeated: one that the server, the kubelet or the network fails is made up to four times",
];

/// The documented output of `collect --dry-run -o json`.
#[derive(Debug, Serialize)]
struct DryRun {
    dry_run: bool,
    server: Option<String>,
    settings: Settings,
    calls: Vec<Call>,
    levels: Vec<Footprint>,
    unknown: Vec<&'static str>,
    rights: Rights,
}

/// A level that was asked for, and what it leaves behind.
#[derive(Debug, Serialize)]
struct Footprint {
    level: &'static str,
    leaves_behind: &'static str,
}

/// What came of asking about rights.
#[derive(Debug, Default, Serialize)]
struct Rights {
    /// Whether the cluster was asked.
    asked: bool,
    /// Requests that this took, and how to find them in the audit log.
    requests: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    /// Why nothing is known, where nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The matrix, for people.
    #[serde(skip)]
    matrix: Vec<String>,
}

/// Runs the verb.
///
/// # Errors
/// A flag of the connection or of the scope is wrong.
pub async fn run(args: Args, printer: Printer) -> anyhow::Result<ExitStatus> {
    let connection = match args.connection.resolve().await {
        Ok(connection) => Ok(connection),
        Err(error) if args.connection.names_a_cluster() => return Err(error),
        Err(error) => Err(format!("{error:#}")),
    };
    let namespace = connection.as_ref().map_or("default", |connection| connection.default_namespace());
    let settings = args.scope.settings(namespace);
    let window = args.scope.window(Timestamp::now())?;
    let mut calls = calls::calls(&settings, window.since, !args.no_azure, !args.no_preflight);
    let server = connection.as_ref().ok().map(|connection| connection.server());
    let rights = match connection {
        Err(reason) => Rights { reason: Some(reason), ..Rights::default() },
        Ok(_) if args.no_preflight => {
            Rights { reason: Some("not asked: --no-preflight".to_owned()), ..Rights::default() }
        }
        Ok(connection) => {
            let run_id = format!("dry-{}", ulid::Ulid::generate());
            let cluster = connection.open(Actions::nowhere(), &run_id, settings.levels())?;
            ask(&cluster, &run_id, &settings, !args.no_azure, &mut calls).await
        }
    };
    let is_used = |level: &Level| calls.iter().any(|call| call.level == level.name());
    let levels = Level::ALL.into_iter().filter(is_used);
    let levels = levels.map(|level| Footprint { level: level.name(), leaves_behind: level.footprint() }).collect();
    let found = DryRun { dry_run: true, server, settings, calls, levels, unknown: UNKNOWN.to_vec(), rights };
    printer.json(&found);
    show(&found, printer);
    Ok(ExitStatus::Complete)
}

/// Asks about the rights and marks the calls with the answers.
async fn ask(cluster: &Cluster, run_id: &str, settings: &Settings, asks_azure: bool, calls: &mut [Call]) -> Rights {
    let reached = tokio::time::timeout(REACH, cluster.version()).await;
    let reason = match reached {
        Err(_) => Some(format!("the cluster did not answer within {} s", REACH.as_secs())),
        Ok(Err(problem)) if problem.status.is_none() || problem.status == Some(401) => Some(problem.message),
        Ok(_) => None,
    };
    let (asked, matrix) = if reason.is_none() {
        let findings: Findings = preflight::ask(cluster, settings, asks_azure, Namespaces::Fallback).await;
        calls::mark(calls, &findings.answers);
        (true, rights_text::matrix(&findings))
    } else {
        (false, Vec::new())
    };
    let user_agent = Some(format!("run/{run_id}"));
    Rights { asked, requests: cluster.actions().count(), user_agent, reason, matrix }
}

fn show(found: &DryRun, printer: Printer) {
    printer.text("dry run: nothing is collected; these calls would be made");
    let names = Level::ALL.map(Level::name).into_iter().chain(["azure"]);
    for name in names.filter(|name| found.calls.iter().any(|call| call.level == *name)) {
        let level = found.levels.iter().find(|level| level.level == name);
        let leaves = level.map_or_else(String::new, |level| format!(" (leaves behind: {})", level.leaves_behind));
        printer.text(format!("\n{name}{leaves}"));
        for call in found.calls.iter().filter(|call| call.level == name) {
            let denied = if call.allowed == Some(false) { " [denied]" } else { "" };
            printer.text(format!("  {:<5} {}{denied}", call.method, printable(&call.path)));
            printer.text(format!("        {}; {}", printable(&call.purpose), call.times));
        }
    }
    printer.text("\nnot known:");
    found.unknown.iter().for_each(|line| printer.text(format!("  {line}")));
    printer.text("");
    found.rights.matrix.iter().for_each(|line| printer.text(line));
    if let Some(reason) = &found.rights.reason {
        printer.text(format!("rights: unknown: {}", printable(reason)));
    }
    if let Some(agent) = found.rights.user_agent.as_ref().filter(|_| found.rights.asked) {
        let count = found.rights.requests;
        printer.text(format!("{count} requests asked about rights; in the audit log their user agent ends in {agent}"));
    }
}
