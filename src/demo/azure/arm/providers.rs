//! Resource providers: nothing of a namespace can be made before the subscription is registered for it.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Request, method_not_allowed};
use crate::demo::azure::{answer::Answer, world::World};

const KNOWN: [&str; 6] = [
    "Microsoft.Authorization",
    "Microsoft.ContainerService",
    "Microsoft.Insights",
    "Microsoft.Network",
    "Microsoft.OperationalInsights",
    "Microsoft.Resources",
];

/// Refuses a change in a namespace that is not registered.
pub(super) fn require(world: &World, request: &Request<'_>, namespace: &str) -> Result<(), Answer> {
    if world.providers.get(namespace) == Some(&0) {
        return Ok(());
    }
    let name = proper(namespace).unwrap_or(namespace);
    let message = format!(
        "The subscription '{}' is not registered to use namespace '{name}'. See https://aka.ms/rps-not-found for how to register subscriptions.",
        request.subscription
    );
    let detail = json!({"code": "MissingSubscriptionRegistration", "target": name, "message": message});
    Err(Answer::error(StatusCode::CONFLICT, "MissingSubscriptionRegistration", message).with_details(vec![detail]))
}

pub(super) fn list(world: &World) -> Answer {
    Answer::list(KNOWN.iter().map(|name| body(world, name)))
}

pub(super) fn get(world: &mut World, request: &Request<'_>) -> Result<Answer, Answer> {
    let name = proper(request.call.name()).ok_or_else(|| unknown(request.call.name()))?;
    let answer = body(world, name);
    if let Some(polls) = world.providers.get_mut(&name.to_lowercase()) {
        *polls = polls.saturating_sub(1);
    }
    Ok(Answer::ok(answer))
}

pub(super) fn register(world: &mut World, request: &Request<'_>) -> Result<Answer, Answer> {
    if request.call.method != Method::POST {
        return Err(method_not_allowed(request));
    }
    let sent = request.call.segments.iter().rev().nth(1).map_or("", String::as_str);
    let name = proper(sent).ok_or_else(|| unknown(sent))?;
    let polls = world.lags.registration_polls;
    world.providers.entry(name.to_lowercase()).or_insert(polls);
    Ok(Answer::ok(body(world, name)))
}

fn body(world: &World, name: &str) -> Value {
    let state = match world.providers.get(&name.to_lowercase()) {
        None => "NotRegistered",
        Some(0) => "Registered",
        Some(_) => "Registering",
    };
    json!({"id": format!("/providers/{name}"), "namespace": name, "registrationState": state, "resourceTypes": []})
}

/// A namespace as Microsoft writes it.
fn proper(namespace: &str) -> Option<&'static str> {
    KNOWN.into_iter().find(|known| known.eq_ignore_ascii_case(namespace))
}

fn unknown(namespace: &str) -> Answer {
    let message = format!("The resource namespace '{namespace}' is invalid.");
    Answer::error(StatusCode::NOT_FOUND, "InvalidResourceNamespace", message)
}
