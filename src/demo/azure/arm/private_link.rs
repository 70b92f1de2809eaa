//! Private link: scopes, what they lead to, private endpoints and private DNS zones. Kept in the books only: no connection is
//! refused for coming from a public network (<https://learn.microsoft.com/azure/azure-monitor/logs/private-link-configure>).
//!
//! Documented are the long-running operations, the order, and that what is linked cannot be deleted. The codes of the
//! refusals are not.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Request, location, method_not_allowed, operations, resource};
use crate::demo::azure::{
    answer::Answer,
    world::{Effect, Record, World, is_within, set_property},
};

const SCOPE: &str = "microsoft.insights/privatelinkscopes";
const SCOPED: &str = "microsoft.insights/privatelinkscopes/scopedresources";
const ENDPOINT: &str = "microsoft.network/privateendpoints";
/// Polls of any operation here that find it running.
const POLLS: u32 = 1;

/// Answers a request for a private link scope.
pub(super) fn scope(world: &mut World, request: &Request<'_>) -> Result<Answer, Answer> {
    match request.call.method {
        Method::PUT => {
            let sent = request.call.object()?;
            if !location(&sent)?.eq_ignore_ascii_case("global") {
                return Err(Answer::bad_request(
                    "LocationNotAvailable",
                    "A private link scope has the location global.",
                ));
            }
            let modes = &sent["properties"]["accessModeSettings"];
            let legal = |name: &str| matches!(modes[name].as_str(), Some("Open" | "PrivateOnly"));
            if !legal("ingestionAccessMode") || !legal("queryAccessMode") {
                return Err(Answer::bad_request("InvalidRequest", "Both access modes are required."));
            }
            let status = if world.resources.contains_key(&request.key) { StatusCode::OK } else { StatusCode::CREATED };
            let mut body = resource(&request.id, "Microsoft.Insights/privateLinkScopes", request.call.name(), &sent);
            set_property(&mut body, "provisioningState", json!("Succeeded"));
            world.resources.insert(request.key.clone(), Record::new(body.clone()));
            Ok(Answer::json(status, body))
        }
        Method::DELETE => {
            let connected = |record: &Record| {
                let to = &record.body["properties"]["privateLinkServiceConnections"][0]["properties"];
                to["privateLinkServiceId"].as_str().is_some_and(|id| id.eq_ignore_ascii_case(&request.key))
            };
            let linked = world.within(&request.key, SCOPED).next().is_some();
            if linked || world.within("/subscriptions", ENDPOINT).any(connected) {
                return Err(in_use("The private link scope still has scoped resources or private endpoints."));
            }
            delete(world, request, &link_statuses(request))
        }
        _ => get(world, request),
    }
}

/// Answers a request for what a scope leads to.
pub(super) fn scoped_resource(world: &mut World, request: &Request<'_>, parent: &str) -> Result<Answer, Answer> {
    let statuses = &link_statuses(request);
    require(world, parent, "microsoft.insights/privatelinkscopes")?;
    match request.call.method {
        Method::PUT => {
            let mut sent = request.call.object()?;
            let linked = sent["properties"]["linkedResourceId"].as_str().unwrap_or_default().to_lowercase();
            let kinds = ["microsoft.operationalinsights/workspaces", "microsoft.insights/datacollectionendpoints"];
            if kinds.iter().all(|kind| require(world, &linked, kind).is_err()) {
                let message = format!("'{linked}' is no workspace or data collection endpoint.");
                return Err(Answer::bad_request("InvalidLinkedResource", message));
            }
            // The service is known to answer with the id in another case than it was sent in.
            set_property(&mut sent, "linkedResourceId", json!(linked));
            put(world, request, "Microsoft.Insights/privateLinkScopes/scopedResources", &sent, statuses)
        }
        Method::DELETE => delete(world, request, statuses),
        _ => get(world, request),
    }
}

/// Whether the resource, the part of the path behind Microsoft.Network, is one of those that private link needs.
pub(super) fn is_known(resource: &[&str]) -> bool {
    matches!(
        resource,
        ["privatednszones" | "privateendpoints", _]
            | ["privatednszones", _, "virtualnetworklinks", _]
            | ["privateendpoints", _, "privatednszonegroups", _]
    )
}

/// Answers a request for a private endpoint, a zone, or what is below them.
pub(super) fn network(world: &mut World, request: &Request<'_>, scope: &str, path: &[&str]) -> Result<Answer, Answer> {
    let parent = |kind: &str, name: &str| format!("{scope}/providers/microsoft.network/{kind}/{name}");
    let kind = match path {
        ["privatednszones", zone, "virtualnetworklinks", _] => {
            require(world, &parent("privatednszones", zone), "microsoft.network/privatednszones")?;
            "Microsoft.Network/privateDnsZones/virtualNetworkLinks"
        }
        ["privateendpoints", endpoint, "privatednszonegroups", _] => {
            require(world, &parent("privateendpoints", endpoint), ENDPOINT)?;
            "Microsoft.Network/privateEndpoints/privateDnsZoneGroups"
        }
        ["privatednszones", _] => "Microsoft.Network/privateDnsZones",
        _ => "Microsoft.Network/privateEndpoints",
    };
    let statuses = &network_statuses(world, request, kind);
    match request.call.method {
        Method::PUT => {
            let sent = request.call.object()?;
            check_network(world, kind, &sent)?;
            put(world, request, kind, &sent, statuses)
        }
        Method::DELETE => {
            let links = "microsoft.network/privatednszones/virtualnetworklinks";
            if kind.ends_with("privateDnsZones") && world.within(&request.key, links).next().is_some() {
                return Err(in_use("The private DNS zone is still linked to virtual networks."));
            }
            delete(world, request, statuses)
        }
        _ => get(world, request),
    }
}

