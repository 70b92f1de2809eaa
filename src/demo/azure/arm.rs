//! The resource manager: signs of life that every call needs (token, api-version, registered provider), and the way to the
//! resource that the path names. Ids are compared without regard to case, as Azure does.
#![allow(clippy::indexing_slicing, reason = "a JSON value that lacks the member gives null, not a panic")]

mod clusters;
mod endpoints;
mod groups;
mod operations;
mod private_link;
mod providers;
mod roles;
mod rule_checks;
mod rules;
mod table_checks;
mod tables;
mod workspaces;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    answer::Answer,
    call::Call,
    entra,
    service::Service,
    settings::Settings,
    token::Refusal,
    world::{Record, World},
};

pub(super) use roles::{METRICS_PUBLISHER, above as roles_above};

/// A call to the resource manager that has passed the signs of life.
struct Request<'a> {
    call: &'a Call,
    base: &'a str,
    settings: &'a Settings,
    subscription: &'a str,
    version: &'a str,
    /// The path as it was sent.
    id: String,
    /// The path in lower case: the key in [`World::resources`].
    key: String,
}

/// The state of the subscription at the start.
pub(super) fn initial(settings: &Settings) -> World {
    let mut world = World::default();
    world.lags = settings.lags;
    for namespace in
        settings.registered.iter().map(String::as_str).chain(["Microsoft.Authorization", "Microsoft.Resources"])
    {
        world.providers.insert(namespace.to_lowercase(), 0);
    }
    for body in settings.clusters.iter().chain(&settings.diagnostic_settings).chain(&settings.resources) {
        let key = body["id"].as_str().unwrap_or_default().to_lowercase();
        world.resources.insert(key, Record::new(body.clone()));
    }
    world
}

/// Answers a request to the resource manager.
pub(super) fn answer(service: &Service, call: &Call) -> Answer {
    if let Err(refusal) = service.signer.check(call.bearer(), entra::MANAGEMENT, Service::now()) {
        return unauthorized(service, refusal);
    }
    let Some(version) = call.query("api-version") else {
        let message = "The api-version query parameter (?api-version=) is required for all requests.";
        return Answer::bad_request("MissingApiVersionParameter", message);
    };
    let id = call.id();
    let request = Request {
        call,
        base: &service.base,
        settings: &service.settings,
        subscription: &service.credentials.subscription_id,
        version,
        key: id.to_lowercase(),
        id,
    };
    let mut world = service.world();
    match route(&mut world, &request) {
        Ok(answer) | Err(answer) => answer,
    }
}

