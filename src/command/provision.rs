//! `provision`: make Azure Monitor ready to take the evidence, or say what would be made.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

pub use super::provision_args::ProvisionArgs;
use super::{ExitStatus, azure_args::AzureArgs, estimate};
use crate::{
    azure::Arm,
    failure::Failure,
    provision::{
        Action, Kind, Plan, Step,
        emit::{Format, MARK, emit},
    },
    ui::Printer,
};

/// Creates a Log Analytics workspace, a data collection endpoint, and a table with its data collection rule for each kind of
/// evidence
#[derive(Clone, Debug, clap::Args)]
#[command(mut_arg("location", |argument| argument.short('l')))]
pub struct Args {
    #[command(flatten)]
    wanted: ProvisionArgs,
    #[command(flatten)]
    azure: AzureArgs,
    /// Print what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Write the plan as files for a pipeline, and do nothing else
    #[arg(long, value_name = "LANGUAGE", value_enum, conflicts_with_all = ["dry_run", "estimate"])]
    emit: Option<Format>,
    /// Where to write them
    #[arg(long, value_name = "DIR", default_value = ".", requires = "emit")]
    emit_dir: PathBuf,
    #[command(flatten)]
    estimate: estimate::EstimateArgs,
}

/// Runs the verb.
///
/// # Errors
/// Nothing could be planned, or a step is blocked and nothing was changed, or a step failed; what was made is recorded and
/// the same command goes on from there.
pub async fn run(args: Args, printer: Printer) -> anyhow::Result<ExitStatus> {
    if args.estimate.is_asked() {
        return args.estimate.run(&args.wanted.tables()?, printer);
    }
    let session = args.azure.open()?;
    let arm = Arm::new(session.clone());
    let prepared = args.wanted.prepare(&arm).await?;
    for note in &prepared.plan.notes {
        printer.note(note);
    }
    let blocked = prepared.plan.unblocked();
    if let (Some(format), Ok(())) = (args.emit, &blocked) {
        return write_files(&prepared.plan, format, &args.emit_dir, printer);
    }
    if args.dry_run || blocked.is_err() {
        tell_plan(&prepared.plan, args.dry_run, printer);
        blocked?;
        return Ok(ExitStatus::Complete);
    }
    let deployment = args.wanted.carry_out(&session, &arm, &prepared, printer).await?;
    let file = args.wanted.deployment.display();
    printer.text(format!("done ({}); recorded in {file}", counts(&prepared.plan)));
    if prepared.plan.steps.iter().any(|step| step.kind == Kind::Role && step.action == Action::Create) {
        printer.text("A role that was just assigned can take minutes until it works; upload waits for it.");
    }
    printer.json(&json!({
        "deployment": args.wanted.deployment,
        "location": prepared.plan.location,
        "steps": prepared.plan.steps.iter().map(report).collect::<Vec<_>>(),
        "tables": deployment.tables,
    }));
    Ok(ExitStatus::Complete)
}

/// Writes the plan as files. A file of somebody else is not written over.
fn write_files(plan: &Plan, format: Format, dir: &Path, printer: Printer) -> anyhow::Result<ExitStatus> {
    let files: Vec<_> = emit(plan, format).into_iter().map(|file| (dir.join(file.name), file.text)).collect();
    for (path, _) in &files {
        if path.exists() && !fs_err::read_to_string(path).is_ok_and(|text| text.contains(MARK)) {
            let message = format!("{} is there and was not written by this command", path.display());
            return Err(Failure::new(message, "choose another folder with --emit-dir").into());
        }
    }
    fs_err::create_dir_all(dir)?;
    for (path, text) in &files {
        fs_err::write(path, text)?;
        printer.text(format!("wrote {}", path.display()));
    }
    printer.text(
        "Deploy them in this order; then run provision again: it finds everything and writes the deployment file.",
    );
    printer.json(&json!({"emitted": files.iter().map(|(path, _)| path).collect::<Vec<_>>()}));
    Ok(ExitStatus::Complete)
}

fn tell_plan(plan: &Plan, dry_run: bool, printer: Printer) {
    for step in &plan.steps {
        printer.text(step.line());
    }
    printer.text(format!("plan for {}: {}; nothing was changed", plan.location, counts(plan)));
    let with_body = |step: &Step| {
        let mut report = report(step);
        if let (Some(object), true) = (report.as_object_mut(), step.action != Action::Unchanged) {
            object.insert("body".to_owned(), step.body.clone());
        }
        report
    };
    let steps: Vec<_> = plan.steps.iter().map(with_body).collect();
    printer.json(&json!({"dry_run": dry_run, "location": plan.location, "steps": steps}));
}

/// One step as JSON: action, kind, name, id and, where there is one, the reason; for a blocked step also the fix.
fn report(step: &Step) -> Value {
    let mut report =
        json!({"action": step.action.name(), "kind": step.kind.name(), "name": step.name(), "id": step.id});
    let Some(object) = report.as_object_mut() else { return report };
    if let Some(why) = step.action.reason() {
        object.insert("reason".to_owned(), json!(why));
    }
    if let Action::Blocked(obstacle) = &step.action {
        object.insert("fix".to_owned(), json!(obstacle.fix));
    }
    report
}

/// How many steps there are of each action; of recoveries and obstacles only when there are any.
fn counts(plan: &Plan) -> String {
    let count = |name: &str| plan.steps.iter().filter(|step| step.action.name() == name).count();
    let always = ["create", "update", "unchanged"].map(|name| format!("{name} {}", count(name)));
    let sometimes = ["recover", "blocked"].into_iter().filter(|name| count(name) > 0);
    always.into_iter().chain(sometimes.map(|name| format!("{name} {}", count(name)))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn the_flags_of_the_original_and_the_short_ones_are_taken() {
        let line = ["x", "-g", "rg", "-l", "westeurope", "--workspace_name", "w", "--dce_name", "d"];
        let wanted = Line::try_parse_from(line).unwrap().args.wanted;
        assert_eq!((wanted.workspace_name.as_str(), wanted.dce_name.as_str()), ("w", "d"));
        assert_eq!(wanted.location.as_deref(), Some("westeurope"));
    }

    #[test]
    fn a_table_that_there_is_not_is_refused_with_those_that_there_are() {
        let line = Line::try_parse_from(["x", "--tables", "KUBELOGS_cl,nonsense"]).unwrap();
        let failure = line.args.wanted.tables().unwrap_err();
        assert!(failure.message.contains("nonsense") && failure.fix.unwrap().contains("kubelogs_CL"));
    }
}
