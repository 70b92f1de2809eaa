//! Data collection endpoints. Their ingestion addresses are below `/ingest` here: names of their own would need DNS.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Request, location, method_not_allowed, private_link, resource};
use crate::demo::azure::{
    answer::Answer,
    world::{Record, World, set_property},
};

const KIND: &str = "Microsoft.Insights/dataCollectionEndpoints";

pub(super) fn answer(world: &mut World, request: &Request<'_>) -> Result<Answer, Answer> {
    let held = world.resources.get(&request.key);
    match request.call.method {
        Method::GET => {
            held.map(|record| Answer::ok(record.body.clone())).ok_or_else(|| Answer::resource_not_found(&request.id))
        }
        Method::PUT => put(world, request),
        Method::DELETE if held.is_some() => {
            private_link::require_unlinked(world, &request.key)?;
            world.take(&request.key);
            Ok(Answer::empty(StatusCode::OK))
        }
        Method::DELETE => Ok(Answer::empty(StatusCode::NO_CONTENT)),
        _ => Err(method_not_allowed(request)),
    }
}

fn put(world: &mut World, request: &Request<'_>) -> Result<Answer, Answer> {
    let sent = request.call.object()?;
    let place = location(&sent)?.to_owned();
    let before = world.resources.get(&request.key);
    let status = if before.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    let mut body = resource(&request.id, KIND, request.call.name(), &sent);
    let given = match before {
        Some(record) => ["immutableId", "logsIngestion", "configurationAccess", "metricsIngestion"]
            .map(|name| (name, record.property(name).clone())),
        None => identity(request, &place),
    };
    for (name, value) in given {
        set_property(&mut body, name, value);
    }
    set_property(&mut body, "provisioningState", json!("Succeeded"));
    if let Some(members) = body.as_object_mut() {
        members.insert("etag".to_owned(), json!(Uuid::new_v4().to_string()));
    }
    world.resources.insert(request.key.clone(), Record::new(body.clone()));
    Ok(Answer::json(status, body))
}

/// What a new endpoint is given.
fn identity(request: &Request<'_>, place: &str) -> [(&'static str, Value); 4] {
    let name = request.call.name().to_lowercase();
    let random = Uuid::new_v4().simple().to_string();
    let suffix: String = random.chars().take(4).collect();
    let host = format!("{name}-{suffix}.{place}-1");
    let at = |kind: &str| json!({"endpoint": format!("{}/ingest/{host}{kind}", request.base)});
    [
        ("immutableId", json!(format!("dce-{random}"))),
        ("logsIngestion", at("")),
        ("configurationAccess", at(".handler")),
        ("metricsIngestion", at(".metrics")),
    ]
}
