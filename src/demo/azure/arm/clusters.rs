//! Managed clusters and diagnostic settings, read-only: they are as the settings say.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Request, shown, versions};
use crate::demo::azure::{
    answer::Answer,
    world::{World, is_within},
};

const VERSIONS: &[&str] =
    &["2024-02-01", "2024-09-01", "2025-01-01", "2025-05-01", "2026-01-01", "2026-03-01", "2026-04-01", "2026-05-01"];

pub(super) fn list(world: &World, request: &Request<'_>, scope: &str) -> Result<Answer, Answer> {
    versions(request, VERSIONS)?;
    Ok(Answer::list(shown(world, scope, "microsoft.containerservice/managedclusters")))
}

/// A cluster, or the list of its agent pools.
pub(super) fn get(world: &World, request: &Request<'_>) -> Result<Answer, Answer> {
    versions(request, VERSIONS)?;
    let key = request.key.trim_end_matches("/agentpools");
    let record = world.resources.get(key).ok_or_else(|| Answer::resource_not_found(&request.id))?;
    if key == request.key {
        return Ok(Answer::ok(record.body.clone()));
    }
    let pools = record.property("agentPoolProfiles").as_array().cloned().unwrap_or_default();
    Ok(Answer::list(pools.into_iter().map(|mut pool| {
        // The name is a property of a profile, and not of a pool's properties.
        let name = pool.as_object_mut().and_then(|members| members.remove("name")).unwrap_or_default();
        let id = format!("{}/{}", request.id, name.as_str().unwrap_or_default());
        json!({"id": id, "name": name, "properties": pool})
    })))
}

/// The diagnostic settings of any resource.
pub(super) fn diagnostic_settings(world: &World, request: &Request<'_>) -> Result<Answer, Answer> {
    let resource = request.key.trim_end_matches("/providers/microsoft.insights/diagnosticsettings");
    if !world.resources.contains_key(resource) {
        let message = format!("The resource '{resource}' was not found.");
        return Err(Answer::error(StatusCode::NOT_FOUND, "ResourceNotFound", message));
    }
    let found = world.resources.iter().filter(|(key, _)| is_within(key, &request.key));
    Ok(Answer::list(found.map(|(_, record)| -> Value { record.body.clone() })))
}
