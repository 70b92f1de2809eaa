//! Whether a table or a rule that is there fits what is needed. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    bodies::is_of_stream,
    check::AUXILIARY_REFUSES,
    names::{Ingestion, Settings, TablePlan},
    plan::Obstacle,
};
use crate::table::Table;

/// What has to change; empty when it fits as it is. Or what stands in the way.
pub(super) type Difference = Result<Vec<String>, Obstacle>;

/// Compares a table of the workspace with its declaration and the settings. Types are compared without regard to case, as
/// Azure writes `dateTime` in several ways.
///
/// # Errors
/// A column has another type, or the plan another nature: neither can be changed. Or the table is of the retired kind that
/// takes no rules.
pub(super) fn table_difference(settings: &Settings, table: &Table, found: &Value) -> Difference {
    if text(found, "/properties/schema/tableSubType") == "classic" {
        return Err(Obstacle::new(
            "it is of the classic kind, which takes no rows from rules",
            "migrate it (`az monitor log-analytics workspace table migrate`), or name another workspace",
        ));
    }
    let mut changes: Vec<_> = columns(table, found)?.into_iter().collect();
    changes.extend(plan(settings, found)?);
    changes.extend(days(found, "retentionInDays", settings.tables.retention));
    changes.extend(days(found, "totalRetentionInDays", settings.tables.total_retention));
    Ok(changes)
}

fn columns(table: &Table, found: &Value) -> Result<Option<String>, Obstacle> {
    let types = types_of(found.pointer("/properties/schema/columns"));
    let mut missing = Vec::new();
    for column in table.columns() {
        let wanted = column.kind.workspace_name();
        match types.get(column.name) {
            None => missing.push(column.name),
            Some(kind) if kind.eq_ignore_ascii_case(wanted) => {}
            Some(kind) => {
                return Err(Obstacle::new(
                    format!("its column {} is {kind} in the workspace and {wanted} here", column.name),
                    "a column's type cannot be changed: name another workspace with --workspace-name",
                ));
            }
        }
    }
    Ok((!missing.is_empty()).then(|| format!("adds columns: {}", missing.join(", "))))
}

fn plan(settings: &Settings, found: &Value) -> Result<Option<String>, Obstacle> {
    let is = found.pointer("/properties/plan").and_then(Value::as_str).unwrap_or(TablePlan::Analytics.name());
    if is.eq_ignore_ascii_case(TablePlan::Auxiliary.name()) {
        return Err(Obstacle::new(
            format!("its plan is {is}, which cannot be changed, and {AUXILIARY_REFUSES}"),
            "delete the table if nobody needs it, or name another workspace with --workspace-name",
        ));
    }
    let Some(wanted) = settings.tables.plan else { return Ok(None) };
    if is.eq_ignore_ascii_case(wanted.name()) {
        return Ok(None);
    }
    Ok(Some(format!("changes the plan from {is} to {}", wanted.name())))
}

/// Retention that differs from what was asked for. -1 asks for the default, which Azure shows as such.
fn days(found: &Value, name: &str, wanted: Option<i32>) -> Option<String> {
    let wanted = wanted?;
    let is = found.pointer(&format!("/properties/{name}")).and_then(Value::as_i64).unwrap_or(-1);
    let default = found.pointer(&format!("/properties/{name}AsDefault")).and_then(Value::as_bool) == Some(true);
    let fits = if wanted == -1 { default || is == -1 } else { !default && is == i64::from(wanted) };
    let was = if default { format!("the default, {is}") } else { is.to_string() };
    (!fits).then(|| format!("changes {name} from {was} to {wanted}"))
}

