//! `inspect`: what a bundle holds and what it does not.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Serialize;

use crate::{
    bundle::{Bundle, GapEntry, RunFile, SealStatus, State, TableTotal},
    failure::ExitStatus,
    ui::{Printer, printable, size},
};

/// Show what a bundle holds, and what is missing
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The bundle's folder
    pub bundle: PathBuf,
}

/// The documented output of `inspect -o json`.
#[derive(Debug, Serialize)]
struct Inspection {
    bundle: String,
    status: SealStatus,
    manifest_sha256: String,
    run: RunFile,
    tables: BTreeMap<String, TableTotal>,
    units: BTreeMap<String, BTreeMap<State, u64>>,
    gaps: Vec<GapEntry>,
}

/// Runs the verb.
pub async fn run(args: Args, printer: Printer) -> anyhow::Result<ExitStatus> {
    let bundle = Bundle::open(&args.bundle)?;
    let found = Inspection {
        bundle: args.bundle.display().to_string(),
        status: bundle.manifest.status,
        manifest_sha256: bundle.manifest_sha256,
        run: bundle.manifest.run,
        tables: bundle.manifest.tables,
        units: bundle.manifest.units,
        gaps: bundle.manifest.gaps,
    };
    printer.json(&found);
    show_run(&found.run, printer);
    for (table, total) in &found.tables {
        printer.text(format!("{table:<24} {:>10} rows in {:>5} parts, {}", total.rows, total.parts, size(total.bytes)));
    }
    for (source, states) in &found.units {
        let states: Vec<_> = states.iter().map(|(state, count)| format!("{count} {}", state.name())).collect();
        printer.text(format!("{source:<24} {}", states.join(", ")));
    }
    show_gaps(&found.gaps, printer);
    printer.text(format!("SHA-256 of manifest.json: {}", found.manifest_sha256));
    Ok(ExitStatus::Complete)
}

fn show_run(run: &RunFile, printer: Printer) {
    let line = |name: &str, value: &str| printer.text(format!("{name:<10} {}", printable(value)));
    line("run", &run.run_id);
    line("tool", &run.tool);
    line("started", &run.started.to_string());
    line("cluster", &format!("{} {}", run.server, run.cluster_uid.as_deref().unwrap_or("(identity unknown)")));
    let user = run.operator.cluster_user.as_deref().unwrap_or("unknown");
    line("by", &format!("{}@{}, in the cluster {user}", run.operator.login, run.operator.host));
    let end = |moment: Option<jiff::Timestamp>| moment.map_or_else(|| "open".to_owned(), |moment| moment.to_string());
    line("window", &format!("{} to {}", end(run.window.since), end(run.window.until)));
    line("settings", &run.settings.to_string());
    if run.demo {
        line("note", "this is a demonstration; the evidence is nobody's");
    }
}

fn show_gaps(gaps: &[GapEntry], printer: Printer) {
    for gap in gaps {
        let word = if gap.state.is_gap() { "missing" } else { "note" };
        let (object, reason) = (printable(&gap.object), printable(&gap.reason));
        printer.text(format!("{word}: {} {} {object}: {reason}", gap.source, gap.state.name()));
    }
}
