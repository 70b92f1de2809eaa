//! What to create, change and leave alone: a pure function of the settings, the tables and what is there.
//!
//! The order is that of creation: resource group, workspace, endpoint, then for each table the table, its rule and the role
//! on the rule. A workspace, an endpoint and a resource group that are there are never changed; a table only gains columns.

use serde_json::Value;

use super::{
    bodies,
    compare::{rule_difference, table_difference},
    existing::Existing,
    names::{Settings, normal_location},
};
use crate::{failure::Failure, table::Table};

/// Everything to be done, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The region of every resource.
    pub location: String,
    /// The steps.
    pub steps: Vec<Step>,
}

/// One resource, and what is to become of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What it is.
    pub kind: Kind,
    /// The table that it serves; None for what serves all.
    pub table: Option<&'static Table>,
    /// Full resource id.
    pub id: String,
    /// Version of the API that it is written with.
    pub version: &'static str,
    /// What is to be done.
    pub action: Action,
    /// Body of the PUT; unused when the resource is kept.
    pub body: Value,
}

/// Kinds of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Resource group.
    ResourceGroup,
    /// Log Analytics workspace.
    Workspace,
    /// Data collection endpoint.
    Endpoint,
    /// Custom table.
    Table,
    /// Data collection rule.
    Rule,
    /// Role assignment.
    Role,
}

/// What is to become of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is not there.
    Create,
    /// It is there and has to change, for this reason.
    Update(String),
    /// It is there and stays as it is.
    Keep,
}

impl Kind {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::ResourceGroup => "resource group",
            Self::Workspace => "workspace",
            Self::Endpoint => "data collection endpoint",
            Self::Table => "table",
            Self::Rule => "data collection rule",
            Self::Role => "role assignment",
        }
    }
}

impl Action {
    /// One word for reports: `create`, `update` or `keep`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update(_) => "update",
            Self::Keep => "keep",
        }
    }
}

impl Step {
    /// The last part of the id; for a role assignment what it grants, since its own name is a GUID.
    pub fn name(&self) -> String {
        match (self.kind, self.table) {
            (Kind::Role, Some(table)) => format!("Monitoring Metrics Publisher on {}-dcr", table.name),
            _ => self.id.rsplit('/').next().unwrap_or_default().to_owned(),
        }
    }

    /// The step as one line.
    pub fn line(&self) -> String {
        let why = if let Action::Update(why) = &self.action { format!(" ({why})") } else { String::new() };
        format!("{:<6}  {:<24}  {}{why}", self.action.name(), self.kind.name(), self.name())
    }
}

/// Makes the plan.
///
/// # Errors
/// A name is not valid, the resource group is not there and not to be created, no region can be told, or something that is
/// there stands in the way: it lies elsewhere, feeds another workspace, or has a column of another type.
pub fn plan(settings: &Settings, tables: &[&'static Table], existing: &Existing) -> Result<Plan, Failure> {
    settings.check()?;
    let location = location(settings, existing)?;
    let planner = Planner { settings, existing, location: &location };
    let mut steps = vec![planner.resource_group()?, planner.workspace()?, planner.endpoint()?];
    for table in tables {
        steps.push(planner.table(table)?);
        steps.push(planner.rule(table)?);
        steps.extend(planner.role(table));
    }
    Ok(Plan { location, steps })
}

fn location(settings: &Settings, existing: &Existing) -> Result<String, Failure> {
    let of = |id: String| existing.get(&id).and_then(|resource| resource.get("location")).and_then(Value::as_str);
    let workspace = of(settings.workspace_id()).map(normal_location);
    let asked = settings.location.as_deref().map(normal_location);
    if let (Some(workspace), Some(asked)) = (&workspace, &asked)
        && workspace != asked
    {
        return Err(Failure::usage(
            format!("the workspace {} is in {workspace}, not in {asked}", settings.workspace),
            "leave --location out, or name another workspace: rules and workspace must be in one region",
        ));
    }
    let group = of(settings.resource_group_id()).map(normal_location);
    workspace.or(asked).or(group).ok_or_else(|| {
        Failure::usage("the region is not given", "give it with --location, for example --location westeurope")
    })
}

struct Planner<'a> {
    settings: &'a Settings,
    existing: &'a Existing,
    location: &'a str,
}

impl Planner<'_> {
    fn step(&self, kind: Kind, id: String, version: &'static str, body: Value) -> Step {
        let action = match self.existing.get(&id) {
            None => Action::Create,
            Some(resource) => unfinished(resource).map_or(Action::Keep, Action::Update),
        };
        Step { kind, table: None, id, version, action, body }
    }

    fn resource_group(&self) -> Result<Step, Failure> {
        let body = bodies::resource_group(self.location);
        let id = self.settings.resource_group_id();
        let step = self.step(Kind::ResourceGroup, id, bodies::RESOURCE_GROUPS, body);
        if step.action == Action::Create && !self.settings.create_resource_group {
            return Err(Failure::usage(
                format!(
                    "there is no resource group {} in subscription {}",
                    self.settings.resource_group, self.settings.subscription
                ),
                "name an existing one with -g, or add --create-resource-group",
            ));
        }
        Ok(step)
    }

    fn workspace(&self) -> Result<Step, Failure> {
        let body = bodies::workspace(self.location);
        Ok(self.step(Kind::Workspace, self.settings.workspace_id(), bodies::WORKSPACES, body))
    }

    fn endpoint(&self) -> Result<Step, Failure> {
        let id = self.settings.endpoint_id();
        self.same_region(&id, "--dce-name")?;
        Ok(self.step(Kind::Endpoint, id, bodies::DATA_COLLECTION, bodies::endpoint(self.location)))
    }

    fn table(&self, table: &'static Table) -> Result<Step, Failure> {
        let id = self.settings.table_id(table.name);
        let difference = self.existing.get(&id).map(|found| table_difference(table, found)).transpose()?.flatten();
        let (others, why) = difference.map_or((Vec::new(), None), |(others, why)| (others, Some(why)));
        let mut step = self.step(Kind::Table, id, bodies::WORKSPACES, bodies::table(table, &others));
        step.table = Some(table);
        step.action = why.map_or(step.action, Action::Update);
        Ok(step)
    }

    fn rule(&self, table: &'static Table) -> Result<Step, Failure> {
        let id = self.settings.rule_id(table.name);
        self.same_region(&id, "-g")?;
        let body = bodies::rule(self.settings, table, self.location);
        let found = self.existing.get(&id);
        let why = found.map(|found| rule_difference(&body, found, &id)).transpose()?.flatten();
        let mut step = self.step(Kind::Rule, id, bodies::DATA_COLLECTION, body);
        step.table = Some(table);
        step.action = why.map_or(step.action, Action::Update);
        Ok(step)
    }

    fn role(&self, table: &'static Table) -> Option<Step> {
        let principal = self.settings.publisher.as_ref()?;
        let id = self.settings.role_id(table.name, principal);
        let mut step = self.step(Kind::Role, id, bodies::ROLE_ASSIGNMENTS, bodies::role(self.settings, principal));
        step.table = Some(table);
        Some(step)
    }

    fn same_region(&self, id: &str, flag: &str) -> Result<(), Failure> {
        let found = self.existing.get(id).and_then(|resource| resource.get("location")).and_then(Value::as_str);
        match found.map(normal_location) {
            Some(region) if region != self.location => Err(Failure::usage(
                format!("{id} is in {region}, not in {}", self.location),
                format!("choose another name with {flag}: endpoint, rules and workspace must be in one region"),
            )),
            _ => Ok(()),
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