/// Compares a rule with what would be written over it.
///
/// # Errors
/// Its stream feeds another workspace, which makes it somebody else's; or it was to have an endpoint of its own, which
/// cannot be added.
pub(super) fn rule_difference(settings: &Settings, table: &Table, wanted: &Value, found: &Value) -> Difference {
    const ENDPOINT: &str = "/properties/dataCollectionEndpointId";
    let given = settings.given.rules.contains_key(table.name);
    let stream = table.stream();
    if let Some(other) = other_workspace(settings, found, &stream) {
        return Err(Obstacle::new(
            format!("it exists and feeds {other}"),
            "use another resource group with -g, or delete the rule if nobody needs it",
        ));
    }
    if !given && settings.ingestion == Ingestion::Direct && text(found, "/kind") != "direct" {
        return Err(Obstacle::new(
            "it is not of kind Direct, and an endpoint of its own cannot be added to a rule",
            "delete it (`kubectl forensys cleanup` if it was made here), or leave --endpoint direct out",
        ));
    }
    let mut changes = Vec::new();
    if !given && settings.ingestion == Ingestion::Dce && text(found, ENDPOINT) != text(wanted, ENDPOINT) {
        changes.push("binds it to the endpoint".to_owned());
    }
    let declared = |rule: &Value| -> BTreeMap<String, String> {
        let declarations = rule.pointer("/properties/streamDeclarations").and_then(Value::as_object);
        let stream = declarations.into_iter().flatten().find(|(name, _)| name.eq_ignore_ascii_case(&stream));
        types_of(stream.and_then(|(_, stream)| stream.get("columns")))
    };
    changes.extend(streams(&declared(found), &declared(wanted), given));
    match (flow(found, &stream), flow(wanted, &stream)) {
        (None, _) => changes.push("adds its data flow".to_owned()),
        (Some(is), wanted) if Some(&is) == wanted.as_ref() => {}
        (Some(is), Some(wanted)) if is.query != wanted.query => changes.push("changes transformKql".to_owned()),
        _ => changes.push("changes its data flow".to_owned()),
    }
    Ok(changes)
}

/// How the stream's columns differ. A rule of somebody else may have more of them than we fill.
fn streams(is: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>, given: bool) -> Option<String> {
    let differing = wanted.iter().filter(|(name, kind)| is.get(*name) != Some(kind));
    let differing: Vec<_> = differing.map(|(name, _)| name.as_str()).collect();
    let gone: Vec<_> = is.keys().filter(|name| !given && !wanted.contains_key(*name)).map(String::as_str).collect();
    match (differing.is_empty(), gone.is_empty()) {
        (true, true) => None,
        (true, false) => Some(format!("no longer takes in columns: {}", gone.join(", "))),
        _ => Some(format!("changes its columns: {}", differing.join(", "))),
    }
}

/// What a data flow does: where the rows of the stream go, and through which query. All in lower case but the query.
#[derive(PartialEq)]
struct Flow {
    output: String,
    query: String,
}

fn find_flow<'a>(rule: &'a Value, stream: &str) -> Option<&'a Value> {
    let flows = rule.pointer("/properties/dataFlows").and_then(Value::as_array)?;
    flows.iter().find(|flow| is_of_stream(flow, stream))
}

fn flow(rule: &Value, stream: &str) -> Option<Flow> {
    let flow = find_flow(rule, stream)?;
    let query = flow.get("transformKql").and_then(Value::as_str).unwrap_or("source").trim().to_owned();
    let output = flow.get("outputStream").and_then(Value::as_str).unwrap_or(stream).to_ascii_lowercase();
    Some(Flow { output, query })
}

/// The workspace that the stream's flow feeds, if it is not ours; something to name if it feeds none.
fn other_workspace(settings: &Settings, rule: &Value, stream: &str) -> Option<String> {
    let names = find_flow(rule, stream)?.get("destinations").and_then(Value::as_array)?;
    let all = rule.pointer("/properties/destinations/logAnalytics").and_then(Value::as_array);
    let fed =
        all.into_iter().flatten().filter(|destination| destination.get("name").is_some_and(|it| names.contains(it)));
    let ids: Vec<_> = fed.filter_map(|destination| destination.get("workspaceResourceId")?.as_str()).collect();
    let ours = ids.iter().any(|id| id.eq_ignore_ascii_case(&settings.workspace_id()));
    (!ours).then(|| ids.first().map_or_else(|| "no workspace".to_owned(), |id| (*id).to_owned()))
}

/// Names and types of columns, the types in lower case.
fn types_of(columns: Option<&Value>) -> BTreeMap<String, String> {
    let field = |column: &Value, name| column.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let columns = columns.and_then(Value::as_array).into_iter().flatten();
    columns.map(|column| (field(column, "name"), field(column, "type").to_ascii_lowercase())).collect()
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase()
}
