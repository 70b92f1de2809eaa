//! `footprint`: what a run did to the cluster, and how to take it out of the cluster's audit log. Needs the bundle only, sealed or not.

use std::{io::BufReader, path::PathBuf};

use serde::Serialize;

use crate::{
    bundle::RunFile,
    collect::opening::ACTIONS,
    failure::{ExitStatus, Failure},
    footprint::{self, Filters, Footprint},
    ui::{Printer, size},
};

/// Show what a run did, and filters that take it out of an audit log
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The bundle's folder
    pub bundle: PathBuf,
    /// Write the Audit-ID of each request into this file, one a line; `-` prints them and nothing else
    #[arg(long, value_name = "FILE")]
    pub audit_ids: Option<PathBuf>,
}

/// The documented output of `footprint -o json`.
#[derive(Debug, Serialize)]
struct Report {
    bundle: String,
    run_id: String,
    #[serde(flatten)]
    footprint: Footprint,
    filters: Filters,
    /// The ids, unless they were written into a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    audit_ids: Option<Vec<String>>,
}

/// Runs the verb.
///
/// # Errors
/// The folder is no bundle, its record cannot be read, or the file cannot be written.
pub async fn run(args: Args, printer: Printer) -> anyhow::Result<ExitStatus> {
    let run = RunFile::read(&args.bundle)?;
    let path = args.bundle.join(ACTIONS);
    let record = fs_err::File::open(&path).map_err(|error| {
        Failure::new(
            format!("the bundle has no record of its requests: {error}"),
            "`kubectl forensys verify` tells what else is missing",
        )
    })?;
    let footprint = footprint::read(BufReader::new(record))?;
    let lines = || footprint.audit_ids.iter().map(|id| format!("{id}\n")).collect::<String>();
    let ids = match &args.audit_ids {
        Some(file) if file.as_os_str() == "-" => {
            printer.raw(lines().trim_end());
            return Ok(ExitStatus::Complete);
        }
        Some(file) => {
            fs_err::write(file, lines())?;
            file.display().to_string()
        }
        None => "audit-ids.txt".to_owned(),
    };
    let report = Report {
        bundle: args.bundle.display().to_string(),
        filters: footprint::filters(&run.run_id, &ids),
        audit_ids: args.audit_ids.is_none().then(|| footprint.audit_ids.clone()),
        run_id: run.run_id,
        footprint,
    };
    printer.json(&report);
    show(&report, args.audit_ids.is_some(), printer);
    Ok(ExitStatus::Complete)
}

fn show(report: &Report, has_ids: bool, printer: Printer) {
    let (run, found) = (&report.run_id, &report.footprint);
    let time = |time: Option<jiff::Timestamp>| time.map_or_else(|| "?".to_owned(), |time| time.to_string());
    printer.text(format!("run {run}: {} to {}", time(found.from), time(found.until)));
    for kind in &found.requests {
        let trace = if kind.leaves_trace { format!(" [{}]", kind.level) } else { String::new() };
        printer.text(format!(
            "  {:<7} {:<50} {}{trace}",
            kind.verb,
            crate::ui::printable(&kind.resource),
            sums(&kind.sum)
        ));
    }
    printer.text(format!("  {:<7} {:<50} {}", "all", "", sums(&found.total)));
    let execs = &found.execs;
    if execs.sessions > 0 {
        let (sessions, unsuccessful) = (execs.sessions, execs.unsuccessful);
        printer
            .text(format!("exec: {sessions} sessions, {unsuccessful} without success, {} printed", size(execs.bytes)));
    }
    if found.unreadable > 0 {
        printer.text(format!("{} lines of the record were torn; a request may be among them", found.unreadable));
    }
    let filters = &report.filters;
    let section = |title: &str, text: &str| printer.text(format!("\n# {title}\n{text}"));
    section("jq, by user agent, which anyone can send", &filters.jq_user_agent);
    let first = if has_ids { "" } else { "; first write the ids with --audit-ids audit-ids.txt" };
    section(&format!("jq, only what stands in the record, too{first}"), &filters.jq_audit_ids);
    section("KQL, AKSAudit", &filters.kql_aksaudit);
    section("KQL, AKSAuditAdmin (no get and no list)", &filters.kql_aksauditadmin);
    section("KQL, AzureDiagnostics", &filters.kql_azurediagnostics);
    section(
        "KQL, only what stands in the record, too; URL is where the workspace can read the ids",
        &filters.kql_audit_ids,
    );
}

fn sums(sum: &footprint::Sum) -> String {
    let mut text = format!("{:>6} sent, {}", sum.sent, size(sum.bytes));
    for (count, word) in [(sum.denied, "denied"), (sum.failed, "failed"), (sum.unanswered, "unanswered")] {
        if count > 0 {
            text.push_str(&format!(", {count} {word}"));
        }
    }
    text
}
