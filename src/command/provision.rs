//! `provision`: make Azure Monitor ready to take the evidence, or say what would be made.

use std::{path::PathBuf, sync::atomic::AtomicUsize};

use serde_json::{Value, json};

use super::{ExitStatus, azure_args::AzureArgs};
use crate::{
    azure::{Arm, AzureSession},
    evidence::registry,
    failure::Failure,
    provision::{self, Action, Plan, Prepared, Principal, Settings, Step, deployment::Deployment},
    table::Table,
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
}

/// Flags that say what to provision.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Azure Monitor")]
pub struct ProvisionArgs {
    /// Subscription id; not needed when there is only one
    #[arg(long, value_name = "ID", env = "AZURE_SUBSCRIPTION_ID")]
    pub subscription: Option<String>,
    /// Resource group
    #[arg(short = 'g', long, value_name = "NAME", env = "AZURE_RESOURCE_GROUP")]
    pub resource_group: Option<String>,
    /// Create the resource group when there is none
    #[arg(long)]
    pub create_resource_group: bool,
    /// Log Analytics workspace
    #[arg(long, alias = "workspace_name", value_name = "NAME", default_value = "forensys")]
    pub workspace_name: String,
    /// Data collection endpoint
    #[arg(long, alias = "dce_name", value_name = "NAME", default_value = "forensys-dce")]
    pub dce_name: String,
    /// Region [default: that of the workspace or resource group]
    #[arg(long, value_name = "REGION")]
    pub location: Option<String>,
    /// File that records what was made, and where upload finds the way
    #[arg(long, value_name = "FILE", default_value = "deployment.json")]
    pub deployment: PathBuf,
    /// Only these tables (commas, or repeated)
    #[arg(long, value_name = "TABLE", value_delimiter = ',')]
    pub tables: Vec<String>,
    /// Object id of who shall upload [default: whoever is signed in]
    #[arg(long, value_name = "ID", conflicts_with = "skip_role_assignment")]
    pub principal_id: Option<String>,
    /// Kind of that principal: User, Group or ServicePrincipal
    #[arg(long, value_name = "KIND", requires = "principal_id")]
    pub principal_type: Option<String>,
    /// Assign no role: somebody else gives whoever uploads Monitoring Metrics Publisher on the rules
    #[arg(long)]
    pub skip_role_assignment: bool,
}

impl ProvisionArgs {
    /// The tables that were named, or all.
    ///
    /// # Errors
    /// A table that there is not.
    pub fn tables(&self) -> Result<Vec<&'static Table>, Failure> {
        let all = registry::tables();
        if self.tables.is_empty() {
            return Ok(all);
        }
        let find = |name: &String| {
            all.iter().copied().find(|table| table.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
                let names: Vec<_> = all.iter().map(|table| table.name).collect();
                Failure::usage(format!("there is no table {name}"), format!("tables: {}", names.join(", ")))
            })
        };
        self.tables.iter().map(find).collect()
    }

    /// The settings, asking Azure for what was not given.
    ///
    /// # Errors
    /// Something needed is neither given nor known to Azure.
    pub async fn settings(&self, arm: &Arm) -> Result<Settings, Failure> {
        let resource_group = self.resource_group.clone().ok_or_else(|| {
            Failure::usage("the resource group is not given", "name it with -g, for example -g ir-rg")
        })?;
        let subscription = match &self.subscription {
            Some(subscription) => subscription.clone(),
            None => provision::only_subscription(arm).await?,
        };
        let publisher = match &self.principal_id {
            _ if self.skip_role_assignment => None,
            Some(id) => Some(Principal { id: id.clone(), kind: self.principal_type.clone() }),
            None => Some(provision::caller(arm).await?),
        };
        Ok(Settings {
            subscription,
            resource_group,
            create_resource_group: self.create_resource_group,
            workspace: self.workspace_name.clone(),
            endpoint: self.dce_name.clone(),
            location: self.location.clone(),
            publisher,
        })
    }

    /// Looks at what is there and makes the plan. Changes nothing.
    ///
    /// # Errors
    /// As [`provision::prepare`].
    pub async fn prepare(&self, arm: &Arm) -> anyhow::Result<Prepared> {
        let tables = self.tables()?;
        Ok(provision::prepare(arm, self.settings(arm).await?, &tables).await?)
    }

    /// Carries the plan out, telling the printer of every step, and returns what was recorded.
    ///
    /// # Errors
    /// As [`provision::carry_out`].
    pub async fn carry_out(
        &self,
        session: &AzureSession,
        arm: &Arm,
        prepared: &Prepared,
        printer: Printer,
    ) -> anyhow::Result<Deployment> {
        let (finished, all) = (AtomicUsize::new(0), prepared.plan.steps.len());
        let done = |step: &Step| {
            let number = finished.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
            printer.note(format!("{number}/{all} {}", past(step)));
        };
        provision::carry_out(arm, prepared, &session.cloud.name, &self.deployment, &done).await
    }
}

/// Runs the verb.
///
/// # Errors
/// Nothing could be planned, or a step failed; what was made is recorded and the same command goes on from there.
pub async fn run(args: Args, printer: Printer) -> anyhow::Result<ExitStatus> {
    let session = args.azure.open()?;
    let arm = Arm::new(session.clone());
    let prepared = args.wanted.prepare(&arm).await?;
    if args.dry_run {
        tell_plan(&prepared.plan, printer);
        return Ok(ExitStatus::Complete);
    }
    let deployment = args.wanted.carry_out(&session, &arm, &prepared, printer).await?;
    let file = args.wanted.deployment.display();
    printer.text(format!("done ({}); recorded in {file}", counts(&prepared.plan)));
    printer.text("A role that was just assigned can take minutes until it works; upload waits for it.");
    printer.json(&json!({
        "deployment": args.wanted.deployment,
        "location": prepared.plan.location,
        "steps": prepared.plan.steps.iter().map(report).collect::<Vec<_>>(),
        "tables": deployment.tables,
    }));
    Ok(ExitStatus::Complete)
}

fn tell_plan(plan: &Plan, printer: Printer) {
    for step in &plan.steps {
        printer.text(step.line());
    }
    printer.text(format!("plan for {}: {}; nothing was changed", plan.location, counts(plan)));
    let with_body = |step: &Step| {
        let mut report = report(step);
        if let (Some(object), true) = (report.as_object_mut(), step.action != Action::Keep) {
            object.insert("body".to_owned(), step.body.clone());
        }
        report
    };
    let steps: Vec<_> = plan.steps.iter().map(with_body).collect();
    printer.json(&json!({"dry_run": true, "location": plan.location, "steps": steps}));
}

/// One step as JSON: action, kind, name, id and, for an update, the reason.
fn report(step: &Step) -> Value {
    let mut report =
        json!({"action": step.action.name(), "kind": step.kind.name(), "name": step.name(), "id": step.id});
    if let (Action::Update(why), Some(object)) = (&step.action, report.as_object_mut()) {
        object.insert("reason".to_owned(), json!(why));
    }
    report
}

fn past(step: &Step) -> String {
    let action = match step.action {
        Action::Create => "created",
        Action::Update(_) => "updated",
        Action::Keep => "found",
    };
    format!("{action} {} {}", step.kind.name(), step.name())
}

fn counts(plan: &Plan) -> String {
    let count = |name| plan.steps.iter().filter(|step| step.action.name() == name).count();
    format!("create {}, update {}, keep {}", count("create"), count("update"), count("keep"))
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
