//! What a custom table may look like (<https://learn.microsoft.com/azure/azure-monitor/logs/create-custom-table>, and the
//! service limits of Log Analytics).

use http::StatusCode;
use serde_json::Value;

use crate::demo::azure::answer::Answer;

const MAX_COLUMNS: usize = 500;
const KINDS: [&str; 8] = ["string", "int", "long", "real", "boolean", "datetime", "guid", "dynamic"];
const RESERVED: [&str; 14] = [
    "id",
    "BilledSize",
    "IsBillable",
    "InvalidTimeGenerated",
    "TenantId",
    "Title",
    "Type",
    "UniqueId",
    "_ItemId",
    "_ResourceGroup",
    "_ResourceId",
    "_SubscriptionId",
    "_TimeReceived",
    "_BilledSize",
];

/// Checks the name and the body of a PUT. `before` is the columns that the table has already.
pub(super) fn check(name: &str, body: &Value, before: &[Value]) -> Result<(), Answer> {
    let legal = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if !legal || !(4..=63).contains(&name.len()) || !name.ends_with("_CL") {
        return Err(invalid(format!(
            "Table name '{name}' is not valid: 4 to 63 letters, digits, '_' or '-', ending in _CL."
        )));
    }
    let properties = &body["properties"];
    plan(properties)?;
    let schema = &properties["schema"];
    if !schema["standardColumns"].is_null() {
        return Err(invalid("schema.standardColumns is read-only.".to_owned()));
    }
    if schema["name"].as_str().is_some_and(|other| other != name) {
        return Err(invalid(format!("The schema's name has to be that of the table, '{name}'.")));
    }
    if schema["description"].as_str().is_some_and(|text| text.chars().count() > 256) {
        return Err(Answer::bad_request("InvalidProperty", "'Description' length should be 256 characters or less"));
    }
    let Some(columns) = schema["columns"].as_array() else {
        return Err(invalid("schema.columns is missing.".to_owned()));
    };
    if columns.len() > MAX_COLUMNS {
        return Err(invalid(format!("The table has {} columns; {MAX_COLUMNS} are allowed.", columns.len())));
    }
    for (number, wanted) in columns.iter().enumerate() {
        column(wanted)?;
        if columns.iter().take(number).any(|other| other["name"] == wanted["name"]) {
            return Err(invalid(format!("Column {} is declared twice.", wanted["name"])));
        }
        unchanged(wanted, before)?;
    }
    Ok(())
}

/// The mandatory column, whose absence only the operation tells: the code and the message that it fails with.
pub(super) fn fatal(body: &Value) -> Option<(String, String)> {
    let empty = Vec::new();
    let columns = body["properties"]["schema"]["columns"].as_array().unwrap_or(&empty);
    let time = columns.iter().find(|column| column["name"] == "TimeGenerated");
    let right =
        time.and_then(|column| column["type"].as_str()).is_some_and(|kind| kind.eq_ignore_ascii_case("datetime"));
    let problem = match time {
        Some(_) if right => return None,
        Some(_) => "MSG 1006: Column 'TimeGenerated' has to be of type datetime",
        None => "MSG 1005: Table missing mandatory 'TimeGenerated' column",
    };
    let message = format!("Table validation failed with following 1 errors: {problem}");
    Some(("SchemaUpdateFatalError".to_owned(), message))
}

fn plan(properties: &Value) -> Result<(), Answer> {
    match properties["plan"].as_str() {
        None | Some("Analytics") => {}
        Some("Basic" | "Auxiliary") if properties["retentionInDays"].is_null() => {}
        Some("Basic" | "Auxiliary") => {
            return Err(invalid("retentionInDays cannot be set for this plan.".to_owned()));
        }
        Some(other) => return Err(invalid(format!("Table plan '{other}' is not known."))),
    }
    if let Some(days) = properties["retentionInDays"].as_i64().filter(|days| !matches!(days, -1 | 4..=730)) {
        return Err(invalid(format!("retentionInDays {days} is not in 4..730.")));
    }
    match properties["totalRetentionInDays"].as_i64() {
        None | Some(-1 | 4..=730 | 1095 | 1460 | 1826 | 2191 | 2556 | 2922 | 3288 | 3653 | 4018 | 4383) => Ok(()),
        Some(days) => Err(invalid(format!("totalRetentionInDays {days} is none of those that can be had."))),
    }
}

/// 2 to 45 letters, digits and underscores, beginning with a letter, and not one of the service's own.
fn column(column: &Value) -> Result<(), Answer> {
    let name = column["name"].as_str().unwrap_or_default();
    let legal = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic());
    if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
        return Err(invalid(format!("Column name '{name}' is reserved.")));
    }
    if !legal || !begins || !(2..=45).contains(&name.len()) {
        return Err(invalid(format!(
            "Column name '{name}' is not valid: 2 to 45 letters, digits or '_', beginning with a letter."
        )));
    }
    let kind = column["type"].as_str().unwrap_or_default();
    if !KINDS.contains(&kind.to_lowercase().as_str()) {
        return Err(invalid(format!("Column '{name}' is of the unknown type '{kind}'.")));
    }
    let empty = |member: &str| column[member].as_str() == Some("");
    if empty("description") || empty("displayName") || !column["dataTypeHint"].is_null() {
        return Err(invalid(format!(
            "Column '{name}' has an empty description, an empty display name or a type hint."
        )));
    }
    Ok(())
}

fn unchanged(column: &Value, before: &[Value]) -> Result<(), Answer> {
    let kind = |column: &Value| column["type"].as_str().unwrap_or_default().to_lowercase();
    match before.iter().find(|other| other["name"] == column["name"]) {
        Some(other) if kind(other) != kind(column) => Err(invalid(format!(
            "The type of column {} cannot be changed from {} to {}.",
            column["name"],
            kind(other),
            kind(column)
        ))),
        _ => Ok(()),
    }
}

fn invalid(message: String) -> Answer {
    Answer::error(StatusCode::BAD_REQUEST, "InvalidParameter", message)
}
