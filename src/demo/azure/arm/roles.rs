//! Role assignments (<https://learn.microsoft.com/rest/api/authorization/role-assignments>).

use http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Request, method_not_allowed};
use crate::demo::azure::{
    answer::Answer,
    world::{Record, World, is_within},
};

const KIND: &str = "Microsoft.Authorization/roleAssignments";
/// Monitoring Metrics Publisher, the built-in role that allows ingestion; owner and contributor do not.
pub(in super::super) const METRICS_PUBLISHER: &str = "3913510d-42f4-4e42-8a64-420c390055eb";

/// The assignments whose scope is this resource or above it.
pub(in super::super) fn above<'a>(world: &'a World, key: &'a str) -> impl Iterator<Item = (&'a String, &'a Record)> {
    assignments(world).filter(move |(_, record)| is_within(key, &scope(record)))
}

fn assignments(world: &World) -> impl Iterator<Item = (&String, &Record)> {
    world.resources.iter().filter(|(_, record)| record.body["type"] == KIND)
}

fn scope(record: &Record) -> String {
    record.property("scope").as_str().unwrap_or_default().to_lowercase()
}

/// Lists the assignments at, above and below a scope, as the filter says.
pub(super) fn list(world: &World, request: &Request<'_>) -> Answer {
    let at = request.key.trim_end_matches("/providers/microsoft.authorization/roleassignments");
    let filter = request.call.query("$filter").unwrap_or_default();
    let principal = filter.split('\'').nth(1);
    let found = assignments(world).map(|(_, record)| record).filter(|record| {
        let scope = scope(record);
        let below = is_within(&scope, at) && !filter.contains("atScope()");
        let named = principal
            .is_none_or(|id| record.property("principalId").as_str().is_some_and(|p| p.eq_ignore_ascii_case(id)));
        named && (below || is_within(at, &scope))
    });
    Answer::list(found.map(|record| record.body.clone()))
}

/// Answers a request for one assignment at `scope`, which is in lower case.
pub(super) fn answer(world: &mut World, request: &Request<'_>, scope: &str) -> Result<Answer, Answer> {
    match request.call.method {
        Method::GET => {
            let held = world.resources.get(&request.key).map(|record| Answer::ok(record.body.clone()));
            held.ok_or_else(|| {
                Answer::error(StatusCode::NOT_FOUND, "RoleAssignmentNotFound", "The role assignment is not found.")
            })
        }
        Method::PUT => put(world, request, scope),
        Method::DELETE => Ok(match world.resources.remove(&request.key) {
            Some(record) => Answer::ok(record.body),
            None => Answer::empty(StatusCode::NO_CONTENT),
        }),
        _ => Err(method_not_allowed(request)),
    }
}

fn put(world: &mut World, request: &Request<'_>, scope: &str) -> Result<Answer, Answer> {
    let sent = request.call.object()?;
    let (Some(role), Some(principal)) =
        (sent["properties"]["roleDefinitionId"].as_str(), sent["properties"]["principalId"].as_str())
    else {
        return Err(Answer::bad_request(
            "InvalidCreateRoleAssignmentRequest",
            "roleDefinitionId and principalId are required.",
        ));
    };
    if Uuid::parse_str(request.call.name()).is_err() {
        let message = format!("The role assignment ID '{}' is not valid. It has to be a GUID.", request.call.name());
        return Err(Answer::bad_request("InvalidRoleAssignmentId", message));
    }
    if scope.contains("/providers/") && !world.resources.contains_key(scope) {
        return Err(Answer::resource_not_found(scope));
    }
    check_principal(world, principal)?;
    let triple = |value: &Value| {
        let text = |name: &str| value["properties"][name].as_str().unwrap_or_default().to_lowercase();
        let role = text("roleDefinitionId").rsplit('/').next().unwrap_or_default().to_owned();
        (role, text("principalId"))
    };
    let same = |record: &Record| self::scope(record) == scope && triple(&record.body) == triple(&sent);
    if let Some(other) = assignments(world).find(|(key, record)| **key != request.key && same(record)) {
        let id = other.1.body["name"].as_str().unwrap_or_default().replace('-', "");
        let message = format!("The role assignment already exists. The ID of the existing role assignment is {id}.");
        return Err(Answer::error(StatusCode::CONFLICT, "RoleAssignmentExists", message));
    }
    if let Some(record) = world.resources.get(&request.key) {
        if same(record) {
            return Ok(Answer::ok(record.body.clone()));
        }
        let message = "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.";
        return Err(Answer::bad_request("RoleAssignmentUpdateNotPermitted", message));
    }
    let kind = sent["properties"]["principalType"].as_str().unwrap_or("ServicePrincipal");
    let body = json!({
        "id": request.id, "name": request.call.name(), "type": KIND,
        "properties": {"roleDefinitionId": role, "principalId": principal, "principalType": kind, "scope": scope},
    });
    let record = Record { lag: world.lags.role_propagation, ..Record::new(body.clone()) };
    world.resources.insert(request.key.clone(), record);
    Ok(Answer::json(StatusCode::CREATED, body))
}

fn check_principal(world: &mut World, principal: &str) -> Result<(), Answer> {
    if world.lags.principal_unknown == 0 {
        return Ok(());
    }
    world.lags.principal_unknown -= 1;
    let message =
        format!("Principal {principal} does not exist in the directory. Check that you have the correct principal ID.");
    Err(Answer::bad_request("PrincipalNotFound", message))
}