fn route(world: &mut World, request: &Request<'_>) -> Result<Answer, Answer> {
    let lower: Vec<&str> = request.call.lower.iter().map(String::as_str).collect();
    let get = request.call.method == Method::GET;
    if let ["subscriptions", subscription, ..] = lower.as_slice()
        && *subscription != request.subscription
    {
        let message = format!("The subscription '{subscription}' could not be found.");
        return Err(Answer::error(StatusCode::NOT_FOUND, "SubscriptionNotFound", message));
    }
    match lower.as_slice() {
        ["subscriptions"] if get => Ok(Answer::list([groups::subscription(request)])),
        ["subscriptions", _] if get => Ok(Answer::ok(groups::subscription(request))),
        [.., "operationstatuses" | "operationresults", _]
        | [.., "privatelinkscopeoperationstatuses" | "privatednsoperationstatuses", _]
        | [.., "locations", _, "operations", _]
            if get =>
        {
            Ok(operations::poll(world, request))
        }
        [.., "providers", "microsoft.authorization", "roleassignments"] if get => Ok(roles::list(world, request)),
        [scope @ .., "providers", "microsoft.authorization", "roleassignments", _] => {
            versions(request, &["2022-04-01", "2020-04-01-preview", "2018-01-01-preview"])?;
            roles::answer(world, request, &format!("/{}", scope.join("/")))
        }
        [.., "providers", "microsoft.insights", "diagnosticsettings"] if get => {
            versions(request, &["2021-05-01-preview"])?;
            clusters::diagnostic_settings(world, request)
        }
        ["subscriptions", _, "providers"] if get => Ok(providers::list(world)),
        ["subscriptions", _, "providers", _] if get => providers::get(world, request),
        ["subscriptions", _, "providers", _, "register"] => providers::register(world, request),
        ["subscriptions", _, "resourcegroups"] if get => Ok(groups::list(world, request)),
        ["subscriptions", _, "resourcegroups", _] => groups::answer(world, request),
        ["subscriptions", _, "resourcegroups", _, "resources"] if get => groups::resources(world, request),
        ["subscriptions", _, "providers", "microsoft.containerservice", "managedclusters"] if get => {
            clusters::list(world, request, "/subscriptions")
        }
        ["subscriptions", _, "providers", "microsoft.operationalinsights", "deletedworkspaces"] if get => {
            versions(request, WORKSPACE_VERSIONS)?;
            Ok(workspaces::deleted(world, "/subscriptions"))
        }
        ["subscriptions", _, "providers", namespace, kind] if get => {
            Ok(Answer::list(shown(world, "/subscriptions", &format!("{namespace}/{kind}"))))
        }
        ["subscriptions", subscription, "resourcegroups", group, "providers", namespace, resource @ ..] => {
            let scope = format!("/subscriptions/{subscription}/resourcegroups/{group}");
            in_group(world, request, &scope, namespace, resource)
        }
        _ => Err(Answer::resource_not_found(&request.id)),
    }
}

const WORKSPACE_VERSIONS: &[&str] =
    &["2020-08-01", "2021-12-01-preview", "2022-10-01", "2023-09-01", "2025-02-01", "2025-07-01", "2026-03-01"];
const TABLE_VERSIONS: &[&str] =
    &["2021-12-01-preview", "2022-10-01", "2023-09-01", "2025-02-01", "2025-07-01", "2026-03-01"];
const COLLECTION_VERSIONS: &[&str] = &["2021-09-01-preview", "2022-06-01", "2023-03-11", "2024-03-11"];

const SCOPE_VERSIONS: &[&str] = &["2021-07-01-preview", "2021-09-01", "2023-06-01-preview"];

/// Resources of a group: `resource` is what follows the provider's namespace.
fn in_group(
    world: &mut World,
    request: &Request<'_>,
    scope: &str,
    namespace: &str,
    resource: &[&str],
) -> Result<Answer, Answer> {
    if !world.resources.contains_key(scope) && namespace != "microsoft.containerservice" {
        return Err(groups::not_found(scope));
    }
    let get = request.call.method == Method::GET;
    if !get {
        providers::require(world, request, namespace)?;
    }
    match (namespace, resource) {
        ("microsoft.operationalinsights", ["deletedworkspaces"]) if get => {
            versions(request, WORKSPACE_VERSIONS)?;
            Ok(workspaces::deleted(world, scope))
        }
        ("microsoft.operationalinsights", ["workspaces", _]) => {
            versions(request, WORKSPACE_VERSIONS)?;
            workspaces::answer(world, request)
        }
        ("microsoft.operationalinsights", ["workspaces", workspace, "tables", rest @ ..]) if rest.len() < 2 => {
            versions(request, TABLE_VERSIONS)?;
            let workspace = format!("{scope}/providers/microsoft.operationalinsights/workspaces/{workspace}");
            tables::answer(world, request, &workspace, rest.is_empty())
        }
        ("microsoft.operationalinsights", ["workspaces", _, "tables", _, "migrate"]) => {
            versions(request, TABLE_VERSIONS)?;
            tables::migrate(world, request)
        }
        ("microsoft.insights", ["privatelinkscopes", _]) => {
            versions(request, SCOPE_VERSIONS)?;
            private_link::scope(world, request)
        }
        ("microsoft.insights", ["privatelinkscopes", name, "scopedresources", _]) => {
            versions(request, SCOPE_VERSIONS)?;
            let parent = format!("{scope}/providers/microsoft.insights/privatelinkscopes/{name}");
            private_link::scoped_resource(world, request, &parent)
        }
        ("microsoft.network", resource) if private_link::is_known(resource) => {
            private_link::network(world, request, scope, resource)
        }
        ("microsoft.insights", ["datacollectionendpoints", _]) => {
            versions(request, COLLECTION_VERSIONS)?;
            endpoints::answer(world, request)
        }
        ("microsoft.insights", ["datacollectionrules", _]) => {
            versions(request, COLLECTION_VERSIONS)?;
            rules::answer(world, request)
        }
        ("microsoft.containerservice", ["managedclusters"]) if get => clusters::list(world, request, scope),
        ("microsoft.containerservice", ["managedclusters", _] | ["managedclusters", _, "agentpools"]) if get => {
            clusters::get(world, request)
        }
        (_, [kind]) if get => Ok(Answer::list(shown(world, scope, &format!("{namespace}/{kind}")))),
        _ => Err(Answer::resource_not_found(&request.id)),
    }
}

