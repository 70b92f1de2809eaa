//! What a data collection rule may look like. The reasons stand in the error's `details`; the table is looked for before the
//! transformation is judged (<https://learn.microsoft.com/azure/azure-monitor/essentials/data-collection-rule-structure>).

use serde_json::{Value, json};

use crate::demo::azure::{answer::Answer, world::World};

/// Documented limit of both data flows and streams.
const MAX_FLOWS: usize = 10;
const MAX_TRANSFORM_CHARACTERS: usize = 15_360;
const KINDS: [&str; 7] = ["string", "int", "long", "real", "boolean", "dynamic", "datetime"];

/// Checks the body of a PUT.
pub(super) fn check(world: &mut World, body: &Value) -> Result<(), Answer> {
    let properties = &body["properties"];
    let mut problems: Vec<Value> = endpoint(world, body).into_iter().collect();
    problems.extend(streams(properties));
    let empty = Vec::new();
    let flows = properties["dataFlows"].as_array().unwrap_or(&empty);
    if flows.is_empty() {
        problems.push(problem("InvalidDataFlow", "'DataFlows' must not be empty.", "Properties.DataFlows"));
    }
    if flows.len() > MAX_FLOWS {
        let text = format!("'DataFlows' must not have more than {MAX_FLOWS} items.");
        problems.push(problem("InvalidDataFlow", &text, "Properties.DataFlows"));
    }
    for (number, flow) in flows.iter().enumerate() {
        problems.extend(self::flow(world, body, flow, &format!("properties.dataFlows[{number}]")));
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(Answer::bad_request("InvalidPayload", "Data collection rule is invalid").with_details(problems))
}

fn problem(code: &str, message: &str, target: &str) -> Value {
    json!({"code": code, "message": message, "target": target})
}

/// The endpoint has to be there and in the rule's region. That is documented; the codes are not.
fn endpoint(world: &World, body: &Value) -> Option<Value> {
    let id = body["properties"]["dataCollectionEndpointId"].as_str()?;
    let target = "Properties.DataCollectionEndpointId";
    let Some(record) = world.resources.get(&id.to_lowercase()) else {
        return Some(problem("InvalidProperty", &format!("Data collection endpoint '{id}' was not found."), target));
    };
    let same = record.body["location"] == body["location"];
    (!same).then(|| problem("InvalidProperty", "The data collection endpoint is in another region.", target))
}

fn streams(properties: &Value) -> Vec<Value> {
    let target = "Properties.StreamDeclarations";
    let mut problems = Vec::new();
    let Some(declared) = properties["streamDeclarations"].as_object() else {
        return vec![problem("InvalidStream", "'StreamDeclarations' must not be empty.", target)];
    };
    if declared.len() > MAX_FLOWS {
        let text = format!("'StreamDeclarations' must not have more than {MAX_FLOWS} items.");
        problems.push(problem("InvalidStream", &text, target));
    }
    for (name, stream) in declared {
        if !name.starts_with("Custom-") {
            problems.push(problem(
                "InvalidStream",
                &format!("'Streams' stream '{name}' must be a custom stream."),
                target,
            ));
        }
        for column in stream["columns"].as_array().into_iter().flatten() {
            let kind = column["type"].as_str().unwrap_or_default();
            if !KINDS.contains(&kind) {
                let text = format!("Column {} of stream '{name}' has the unknown type '{kind}'.", column["name"]);
                problems.push(problem("InvalidStream", &text, target));
            }
        }
    }
    problems
}

/// One data flow: from a declared stream, through no transformation, to a table with the same columns.
fn flow(world: &mut World, body: &Value, flow: &Value, target: &str) -> Option<Value> {
    let properties = &body["properties"];
    let names: Vec<&str> = flow["streams"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let [stream] = names.as_slice() else {
        let text = "Data flows containing stream groups cannot have custom transformation.";
        return Some(problem("InvalidDataFlow", text, &format!("{target}.TransformKql")));
    };
    let declared = &properties["streamDeclarations"][*stream]["columns"];
    if declared.is_null() {
        let text = format!("'Streams' stream '{stream}' must be a custom stream or one of the known streams.");
        return Some(problem("InvalidStream", &text, target));
    }
    let destination = match destination(world, body, flow) {
        Ok(destination) => destination,
        Err(problem) => return Some(problem),
    };
    let output = flow["outputStream"].as_str().unwrap_or(stream);
    let table = output.strip_prefix("Custom-").unwrap_or(output);
    let key = format!("{}/tables/{table}", destination.workspace).to_lowercase();
    let visible = world.resources.get_mut(&key).filter(|record| record.operation.is_none());
    if visible.as_ref().is_some_and(|record| record.body["properties"]["schema"]["tableSubType"] == "Classic") {
        let text = "Classic (MMA-based) custom log tables are not supported.";
        return Some(problem("InvalidOutputTable", text, target));
    }
    let columns = visible.and_then(|record| {
        if record.is_late() { None } else { Some(record.body["properties"]["schema"]["columns"].clone()) }
    });
    let Some(columns) = columns else {
        let text = format!(
            "Table for output stream '{output}' is not available for destination '{}'. Please ensure that the table exists in Log Analytics Workspace before creating or updating the rule.",
            destination.name
        );
        return Some(problem("InvalidOutputTable", &text, target));
    };
    transform(flow, declared, target).or_else(|| output_types(declared, &columns, target))
}

struct Destination {
    name: String,
    workspace: String,
}

fn destination(world: &World, body: &Value, flow: &Value) -> Result<Destination, Value> {
    let name = flow["destinations"][0].as_str().unwrap_or_default();
    let all = body["properties"]["destinations"]["logAnalytics"].as_array();
    let Some(found) = all.into_iter().flatten().find(|destination| destination["name"] == name) else {
        let text = format!("'DataFlows' destination name is unknown: {name}.");
        return Err(problem("InvalidDataFlow", &text, "Properties.DataFlows"));
    };
    let workspace = found["workspaceResourceId"].as_str().unwrap_or_default().to_lowercase();
    let target = "Properties.Destinations.LogAnalytics";
    let Some(record) = world.resources.get(&workspace) else {
        return Err(problem("InvalidDestination", &format!("Workspace '{workspace}' was not found."), target));
    };
    if record.body["location"] != body["location"] {
        return Err(problem("InvalidDestination", "The workspace is in another region than the rule.", target));
    }
    Ok(Destination { name: name.to_owned(), workspace })
}

/// No transformation but the one that does nothing; its output needs the mandatory column.
fn transform(flow: &Value, declared: &Value, target: &str) -> Option<Value> {
    let query = flow["transformKql"].as_str().unwrap_or("source").trim();
    if query.chars().count() > MAX_TRANSFORM_CHARACTERS {
        return Some(problem("InvalidTransformQuery", "The transformation is too long.", target));
    }
    if query != "source" {
        let text =
            format!("Error occurred while compiling query in query: only 'source' is understood here, not '{query}'");
        return Some(problem("InvalidTransformQuery", &text, target));
    }
    let time = declared.as_array().into_iter().flatten().any(|column| column["name"] == "TimeGenerated");
    let text = "The transformation's output lacks the column TimeGenerated";
    (!time).then(|| problem("InvalidTransformQuery", text, target))
}

fn output_types(declared: &Value, columns: &Value, target: &str) -> Option<Value> {
    let kind = |column: &Value| {
        let lower = column["type"].as_str().unwrap_or_default().to_lowercase();
        let mut letters = lower.chars();
        letters.next().map_or_else(String::new, |first| format!("{}{}", first.to_ascii_uppercase(), letters.as_str()))
    };
    let mut wrong = Vec::new();
    for column in declared.as_array().into_iter().flatten() {
        let other = columns.as_array().into_iter().flatten().find(|other| other["name"] == column["name"]);
        if let Some(other) = other.filter(|other| kind(other) != kind(column)) {
            let name = column["name"].as_str().unwrap_or_default();
            wrong.push(format!("{name} [produced:'{}', output:'{}']", kind(column), kind(other)));
        }
    }
    let text = format!(
        "Types of transform output columns do not match the ones defined by the output stream: {}",
        wrong.join(", ")
    );
    (!wrong.is_empty()).then(|| problem("InvalidTransformOutput", &text, target))
}
