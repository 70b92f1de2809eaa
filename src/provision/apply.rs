//! Carries out a plan. A step begins when those that it waits for are done, several at once. Each is recorded before and
//! after; running the same command again goes on where it stopped.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use futures::{StreamExt as _, stream::FuturesUnordered};
use serde_json::Value;

use super::{
    Prepared,
    deployment::Destination,
    existing::look_at,
    kind::Kind,
    plan::{Action, Planner, Step},
    record::Record,
};
use crate::{
    azure::{Arm, AzureError},
    failure::Failure,
    table::Table,
};

/// How many steps are under way at once. Creating a table takes Azure up to half a minute.
const AT_ONCE: usize = 6;
/// How long Azure is given to see what it has just made. Minutes have been observed.
const WINDOW: Duration = Duration::from_secs(15 * 60);

/// Carries out the plan. `done` is told of every step when it is finished.
///
/// # Errors
/// The first step that failed, naming the resource, in the service's words. What was under way beside it is finished first.
pub(super) async fn apply(
    arm: &Arm,
    prepared: &Prepared,
    record: &Record,
    done: &(dyn Fn(&Step) + Sync),
) -> anyhow::Result<()> {
    record.begin(&prepared.plan)?;
    let worker = &Worker { arm, prepared, record, done, made: Mutex::default() };
    let mut queue = Queue::new(&prepared.plan.steps);
    let mut under_way = FuturesUnordered::new();
    let mut failure = None;
    loop {
        while failure.is_none() && under_way.len() < AT_ONCE {
            let Some((at, step)) = queue.next() else { break };
            under_way.push(async move { (at, worker.step(step).await) });
        }
        match under_way.next().await {
            None => break,
            Some((at, Ok(()))) => queue.done(at),
            Some((_, Err(error))) => failure = failure.or(Some(error)),
        }
    }
    match failure {
        Some(error) => Err(error),
        None => queue.is_empty().then_some(()).context("steps of the plan wait for each other"),
    }
}

/// The steps that have not begun, each with those that it still waits for, by their numbers.
struct Queue<'a> {
    steps: &'a [Step],
    waiting: Vec<(usize, Vec<usize>)>,
}

impl<'a> Queue<'a> {
    fn new(steps: &'a [Step]) -> Self {
        let first_of = |id: &String| steps.iter().position(|step| step.id == *id);
        let needs = |step: &Step| step.after.iter().filter_map(first_of).collect();
        Self { steps, waiting: steps.iter().enumerate().map(|(at, step)| (at, needs(step))).collect() }
    }

    /// The first step that waits for nothing.
    fn next(&mut self) -> Option<(usize, &'a Step)> {
        let at = self.waiting.iter().position(|(_, needs)| needs.is_empty())?;
        let (number, _) = self.waiting.remove(at);
        Some((number, self.steps.get(number)?))
    }

    fn done(&mut self, number: usize) {
        self.waiting.iter_mut().for_each(|(_, needs)| needs.retain(|need| *need != number));
    }

    fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

struct Worker<'a> {
    arm: &'a Arm,
    prepared: &'a Prepared,
    record: &'a Record,
    done: &'a (dyn Fn(&Step) + Sync),
    /// Resources as they are after their steps, by id in lower case.
    made: Mutex<BTreeMap<String, Value>>,
}

