//! Subscriptions and resource groups (Microsoft.Resources).

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Request, location, method_not_allowed, resource, shown, versions};
use crate::demo::azure::{
    answer::Answer,
    world::{Effect, Record, World, set_property},
};

const KIND: &str = "Microsoft.Resources/resourceGroups";

pub(super) fn subscription(request: &Request<'_>) -> Value {
    let id = request.subscription;
    json!({"id": format!("/subscriptions/{id}"), "subscriptionId": id, "displayName": "Demo", "state": "Enabled"})
}

pub(super) fn list(world: &World, request: &Request<'_>) -> Answer {
    Answer::list(shown(world, &format!("/subscriptions/{}", request.subscription), &KIND.to_lowercase()))
}

pub(super) fn not_found(scope: &str) -> Answer {
    let name = scope.rsplit('/').next().unwrap_or_default();
    let message = format!("Resource group '{name}' could not be found.");
    Answer::error(StatusCode::NOT_FOUND, "ResourceGroupNotFound", message)
}

/// The resources of a group, without those below other resources.
pub(super) fn resources(world: &World, request: &Request<'_>) -> Result<Answer, Answer> {
    let group = request.key.trim_end_matches("/resources");
    if !world.resources.contains_key(group) {
        return Err(not_found(group));
    }
    let depth = group.matches('/').count() + 4;
    let inside = world
        .resources
        .iter()
        .filter(|(key, _)| key.matches('/').count() == depth && key.starts_with(&format!("{group}/")));
    Ok(Answer::list(inside.map(|(_, record)| {
        json!({"id": record.body["id"], "name": record.body["name"], "type": record.body["type"], "location": record.body["location"]})
    })))
}

pub(super) fn answer(world: &mut World, request: &Request<'_>) -> Result<Answer, Answer> {
    versions(
        request,
        &["2020-06-01", "2021-04-01", "2022-09-01", "2023-07-01", "2024-03-01", "2024-11-01", "2025-04-01"],
    )?;
    let held = world.resources.get(&request.key);
    match request.call.method {
        Method::HEAD if held.is_some() => Ok(Answer::empty(StatusCode::NO_CONTENT)),
        Method::HEAD => Ok(Answer::empty(StatusCode::NOT_FOUND)),
        Method::GET => held.map(|record| Answer::ok(record.body.clone())).ok_or_else(|| not_found(&request.key)),
        Method::PUT => put(world, request),
        Method::DELETE => delete(world, request),
        _ => Err(method_not_allowed(request)),
    }
}

fn put(world: &mut World, request: &Request<'_>) -> Result<Answer, Answer> {
    let sent = request.call.object()?;
    let place = location(&sent)?.to_owned();
    let name = request.call.name();
    let legal = |c: char| c.is_alphanumeric() || "_-.()".contains(c);
    if name.chars().count() > 90 || name.ends_with('.') || !name.chars().all(legal) {
        return Err(Answer::bad_request(
            "InvalidResourceGroup",
            format!("The provided resource group name '{name}' is not valid."),
        ));
    }
    let before = world.resources.get(&request.key);
    if let Some(other) = before.and_then(|record| record.body["location"].as_str()).filter(|other| **other != *place) {
        let message = format!(
            "Invalid resource group location '{place}'. The Resource group already exists in location '{other}'."
        );
        return Err(Answer::error(StatusCode::CONFLICT, "InvalidResourceGroupLocation", message));
    }
    let status = if before.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    let mut body = resource(&request.id, KIND, name, &sent);
    set_property(&mut body, "provisioningState", json!("Succeeded"));
    world.resources.insert(request.key.clone(), Record::new(body.clone()));
    Ok(Answer::json(status, body))
}

fn delete(world: &mut World, request: &Request<'_>) -> Result<Answer, Answer> {
    if !world.resources.contains_key(&request.key) {
        return Err(not_found(&request.key));
    }
    let operation = world.start(1, Effect::Remove(request.key.clone()), None);
    let url = format!(
        "{}/subscriptions/{}/operationresults/{operation}?api-version={}",
        request.base, request.subscription, request.version
    );
    let answer = Answer::empty(StatusCode::ACCEPTED).header("location", url);
    Ok(answer.header("retry-after", request.settings.retry_after.to_string()))
}
