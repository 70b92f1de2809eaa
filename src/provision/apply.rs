//! Carries out a plan. Each step is recorded before and after; running the same command again goes on where it stopped.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::Context as _;
use futures::{StreamExt as _, stream};
use serde_json::Value;

use super::{
    deployment::Destination,
    existing::Existing,
    plan::{Action, Kind, Plan, Step},
    record::Record,
};
use crate::{
    azure::{Arm, AzureError},
    failure::Failure,
};

/// How many tables are provisioned at once. Creating one takes Azure up to half a minute.
const AT_ONCE: usize = 4;

/// Carries out the plan. `done` is told of every step when it is finished.
///
/// # Errors
/// The first step that failed, naming the resource, in the service's words. What was under way beside it is finished first.
pub(super) async fn apply(
    arm: &Arm,
    plan: &Plan,
    existing: &Existing,
    record: &Record,
    done: &(dyn Fn(&Step) + Sync),
) -> anyhow::Result<()> {
    record.begin(plan)?;
    let worker = Worker { arm, existing, record, done };
    let mut endpoint = None;
    for step in plan.steps.iter().filter(|step| step.table.is_none()) {
        let resource = worker.finish(step).await?;
        if step.kind == Kind::Endpoint {
            endpoint = Some(text(&resource, "/properties/logsIngestion/endpoint", &step.id)?);
        }
    }
    let endpoint = endpoint.context("the plan has no data collection endpoint")?;
    let mut lanes: BTreeMap<&str, Vec<&Step>> = BTreeMap::new();
    for step in &plan.steps {
        if let Some(table) = step.table {
            lanes.entry(table.name).or_default().push(step);
        }
    }
    let failed = AtomicBool::new(false);
    let results = stream::iter(lanes.into_values()).map(|lane| worker.lane(lane, &endpoint, &failed));
    let results: Vec<_> = results.buffer_unordered(AT_ONCE).collect().await;
    results.into_iter().collect()
}

struct Worker<'a> {
    arm: &'a Arm,
    existing: &'a Existing,
    record: &'a Record,
    done: &'a (dyn Fn(&Step) + Sync),
}

impl Worker<'_> {
    /// Table, rule and role of one table, one after the other. A lane that has not begun when another failed stays undone.
    async fn lane(&self, steps: Vec<&Step>, endpoint: &str, failed: &AtomicBool) -> anyhow::Result<()> {
        for step in steps {
            if failed.load(Ordering::Relaxed) {
                return Ok(());
            }
            let result = self.in_lane(step, endpoint).await;
            if result.is_err() {
                failed.store(true, Ordering::Relaxed);
                return result;
            }
        }
        Ok(())
    }

    async fn in_lane(&self, step: &Step, endpoint: &str) -> anyhow::Result<()> {
        let resource = self.finish(step).await?;
        if let (Kind::Rule, Some(table)) = (step.kind, step.table) {
            let immutable_id = text(&resource, "/properties/immutableId", &step.id)?;
            let destination = Destination { endpoint: endpoint.to_owned(), immutable_id, stream: table.stream() };
            self.record.destination(table.name, destination)?;
        }
        Ok(())
    }

    /// Brings one resource into being, and returns it.
    async fn finish(&self, step: &Step) -> anyhow::Result<Value> {
        let resource = match (&step.action, self.existing.get(&step.id)) {
            (Action::Keep, Some(resource)) => resource.clone(),
            _ => self.put(step).await?,
        };
        (self.done)(step);
        Ok(resource)
    }

    async fn put(&self, step: &Step) -> anyhow::Result<Value> {
        self.record.intend(step)?;
        let what = format!("{} {}", step.kind.name(), step.name());
        let put = async || self.arm.put(&step.id, step.version, &step.body).await;
        let result = self.arm.while_transient(&what, |error| passes_by_itself(step.kind, error), put).await;
        match result {
            Ok(resource) => {
                self.record.confirm(step)?;
                Ok(resource)
            }
            // The same grant under another name serves as well; it is not ours to remove.
            Err(error) if step.kind == Kind::Role && error.has_code("RoleAssignmentExists") => {
                self.record.found(step)?;
                Ok(Value::Null)
            }
            Err(error) => {
                let fix = error.fix();
                Err(Failure::new(format!("{what} could not be provisioned: {error}"), fix).into())
            }
        }
    }
}

/// Errors that pass while Azure catches up with what it has just made: a workspace that is not active yet, a table that
/// rules cannot see yet, a principal that has not been replicated.
fn passes_by_itself(kind: Kind, error: &AzureError) -> bool {
    match kind {
        Kind::Table => matches!(error.status(), Some(404 | 409)),
        Kind::Rule => error.has_code("InvalidOutputTable") || error.status() == Some(404),
        Kind::Role => error.has_code("PrincipalNotFound") || error.status() == Some(404),
        Kind::ResourceGroup | Kind::Workspace | Kind::Endpoint => false,
    }
}

fn text(resource: &Value, pointer: &str, id: &str) -> anyhow::Result<String> {
    let text = resource.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    text.with_context(|| format!("{id} has no {}", pointer.trim_start_matches("/").replace('/', ".")))
}
