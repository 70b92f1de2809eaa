//! Log Analytics workspaces: made and deleted by long-running operations, soft-deleted, and recovered by being made again.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Request, location, method_not_allowed, operations, private_link, resource};
use crate::demo::azure::{
    answer::Answer,
    world::{Effect, Record, World, is_within, set_property},
};

const KIND: &str = "Microsoft.OperationalInsights/workspaces";

pub(super) fn answer(world: &mut World, request: &Request<'_>) -> Result<Answer, Answer> {
    match request.call.method {
        Method::GET => {
            let record = world.resources.get(&request.key).map(|record| record.body.clone());
            world.touch(&request.key);
            record.map(Answer::ok).ok_or_else(|| Answer::resource_not_found(&request.id))
        }
        Method::PUT => put(world, request),
        Method::PATCH => patch(world, request),
        Method::DELETE => {
            private_link::require_unlinked(world, &request.key)?;
            Ok(delete(world, request))
        }
        _ => Err(method_not_allowed(request)),
    }
}

/// The workspaces within a scope that can be recovered.
pub(super) fn deleted(world: &World, scope: &str) -> Answer {
    let bodies = world.deleted.iter().filter(|(key, _)| is_within(key, scope));
    Answer::list(bodies.filter_map(|(key, taken)| taken.get(key)).map(|record| record.body.clone()))
}

fn put(world: &mut World, request: &Request<'_>) -> Result<Answer, Answer> {
    let sent = request.call.object()?;
    let place = location(&sent)?.to_owned();
    check_name(request.call.name())?;
    if let Some(record) = world.resources.get(&request.key) {
        require_idle(record)?;
        let mut body = new_body(request, &sent, record.property("customerId").clone());
        set_property(&mut body, "provisioningState", json!("Succeeded"));
        world.resources.insert(request.key.clone(), Record::new(body.clone()));
        return Ok(Answer::ok(body));
    }
    let mut customer = json!(Uuid::new_v4().to_string());
    if let Some(taken) = world.deleted.remove(&request.key) {
        // Recovery is a PUT to the same id in the same location; tables and data come back.
        let held = taken.get(&request.key);
        if held.is_some_and(|record| record.body["location"].as_str() != Some(&place)) {
            world.deleted.insert(request.key.clone(), taken);
            let message = "The workspace is soft-deleted in another location; recover it there.";
            return Err(Answer::error(StatusCode::CONFLICT, "Conflict", message));
        }
        customer = held.map_or(customer, |record| record.property("customerId").clone());
        world.resources.extend(taken);
    }
    let body = new_body(request, &sent, customer);
    let record = Record { lag: world.lags.workspace_inactive, ..Record::new(body.clone()) };
    world.resources.insert(request.key.clone(), record);
    let operation = world.start(world.lags.workspace_polls, Effect::Settle(request.key.clone()), None);
    Ok(operations::announce(Answer::json(StatusCode::CREATED, body), request, &place, &operation))
}

fn new_body(request: &Request<'_>, sent: &Value, customer: Value) -> Value {
    // The service is known to answer with ids in another case than they were sent in.
    let id = request.id.replace("/resourceGroups/", "/resourcegroups/").replace("/Microsoft.", "/microsoft.");
    let mut body = resource(&id, KIND, request.call.name(), sent);
    let properties = &sent["properties"];
    let or = |name: &str, default: Value| if properties[name].is_null() { default } else { properties[name].clone() };
    for (name, value) in [
        ("customerId", customer),
        ("provisioningState", json!("ProvisioningAccount")),
        ("sku", or("sku", json!({"name": "PerGB2018"}))),
        ("retentionInDays", or("retentionInDays", json!(30))),
        ("publicNetworkAccessForIngestion", or("publicNetworkAccessForIngestion", json!("Enabled"))),
        ("publicNetworkAccessForQuery", or("publicNetworkAccessForQuery", json!("Enabled"))),
        ("createdDate", json!(jiff::Timestamp::now().to_string())),
    ] {
        set_property(&mut body, name, value);
    }
    body
}

fn patch(world: &mut World, request: &Request<'_>) -> Result<Answer, Answer> {
    let sent = request.call.object()?;
    let record = world.resources.get_mut(&request.key).ok_or_else(|| Answer::resource_not_found(&request.id))?;
    require_idle(record)?;
    if let (Some(tags), Some(members)) = (sent.get("tags"), record.body.as_object_mut()) {
        members.insert("tags".to_owned(), tags.clone());
    }
    for (name, value) in sent["properties"].as_object().into_iter().flatten() {
        set_property(&mut record.body, name, value.clone());
    }
    Ok(Answer::ok(record.body.clone()))
}

fn delete(world: &mut World, request: &Request<'_>) -> Answer {
    let forced = request.call.query("force").is_some_and(|force| force.eq_ignore_ascii_case("true"));
    let Some(record) = world.resources.get_mut(&request.key) else {
        return Answer::empty(StatusCode::NO_CONTENT);
    };
    set_property(&mut record.body, "provisioningState", json!("Deleting"));
    let place = record.body["location"].as_str().unwrap_or("global").to_owned();
    let key = request.key.clone();
    let effect = if forced { Effect::Remove(key) } else { Effect::SoftDelete(key) };
    let operation = world.start(world.lags.workspace_polls, effect, None);
    operations::announce(Answer::empty(StatusCode::ACCEPTED), request, &place, &operation)
}

fn require_idle(record: &Record) -> Result<(), Answer> {
    if record.operation.is_none() {
        return Ok(());
    }
    let message = "Another operation on the workspace is in progress.";
    Err(Answer::error(StatusCode::CONFLICT, "Conflict", message))
}

/// 4 to 63 letters, digits and hyphens, no hyphen at either end.
fn check_name(name: &str) -> Result<(), Answer> {
    let legal = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if legal && (4..=63).contains(&name.len()) && !name.starts_with('-') && !name.ends_with('-') {
        return Ok(());
    }
    let message = format!(
        "The workspace name '{name}' is not valid: 4 to 63 letters, digits and hyphens, beginning and ending with a letter or digit."
    );
    Err(Answer::bad_request("InvalidParameter", message))
}