/// Where operations on private link scopes are asked for, as in Microsoft's specification.
fn link_statuses(request: &Request<'_>) -> String {
    format!("resourceGroups/{}/providers/Microsoft.Insights/privateLinkScopeOperationStatuses", group(request))
}

/// Where operations on zones and private endpoints are asked for, as in the examples of Microsoft's specifications.
fn network_statuses(world: &World, request: &Request<'_>, kind: &str) -> String {
    if kind.starts_with("Microsoft.Network/privateDnsZones") {
        return format!("resourceGroups/{}/providers/Microsoft.Network/privateDnsOperationStatuses", group(request));
    }
    let endpoint = world.resources.iter().find(|(key, record)| {
        is_within(&request.key, key) && record.body["type"].as_str().is_some_and(|t| t.eq_ignore_ascii_case(ENDPOINT))
    });
    let sent = request.call.object().unwrap_or_default();
    let place = endpoint.map_or(&sent, |(_, record)| &record.body)["location"].as_str().unwrap_or("global").to_owned();
    format!("providers/Microsoft.Network/locations/{place}/operations")
}

/// The name of the resource group in the path.
fn group<'a>(request: &'a Request<'_>) -> &'a str {
    request.call.segments.get(3).map_or("", String::as_str)
}

fn check_network(world: &World, kind: &str, sent: &Value) -> Result<(), Answer> {
    let properties = &sent["properties"];
    let refuse = |message: &str| Err(Answer::bad_request("InvalidRequestFormat", message));
    match kind.rsplit('/').next().unwrap_or_default() {
        "privateEndpoints" => {
            location(sent)?;
            let connection = &properties["privateLinkServiceConnections"][0]["properties"];
            let service = connection["privateLinkServiceId"].as_str().unwrap_or_default().to_lowercase();
            require(world, &service, SCOPE)?;
            if connection["groupIds"] != json!(["azuremonitor"]) || !properties["subnet"]["id"].is_string() {
                return refuse("A subnet, and the group azuremonitor, are required.");
            }
        }
        "privateDnsZoneGroups" => {
            for zone in properties["privateDnsZoneConfigs"].as_array().into_iter().flatten() {
                let id = zone["properties"]["privateDnsZoneId"].as_str().unwrap_or_default().to_lowercase();
                require(world, &id, "microsoft.network/privatednszones")?;
            }
        }
        "virtualNetworkLinks" if !properties["virtualNetwork"]["id"].is_string() => {
            return refuse("A virtual network is required.");
        }
        _ if !location(sent)?.eq_ignore_ascii_case("global") => return refuse("The location has to be global."),
        _ => {}
    }
    Ok(())
}

/// Refuses to delete what a private link scope leads to.
pub(super) fn require_unlinked(world: &World, key: &str) -> Result<(), Answer> {
    let leads_here =
        |record: &Record| record.property("linkedResourceId").as_str().is_some_and(|id| id.eq_ignore_ascii_case(key));
    if world.within("/subscriptions", SCOPED).any(leads_here) {
        return Err(in_use("The resource is connected to a private link scope."));
    }
    Ok(())
}

fn in_use(message: &str) -> Answer {
    Answer::error(StatusCode::CONFLICT, "Conflict", message)
}

/// Refuses what needs a resource of that type that is not there, or not ready.
fn require(world: &World, key: &str, kind: &str) -> Result<(), Answer> {
    let ready = |record: &&Record| {
        record.operation.is_none() && record.body["type"].as_str().is_some_and(|t| t.eq_ignore_ascii_case(kind))
    };
    world.resources.get(key).filter(ready).map(drop).ok_or_else(|| Answer::resource_not_found(key))
}

fn get(world: &mut World, request: &Request<'_>) -> Result<Answer, Answer> {
    if request.call.method != Method::GET {
        return Err(method_not_allowed(request));
    }
    let body = world.resources.get(&request.key).map(|record| record.body.clone());
    world.touch(&request.key);
    body.map(Answer::ok).ok_or_else(|| Answer::resource_not_found(&request.id))
}

fn put(world: &mut World, request: &Request<'_>, kind: &str, sent: &Value, statuses: &str) -> Result<Answer, Answer> {
    let status = if world.resources.contains_key(&request.key) { StatusCode::OK } else { StatusCode::CREATED };
    let mut body = resource(&request.id, kind, request.call.name(), sent);
    // Scoped resources have another word for it.
    let state = if kind.ends_with("/scopedResources") { "Provisioning" } else { "Updating" };
    set_property(&mut body, "provisioningState", json!(state));
    if let (true, Some(members)) = (kind.ends_with("/privateDnsZoneGroups"), body.as_object_mut()) {
        // The one resource that does not say what it is.
        members.remove("type");
    }
    world.resources.insert(request.key.clone(), Record::new(body.clone()));
    let operation = world.start(POLLS, Effect::Settle(request.key.clone()), None);
    Ok(operations::announce_at(Answer::json(status, body), request, statuses, &operation))
}

fn delete(world: &mut World, request: &Request<'_>, statuses: &str) -> Result<Answer, Answer> {
    if !world.resources.keys().any(|key| is_within(key, &request.key)) {
        return Ok(Answer::empty(StatusCode::NO_CONTENT));
    }
    let operation = world.start(POLLS, Effect::Remove(request.key.clone()), None);
    Ok(operations::announce_at(Answer::empty(StatusCode::ACCEPTED), request, statuses, &operation))
}