impl Worker<'_> {
    async fn step(&self, planned: &Step) -> anyhow::Result<()> {
        let step = match planned.table {
            Some(table) if planned.kind == Kind::Table && self.workspace_was_recovered() => {
                self.table_that_came_back(table, planned).await?
            }
            _ => planned.clone(),
        };
        let resource = match (&step.action, self.prepared.existing.get(&step.id)) {
            (Action::Unchanged, Some(resource)) => resource.clone(),
            (Action::Unchanged, None) => Value::Null,
            _ => self.write(&step).await?,
        };
        if let (Kind::Rule, Some(table)) = (step.kind, step.table) {
            self.record.destination(table.name, self.destination(table, &step.id, &resource)?)?;
        }
        if let (Kind::Workspace, Some(id)) =
            (step.kind, resource.pointer("/properties/customerId").and_then(Value::as_str))
        {
            self.record.workspace(id)?;
        }
        self.made.lock().unwrap_or_else(PoisonError::into_inner).insert(step.id.to_ascii_lowercase(), resource);
        (self.done)(&step);
        Ok(())
    }

    fn workspace_was_recovered(&self) -> bool {
        self.workspace_is(|action| matches!(action, Action::Recover(_)))
    }

    fn workspace_is_fresh(&self) -> bool {
        self.workspace_is(|action| matches!(action, Action::Create | Action::Recover(_)))
    }

    fn workspace_is(&self, wanted: fn(&Action) -> bool) -> bool {
        self.prepared.plan.steps.iter().any(|step| step.kind == Kind::Workspace && wanted(&step.action))
    }

    /// A recovered workspace brings its tables along; what they hold is only now to be seen.
    async fn table_that_came_back(&self, table: &'static Table, planned: &Step) -> anyhow::Result<Step> {
        let Some(found) = look_at(self.arm, &planned.id).await.map_err(Failure::from)? else {
            return Ok(planned.clone());
        };
        let Prepared { settings, existing, recorded, plan, .. } = self.prepared;
        let (mut existing, mut settings) = (existing.clone(), settings.clone());
        existing.insert(&planned.id, found);
        // We brought it back, so it is ours to change.
        settings.adopt = true;
        let step =
            Planner { settings: &settings, existing: &existing, recorded, location: &plan.location }.table(table);
        match &step.action {
            Action::Blocked(obstacle) => {
                let what = format!("table {} came back with the workspace: {}", step.name(), obstacle.why);
                Err(Failure::new(what, obstacle.fix.clone()).into())
            }
            _ => Ok(step),
        }
    }

    async fn write(&self, step: &Step) -> anyhow::Result<Value> {
        self.record.intend(step)?;
        let what = format!("{} {}", step.kind.name(), step.name());
        let write = async || match step.partial {
            true => self.arm.patch(&step.id, step.version, &step.body).await,
            false => self.arm.put(&step.id, step.version, &step.body).await,
        };
        let arm = self.arm.with_patience(WINDOW);
        let fresh = self.workspace_is_fresh();
        match arm.while_transient(&what, |error| passes_by_itself(step.kind, fresh, error), write).await {
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

    /// Where rows go that the rule is to take: through its own endpoint, if it is bound to no other.
    fn destination(&self, table: &Table, id: &str, rule: &Value) -> anyhow::Result<Destination> {
        const OWN: &str = "/properties/endpoints/logsIngestion";
        let bound = rule.pointer("/properties/dataCollectionEndpointId").and_then(Value::as_str);
        let endpoint = match bound {
            None => text(rule, OWN, id).with_context(|| {
                format!("{id} has no endpoint: it is neither bound to a data collection endpoint nor of kind Direct")
            })?,
            Some(bound) => {
                let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
                let endpoint = made.get(&bound.to_ascii_lowercase()).or_else(|| self.prepared.existing.get(bound));
                let endpoint = endpoint.with_context(|| format!("{id} is bound to {bound}, which is not there"))?;
                text(endpoint, "/properties/logsIngestion/endpoint", bound)?
            }
        };
        let immutable_id = text(rule, "/properties/immutableId", id)?;
        let stream = table.stream();
        Ok(Destination { endpoint, immutable_id, columns: declared(rule, &stream), stream })
    }
}

/// The columns that a rule declares for a stream.
fn declared(rule: &Value, stream: &str) -> Vec<String> {
    let stream = rule.pointer("/properties/streamDeclarations").and_then(|streams| streams.get(stream));
    let columns = stream.and_then(|stream| stream.get("columns")).and_then(Value::as_array);
    let name = |column: &Value| column.get("name").and_then(Value::as_str).map(str::to_owned);
    columns.into_iter().flatten().filter_map(name).collect()
}

/// Errors that pass while Azure catches up with what it has just made: a workspace that is not active yet, a table that is
/// being changed or that rules cannot see yet, a principal that has not been replicated. Directly after a workspace was made
/// (`fresh`), rules have been seen refused without a detail, and taken unchanged a moment later.
fn passes_by_itself(kind: Kind, fresh: bool, error: &AzureError) -> bool {
    let not_there_yet = || error.status() == Some(404) && error.has_code("ResourceNotFound");
    match kind {
        Kind::Table => error.is_workspace_inactive() || not_there_yet() || error.status() == Some(409),
        Kind::Rule => {
            error.has_code("InvalidOutputTable") || not_there_yet() || fresh && error.is_only("InvalidPayload")
        }
        Kind::Role => error.has_code("PrincipalNotFound") || not_there_yet(),
        Kind::ScopedResource => not_there_yet() || error.status() == Some(409),
        _ => false,
    }
}

fn text(resource: &Value, pointer: &str, id: &str) -> anyhow::Result<String> {
    let text = resource.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    text.with_context(|| format!("{id} has no {}", pointer.trim_start_matches("/").replace('/', ".")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::{ErrorBody, ServiceError};

    fn error(status: u16, code: &str, message: &str) -> AzureError {
        let body = ErrorBody { code: code.to_owned(), message: message.to_owned(), ..ErrorBody::default() };
        AzureError::Service(Box::new(ServiceError { status, body, ..ServiceError::default() }))
    }

    #[test]
    fn only_what_passes_by_itself_is_repeated() {
        let passes = |kind, error: &AzureError| passes_by_itself(kind, false, error);
        assert!(passes(Kind::Table, &error(404, "Whatever", "Workspace not active, WorkspaceId=1")));
        assert!(passes(Kind::Table, &error(409, "Conflict", "being updated")));
        assert!(!passes(Kind::Table, &error(404, "ResourceGroupNotFound", "")));
        assert!(!passes(Kind::Rule, &error(400, "InvalidTransformOutput", "")));
        assert!(!passes(Kind::Role, &error(403, "AuthorizationFailed", "")));
        let vague = error(400, "InvalidPayload", "Data collection rule is invalid");
        assert!(passes_by_itself(Kind::Rule, true, &vague) && !passes(Kind::Rule, &vague));
    }
}
