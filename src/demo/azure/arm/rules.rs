//! Data collection rules.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Request, location, method_not_allowed, resource, rule_checks};
use crate::demo::azure::{
    answer::Answer,
    world::{Record, World, set_property},
};

const KIND: &str = "Microsoft.Insights/dataCollectionRules";
/// The first version that shows the endpoints of a rule of kind Direct.
const ENDPOINTS_SINCE: &str = "2023-03-11";

pub(super) fn answer(world: &mut World, request: &Request<'_>) -> Result<Answer, Answer> {
    let held = world.resources.get(&request.key);
    match request.call.method {
        Method::GET => {
            held.map(|record| Answer::ok(shown(record, request))).ok_or_else(|| Answer::resource_not_found(&request.id))
        }
        Method::PUT => put(world, request),
        Method::DELETE if held.is_some() => {
            world.take(&request.key);
            Ok(Answer::empty(StatusCode::OK))
        }
        Method::DELETE => Ok(Answer::empty(StatusCode::NO_CONTENT)),
        _ => Err(method_not_allowed(request)),
    }
}

/// The body as the asked version of the API shows it.
fn shown(record: &Record, request: &Request<'_>) -> Value {
    let mut body = record.body.clone();
    if request.version < ENDPOINTS_SINCE
        && let Some(properties) = body.get_mut("properties").and_then(Value::as_object_mut)
    {
        properties.remove("endpoints");
    }
    body
}

fn put(world: &mut World, request: &Request<'_>) -> Result<Answer, Answer> {
    let sent = request.call.object()?;
    let place = location(&sent)?.to_owned();
    rule_checks::check(world, &sent)?;
    let before = world.resources.get(&request.key);
    let status = if before.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    let mut body = resource(&request.id, KIND, request.call.name(), &sent);
    let (immutable_id, endpoints) = match before {
        Some(record) => (record.property("immutableId").clone(), record.property("endpoints").clone()),
        None => identity(request, &sent, &place),
    };
    set_property(&mut body, "immutableId", immutable_id);
    if !endpoints.is_null() {
        set_property(&mut body, "endpoints", endpoints);
    }
    set_property(&mut body, "provisioningState", json!("Succeeded"));
    fill_workspace_ids(world, &mut body);
    if let Some(members) = body.as_object_mut() {
        members.insert("etag".to_owned(), json!(Uuid::new_v4().to_string()));
    }
    let lag = if before.is_some() { 0 } else { world.lags.rule_unknown };
    let record = Record { lag, ..Record::new(body) };
    let answer = Answer::json(status, shown(&record, request));
    world.resources.insert(request.key.clone(), record);
    world.delay_streams(&request.key);
    Ok(answer)
}

/// The immutable id of a new rule, and its own endpoint if it is of kind Direct.
fn identity(request: &Request<'_>, sent: &Value, place: &str) -> (Value, Value) {
    let random = Uuid::new_v4().simple().to_string();
    let suffix: String = random.chars().take(4).collect();
    let name = request.call.name().to_lowercase();
    let endpoints = match sent["kind"].as_str() {
        Some("Direct") => json!({"logsIngestion": format!("{}/ingest/{name}-{suffix}-{place}.logs", request.base)}),
        _ => Value::Null,
    };
    (json!(format!("dcr-{random}")), endpoints)
}

fn fill_workspace_ids(world: &World, body: &mut Value) {
    let destinations = body.pointer_mut("/properties/destinations/logAnalytics").and_then(Value::as_array_mut);
    for destination in destinations.into_iter().flatten().filter_map(Value::as_object_mut) {
        let id = destination.get("workspaceResourceId").and_then(Value::as_str).unwrap_or_default().to_lowercase();
        if let Some(workspace) = world.resources.get(&id) {
            destination.insert("workspaceId".to_owned(), workspace.property("customerId").clone());
        }
    }
}
