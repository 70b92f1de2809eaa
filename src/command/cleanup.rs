//! `cleanup`: remove from Azure what `provision` made.

use std::{
    io::{IsTerminal as _, stdin},
    path::PathBuf,
};

use serde_json::json;

use super::{ExitStatus, azure_args::AzureArgs};
use crate::{
    azure::{Arm, Cloud},
    failure::Failure,
    provision::{
        cleanup::{Manner, Removal, removals, remove, stays},
        deployment::{Deployment, Resource},
    },
    ui::Printer,
};

/// Removes exactly what the deployment file records as created by provision, in reverse order
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// File that records what was made
    #[arg(long, value_name = "FILE", default_value = "deployment.json")]
    deployment: PathBuf,
    /// Print what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Remove the workspace for good; otherwise Azure keeps it recoverable for 14 days
    #[arg(long)]
    purge: bool,
    /// Leave the tables, with the shortest retention (4 days; 30 for the plan basic), and the workspace
    #[arg(long, conflicts_with = "purge")]
    keep_tables: bool,
    #[command(flatten)]
    azure: AzureArgs,
}

/// Runs the verb.
///
/// # Errors
/// The file cannot be used, or nobody agreed to the removal.
pub async fn run(args: Args, printer: Printer) -> anyhow::Result<ExitStatus> {
    let deployment = Deployment::read(&args.deployment)?;
    same_cloud(&args, &deployment)?;
    let manner = Manner { purge: args.purge, keep_tables: args.keep_tables };
    let ours: Vec<String> = removals(&deployment).iter().map(|resource| resource.id.clone()).collect();
    let lines: Vec<String> = removals(&deployment).into_iter().map(|resource| line(resource, manner)).collect();
    if args.dry_run || ours.is_empty() {
        lines.iter().for_each(|line| printer.text(line));
        let (stay, remove): (Vec<_>, Vec<_>) = ours.iter().partition(|id| stays(id, manner).is_some());
        printer.text(format!("{} to remove; nothing was changed", remove.len()));
        printer.json(&json!({"dry_run": args.dry_run, "remove": remove, "stay": stay}));
        return Ok(ExitStatus::Complete);
    }
    agree(&args, &lines, printer)?;
    let arm = Arm::new(args.azure.open_for(deployment.cloud.as_deref())?);
    let done = |resource: &Resource, removal: &Removal| match removal {
        Removal::Removed => printer.note(format!("removed {}", resource.id)),
        Removal::Stays(why) => printer.note(format!("left {}: {why}", resource.id)),
        Removal::Kept(why) => printer.note(format!("kept {}: {why}", resource.id)),
    };
    let report = remove(&arm, &args.deployment, deployment, manner, &done).await?;
    Ok(tell(&report, printer))
}

/// What is to become of a resource.
fn line(resource: &Resource, manner: Manner) -> String {
    let id = &resource.id;
    match stays(id, manner) {
        Some(why) => format!("stay    {id} ({why})"),
        None if manner.purge && resource.recovered => {
            format!("remove  {id} (for good, with the rows that it held before provision brought it back)")
        }
        None => format!("remove  {id}"),
    }
}

fn tell(report: &[(Resource, Removal)], printer: Printer) -> ExitStatus {
    let removed: Vec<_> = report.iter().filter(|(_, end)| *end == Removal::Removed).map(|(it, _)| &it.id).collect();
    let with_reason = |wanted: fn(&Removal) -> Option<&String>| -> Vec<_> {
        let ends = report.iter().filter_map(|(resource, end)| Some((resource, wanted(end)?)));
        ends.map(|(resource, why)| json!({"id": resource.id, "reason": why})).collect()
    };
    let kept = with_reason(|end| if let Removal::Kept(why) = end { Some(why) } else { None });
    let stay = with_reason(|end| if let Removal::Stays(why) = end { Some(why) } else { None });
    let left = if stay.is_empty() { String::new() } else { format!(", {} left as asked", stay.len()) };
    printer.text(format!("{} removed, {} kept{left}", removed.len(), kept.len()));
    printer.json(&json!({"removed": removed, "kept": kept, "stay": stay}));
    if kept.is_empty() { ExitStatus::Complete } else { ExitStatus::Gaps }
}

/// In another cloud nothing of the deployment would be found, and everything taken for gone.
fn same_cloud(args: &Args, deployment: &Deployment) -> anyhow::Result<()> {
    let (Some(named), Some(recorded)) = (&args.azure.cloud, &deployment.cloud) else { return Ok(()) };
    if Cloud::open(named)?.name == *recorded || Cloud::open(recorded).is_ok_and(|other| other.name == *named) {
        return Ok(());
    }
    let message = format!("{} was provisioned in cloud {recorded}, not in {named}", args.deployment.display());
    Err(Failure::usage(message, "leave --cloud out").into())
}

fn agree(args: &Args, lines: &[String], printer: Printer) -> anyhow::Result<()> {
    if args.yes {
        return Ok(());
    }
    let declined = |message: &str| Failure::usage(message, "add --yes, or look first with --dry-run");
    if !(stdin().is_terminal() && printer.is_terminal()) {
        return Err(declined("removing resources without a terminal to ask on needs consent").into());
    }
    for line in lines {
        printer.note(format!("  {line}"));
    }
    printer.note("Do this to these resources and the rows in them? [y/N]");
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    if ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()) {
        return Ok(());
    }
    Err(declined("nothing was removed").into())
}
