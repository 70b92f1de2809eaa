//! What to create, change and leave alone: a pure function of the settings, the tables, what is there, and what was made here.
//!
//! The steps stand in an order in which they can be done; `after` says which of them really wait for each other. What is
//! there and fits is used as it is. What was not made here is never changed unless that was allowed. A table only gains
//! columns. A step that cannot be done is blocked, and then nothing is done; the others are planned all the same, so that
//! everything that stands in the way is seen at once.

mod private_link;
mod step;

use serde_json::Value;

pub use self::step::{Action, Obstacle, Plan, Step};
use super::{
    bodies,
    compare::{Difference, rule_difference, table_difference},
    deployment::Deployment,
    existing::Existing,
    kind::Kind,
    names::{Settings, is_within, normal_location},
};
use crate::{failure::Failure, table::Table};

/// Makes the plan. `recorded` tells what was made here.
///
/// # Errors
/// A setting is not valid, or no region can be told. Whatever else stands in the way is a blocked step.
pub fn plan(
    settings: &Settings,
    tables: &[&'static Table],
    existing: &Existing,
    recorded: &Deployment,
) -> Result<Plan, Failure> {
    settings.check()?;
    let location = location(settings, existing)?;
    let planner = Planner { settings, existing, recorded, location: &location };
    let mut steps = vec![planner.workspace()];
    if settings.private_link.is_some() || settings.needs_endpoint(tables.iter().map(|table| table.name)) {
        steps.push(planner.endpoint());
    }
    for table in tables {
        steps.push(planner.table(table));
        steps.push(planner.rule(table));
        steps.extend(planner.role(table));
    }
    if let Some(link) = &settings.private_link {
        steps.extend(planner.private_link(link));
    }
    // When every resource is given, none lies in the group.
    let group = settings.resource_group_id();
    if steps.iter().any(|step| is_within(&step.id, &group)) {
        steps.insert(0, planner.resource_group());
    }
    let ids: Vec<_> = steps.iter().map(|step| step.id.clone()).collect();
    for step in &mut steps {
        step.after.retain(|id| ids.contains(id));
    }
    Ok(Plan { location, steps, notes: existing.notes.clone() })
}

/// The region of everything: that of the workspace, for rules must be where it is.
fn location(settings: &Settings, existing: &Existing) -> Result<String, Failure> {
    let of = |resource: Option<&Value>| Some(normal_location(resource?.get("location")?.as_str()?));
    let workspace = of(existing.get(&settings.workspace_id()).or_else(|| existing.deleted_workspace()));
    let asked = settings.location.as_deref().map(normal_location);
    let group = of(existing.get(&settings.resource_group_id()));
    let given = of(settings.given.endpoint.as_ref().and_then(|id| existing.get(id)));
    asked.or(workspace).or(given).or(group).ok_or_else(|| {
        Failure::usage("the region is not given", "give it with --location, for example --location westeurope")
    })
}

pub(super) struct Planner<'a> {
    pub(super) settings: &'a Settings,
    pub(super) existing: &'a Existing,
    pub(super) recorded: &'a Deployment,
    pub(super) location: &'a str,
}