fn shown(world: &World, scope: &str, kind: &str) -> Vec<Value> {
    world.within(scope, kind).map(|record| record.body.clone()).collect()
}

/// Refuses an api-version that the resource type does not have.
fn versions(request: &Request<'_>, known: &[&str]) -> Result<(), Answer> {
    if known.contains(&request.version) {
        return Ok(());
    }
    let message = format!(
        "No registered resource provider found for the API version '{}'. The supported api-versions are '{}'.",
        request.version,
        known.join(", ")
    );
    Err(Answer::bad_request("NoRegisteredProviderFound", message))
}

fn unauthorized(service: &Service, refusal: Refusal) -> Answer {
    let (code, message) = match refusal {
        Refusal::Missing => ("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."),
        Refusal::Invalid => ("InvalidAuthenticationToken", "The access token is invalid."),
        Refusal::Expired => {
            ("ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than current UTC time.")
        }
        Refusal::Audience => (
            "InvalidAuthenticationTokenAudience",
            "The access token has been obtained for wrong audience or resource. It should exactly match with one of the allowed audiences 'https://management.azure.com/'.",
        ),
    };
    let authority = format!("{}/{}", service.base, service.credentials.tenant_id);
    Answer::error(StatusCode::UNAUTHORIZED, code, message)
        .header("www-authenticate", format!("Bearer authorization_uri=\"{authority}\", error=\"invalid_token\""))
}

fn method_not_allowed(request: &Request<'_>) -> Answer {
    let message = format!("The requested resource does not support http method '{}'.", request.call.method);
    Answer::error(StatusCode::METHOD_NOT_ALLOWED, "HttpMethodNotSupported", message)
}

/// The members that every resource has.
fn resource(id: &str, kind: &str, name: &str, body: &Value) -> Value {
    let mut resource = json!({"id": id, "name": name, "type": kind});
    if let Some(members) = resource.as_object_mut() {
        for member in ["location", "tags", "kind", "identity"] {
            if let Some(value) = body.get(member).filter(|value| !value.is_null()) {
                members.insert(member.to_owned(), value.clone());
            }
        }
        let properties = body.get("properties").filter(|value| value.is_object()).cloned();
        members.insert("properties".to_owned(), properties.unwrap_or_else(|| json!({})));
    }
    resource
}

/// The location of a new resource, which a body has to name.
fn location(body: &Value) -> Result<&str, Answer> {
    body["location"].as_str().filter(|location| !location.is_empty()).ok_or_else(|| {
        let message = "The location property is required for this definition.";
        Answer::bad_request("LocationRequired", message)
    })
}
