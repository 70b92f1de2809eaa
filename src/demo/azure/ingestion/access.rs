//! Whether a caller may send to a stream, and which table its rows go to.
#![allow(clippy::indexing_slicing, reason = "a JSON value that lacks the member gives null, not a panic")]

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::Value;

use super::super::{
    answer::Answer,
    arm::{METRICS_PUBLISHER, roles_above},
    token::Claims,
    world::{Record, World},
};

/// What an upload's address names.
pub(super) struct Target<'a> {
    /// The endpoint: the last part of its ingestion address.
    pub(super) endpoint: &'a str,
    /// The immutable id of a rule.
    pub(super) rule: &'a str,
    /// The stream's name.
    pub(super) stream: &'a str,
}

/// Where accepted rows go.
pub(super) struct Sink {
    pub(super) table: String,
    /// The stream's columns that the table has too, with their types in lower case.
    pub(super) columns: BTreeMap<String, String>,
}

/// Finds the table behind a stream, or says why the caller cannot reach it.
pub(super) fn find(world: &mut World, target: &Target<'_>, claims: &Claims) -> Result<Sink, Answer> {
    let found = world
        .within("", "microsoft.insights/datacollectionrules")
        .find(|rule| rule.property("immutableId").as_str().is_some_and(|id| id.eq_ignore_ascii_case(target.rule)));
    let Some(rule) = found.cloned() else { return Err(no_rule(target)) };
    let key = rule.body["id"].as_str().unwrap_or_default().to_lowercase();
    if world.resources.get_mut(&key).is_some_and(Record::is_late) {
        return Err(no_rule(target));
    }
    if !is_bound(world, &rule, target.endpoint) {
        return Err(forbidden(target, claims, &key, Denial::Endpoint));
    }
    if !may_publish(world, &key, claims) {
        return Err(forbidden(target, claims, &key, Denial::Role));
    }
    if world.stream_is_late(&key) {
        return Err(no_stream(target));
    }
    sink(world, &rule, target)
}

fn sink(world: &World, rule: &Record, target: &Target<'_>) -> Result<Sink, Answer> {
    let properties = &rule.body["properties"];
    let empty = Vec::new();
    let flow = properties["dataFlows"].as_array().unwrap_or(&empty).iter().find(|flow| {
        flow["streams"].as_array().is_some_and(|streams| streams.iter().any(|name| name == target.stream))
    });
    let declared = properties["streamDeclarations"][target.stream]["columns"].as_array();
    let (Some(flow), Some(declared)) = (flow, declared) else { return Err(no_stream(target)) };
    let output = flow["outputStream"].as_str().unwrap_or(target.stream);
    let table = output.strip_prefix("Custom-").unwrap_or(output).to_owned();
    let destination =
        properties["destinations"]["logAnalytics"].as_array().unwrap_or(&empty).iter().find(|destination| {
            flow["destinations"].as_array().is_some_and(|names| names.contains(&destination["name"]))
        });
    let workspace = destination.and_then(|d| d["workspaceResourceId"].as_str()).unwrap_or_default();
    let held = world.resources.get(&format!("{workspace}/tables/{table}").to_lowercase());
    // A table that was deleted after the rule was made takes nothing, and Azure says nothing.
    let held =
        held.map_or(&empty, |record| record.body["properties"]["schema"]["columns"].as_array().unwrap_or(&empty));
    let text = |column: &Value, member: &str| column[member].as_str().unwrap_or_default().to_owned();
    let columns = declared
        .iter()
        .filter(|column| held.iter().any(|other| other["name"] == column["name"]))
        .map(|column| (text(column, "name"), text(column, "type").to_lowercase()))
        .collect();
    Ok(Sink { table, columns })
}

/// A rule takes rows at its data collection endpoint, or at its own endpoint if it is of kind Direct.
fn is_bound(world: &World, rule: &Record, endpoint: &str) -> bool {
    let is = |address: &Value| {
        let address = address.as_str().and_then(|address| address.rsplit_once('/'));
        address.is_some_and(|(_, name)| name.eq_ignore_ascii_case(endpoint))
    };
    let bound =
        rule.property("dataCollectionEndpointId").as_str().and_then(|id| world.resources.get(&id.to_lowercase()));
    bound.is_some_and(|record| is(&record.property("logsIngestion")["endpoint"]))
        || is(&rule.property("endpoints")["logsIngestion"])
}

/// The role counts on the rule or above it; a fresh assignment is refused a number of times.
fn may_publish(world: &mut World, rule: &str, claims: &Claims) -> bool {
    let granting: Vec<String> = roles_above(world, rule)
        .filter(|(_, role)| {
            let definition = role.property("roleDefinitionId").as_str().unwrap_or_default().to_lowercase();
            let principal = role.property("principalId").as_str().unwrap_or_default();
            definition.ends_with(METRICS_PUBLISHER) && principal.eq_ignore_ascii_case(&claims.oid)
        })
        .map(|(key, _)| key.clone())
        .collect();
    let mut allowed = false;
    for key in granting {
        allowed |= !world.resources.get_mut(&key).is_some_and(Record::is_late);
    }
    allowed
}

fn no_rule(target: &Target<'_>) -> Answer {
    let message = format!("Data collection rule with immutable Id '{}' not found.", target.rule);
    Answer::error(StatusCode::NOT_FOUND, "NotFound", message)
}

fn no_stream(target: &Target<'_>) -> Answer {
    let message = format!(
        "The stream {} was not configured in the data collection rule with immutable Id {}.",
        target.stream, target.rule
    );
    Answer::bad_request("InvalidStream", message)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Denial {
    Role,
    Endpoint,
}

fn forbidden(target: &Target<'_>, claims: &Claims, rule: &str, denial: Denial) -> Answer {
    let (rbac, binding, reason) = match denial {
        Denial::Role => (
            "False",
            "",
            format!(
                "Required authorization action was not found for tenantId {} objectId {} on resourceId {rule}",
                claims.tid, claims.oid
            ),
        ),
        Denial::Endpoint => {
            ("True", "False", "The data collection endpoint is not associated with the rule".to_owned())
        }
    };
    let message = format!(
        "The authentication token provided does not have access to ingest data for the data collection rule with immutable Id '{}' \
         PipelineAccessResult: AccessGranted: False, IsRbacPresent: {rbac}, IsDcrDceBindingValid: {binding}, \
         DcrArmId: {rule}, Message: {reason} ConfigurationId: {}.",
        target.rule, target.rule
    );
    Answer::error(StatusCode::FORBIDDEN, "OperationFailed", message)
}
