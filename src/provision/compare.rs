//! Whether a table or a rule that is there fits what is needed. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{failure::Failure, table::Table};

/// The columns that the table has and we do not know, and why it has to change. None when it fits as it is.
pub(super) type TableDifference = Option<(Vec<Value>, String)>;

/// Compares a table of the workspace with its declaration. Types are compared without regard to case, as Azure writes
/// `dateTime` in several ways.
///
/// # Errors
/// A column has another type, which cannot be changed, or the table is of the retired kind that takes no rules.
pub(super) fn table_difference(table: &Table, found: &Value) -> Result<TableDifference, Failure> {
    let subtype = found.pointer("/properties/schema/tableSubType").and_then(Value::as_str).unwrap_or_default();
    if subtype.eq_ignore_ascii_case("Classic") {
        return Err(Failure::new(
            format!("the table {} of the workspace is of the classic kind, which takes no rows from rules", table.name),
            "migrate it (`az monitor log-analytics workspace table migrate`), or name another workspace",
        ));
    }
    let columns = found.pointer("/properties/schema/columns").and_then(Value::as_array).cloned().unwrap_or_default();
    let types = types_of(&columns);
    let mut missing = Vec::new();
    for column in table.columns() {
        match types.get(column.name) {
            None => missing.push(column.name),
            Some(kind) if *kind == column.kind.workspace_name().to_ascii_lowercase() => {}
            Some(kind) => {
                return Err(Failure::new(
                    format!(
                        "column {} of table {} is {kind} in the workspace and {} here",
                        column.name,
                        table.name,
                        column.kind.workspace_name()
                    ),
                    "a column's type cannot be changed: name another workspace with --workspace-name",
                ));
            }
        }
    }
    if missing.is_empty() {
        return Ok(None);
    }
    let known = |column: &Value| table.columns().any(|ours| column.get("name") == Some(&ours.name.into()));
    let others = columns.iter().filter(|column| !known(column)).map(bare).collect();
    Ok(Some((others, format!("adds columns: {}", missing.join(", ")))))
}

/// A column without what is refused when it is sent back empty.
fn bare(column: &Value) -> Value {
    let fields = ["name", "type"].map(|field| (field.to_owned(), column.get(field).cloned().unwrap_or_default()));
    Value::Object(fields.into_iter().collect())
}

/// Why a rule that is there has to change; None when it fits.
///
/// # Errors
/// It feeds another workspace: it is somebody else's.
pub(super) fn rule_difference(wanted: &Value, found: &Value, id: &str) -> Result<Option<String>, Failure> {
    const WORKSPACE: &str = "/properties/destinations/logAnalytics/0/workspaceResourceId";
    const ENDPOINT: &str = "/properties/dataCollectionEndpointId";
    if text(found, WORKSPACE) != text(wanted, WORKSPACE) {
        let other = found.pointer(WORKSPACE).and_then(Value::as_str).unwrap_or("no workspace");
        return Err(Failure::new(
            format!("{id} exists and feeds {other}"),
            "use another resource group with -g, or delete the rule if nobody needs it",
        ));
    }
    if text(found, ENDPOINT) != text(wanted, ENDPOINT) {
        return Ok(Some("binds it to the endpoint".to_owned()));
    }
    let streams = |rule: &Value| -> BTreeMap<String, BTreeMap<String, String>> {
        let declarations = rule.pointer("/properties/streamDeclarations").and_then(Value::as_object);
        let columns = |stream: &Value| stream.get("columns").and_then(Value::as_array).cloned().unwrap_or_default();
        declarations.into_iter().flatten().map(|(name, stream)| (name.clone(), types_of(&columns(stream)))).collect()
    };
    if streams(found) != streams(wanted) {
        return Ok(Some("changes its columns".to_owned()));
    }
    let flow = |rule: &Value| {
        ["streams/0", "outputStream", "transformKql"]
            .map(|field| text(rule, &format!("/properties/dataFlows/0/{field}")))
    };
    Ok((flow(found) != flow(wanted)).then(|| "changes its data flow".to_owned()))
}

/// Names and types of columns, the types in lower case.
fn types_of(columns: &[Value]) -> BTreeMap<String, String> {
    let field = |column: &Value, name| column.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    columns.iter().map(|column| (field(column, "name"), field(column, "type").to_ascii_lowercase())).collect()
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase()
}