impl Planner<'_> {
    fn step(&self, kind: Kind, id: String, body: Value) -> Step {
        let found = self.existing.get(&id);
        let action = match found {
            None => Action::Create,
            Some(resource) => unfinished(resource).map_or(Action::Unchanged, Action::Update),
        };
        let version = kind.version();
        let ours = found.is_none() || self.recorded.owns(&id);
        let after = vec![self.settings.resource_group_id()];
        let step = Step { kind, table: None, id, version, action, body, partial: false, ours, after };
        self.allowed(step)
    }

    /// Blocks a change of what was not made here.
    fn allowed(&self, mut step: Step) -> Step {
        if let (Action::Update(why), false, false) = (&step.action, step.ours, self.settings.adopt) {
            let message = format!("it was not made here, and would have to change: {why}");
            step.action = Action::Blocked(Obstacle::new(message, "allow that with --adopt, or choose another name"));
        }
        step
    }

    /// The step of something that was given, which has to be there.
    fn given(&self, step: Step, is_given: bool, flag: &str) -> Step {
        if !is_given || step.action != Action::Create {
            return step;
        }
        let why = "it was given by its id, and there is no such resource";
        step.blocked(why, format!("check the id after {flag}, and that the identity may read it"))
    }

    fn resource_group(&self) -> Step {
        let id = self.settings.resource_group_id();
        let mut step = self.step(Kind::ResourceGroup, id, bodies::resource_group(self.location));
        step.after.clear();
        if step.action == Action::Create && !self.settings.create_resource_group {
            let fix = "name an existing one with -g, or add --create-resource-group";
            let why = format!("there is no such resource group in subscription {}", self.settings.subscription);
            step = step.blocked(why, fix);
        }
        step
    }

    fn workspace(&self) -> Step {
        let id = self.settings.workspace_id();
        let body = bodies::workspace(self.settings, self.location, self.existing.get(&id));
        let mut step = self.step(Kind::Workspace, id, body);
        let deleted = self.existing.deleted_workspace();
        if let (Action::Create, Some(_)) = (&step.action, deleted) {
            step.action = Action::Recover(
                "a workspace of this name was deleted less than 14 days ago; it comes back with its tables and rows"
                    .to_owned(),
            );
        }
        let fix = "leave --location out, or name another workspace: rules and workspace must be in one region";
        let step = self.same_region(step, deleted, fix);
        self.given(step, self.settings.given.workspace.is_some(), "--workspace-id")
    }

    fn endpoint(&self) -> Step {
        let id = self.settings.endpoint_id();
        let body = bodies::endpoint(self.settings, self.location, self.existing.get(&id));
        let step = self.step(Kind::Endpoint, id, body);
        let fix = "choose another name with --dce-name: endpoint, rules and workspace must be in one region";
        let step = self.same_region(step, None, fix);
        self.given(step, self.settings.given.endpoint.is_some(), "--dce-id")
    }

    /// The step of a table. A workspace that was recovered may bring it along: then its step is made anew.
    pub(super) fn table(&self, table: &'static Table) -> Step {
        let id = self.settings.table_id(table.name);
        let found = self.existing.get(&id);
        let difference = found.map(|found| table_difference(self.settings, table, found));
        let step = self.step(Kind::Table, id, bodies::table(self.settings, table, found));
        let step = self.changed(Step { table: Some(table), ..step }, difference);
        Step { after: vec![self.settings.resource_group_id(), self.settings.workspace_id()], ..step }
    }

    fn rule(&self, table: &'static Table) -> Step {
        let id = self.settings.rule_id(table.name);
        let found = self.existing.get(&id);
        let body = bodies::rule(self.settings, table, self.location, found);
        let difference = found.map(|found| rule_difference(self.settings, table, &body, found));
        let step = self.step(Kind::Rule, id, body);
        let step = self.changed(Step { table: Some(table), ..step }, difference);
        let step =
            self.same_region(step, None, "use another resource group with -g: rules must be where the workspace is");
        let mut step = self.given(step, self.settings.given.rules.contains_key(table.name), "--dcr");
        step.after.extend([
            self.settings.workspace_id(),
            self.settings.endpoint_id(),
            self.settings.table_id(table.name),
        ]);
        step
    }

    fn role(&self, table: &'static Table) -> Option<Step> {
        let principal = self.settings.publisher.as_ref()?;
        let id = self.settings.role_id(table.name, principal);
        let step = self.step(Kind::Role, id, bodies::role(self.settings, principal));
        Some(Step { table: Some(table), after: vec![self.settings.rule_id(table.name)], ..step })
    }

    /// Adds what differs to a step whose resource is there.
    fn changed(&self, mut step: Step, difference: Option<Difference>) -> Step {
        match difference {
            None => return step,
            Some(Err(obstacle)) => {
                step.action = Action::Blocked(obstacle);
                return step;
            }
            Some(Ok(changes)) if changes.is_empty() => return step,
            Some(Ok(changes)) => step.action = Action::Update(changes.join("; ")),
        }
        self.allowed(step)
    }

    /// Blocks what is, or was, in another region.
    fn same_region(&self, step: Step, deleted: Option<&Value>, fix: &str) -> Step {
        let found = self.existing.get(&step.id).or(deleted).and_then(|resource| resource.get("location"));
        match found.and_then(Value::as_str).map(normal_location) {
            Some(region) if region != self.location => {
                step.blocked(format!("it is in {region}, not in {}", self.location), fix)
            }
            _ => step,
        }
    }
}

/// Why a resource that is there has to be written again: an earlier attempt failed.
fn unfinished(resource: &Value) -> Option<String> {
    let state = resource.pointer("/properties/provisioningState").and_then(Value::as_str)?;
    ["Failed", "Canceled"].iter().any(|bad| state.eq_ignore_ascii_case(bad)).then(|| format!("its state is {state}"))
}

#[cfg(test)]
mod tests;
