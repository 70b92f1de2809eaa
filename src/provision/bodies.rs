//! The bodies of the requests. What is there already is taken into them: a PUT replaces, and what others have added to a
//! table or a rule is theirs to keep. Pure.

use serde_json::{Map, Value, json};

use super::names::{Ingestion, PUBLISHER_ROLE, Principal, PrivateLink, Settings, TablePlan};
use crate::table::Table;

/// The name of the destination within a rule.
const DESTINATION: &str = "workspace";

fn tags() -> Value {
    json!({"created-by": "kubectl-forensys"})
}

/// `Enabled`, or `Disabled` with private link.
fn public_access(settings: &Settings) -> &'static str {
    if settings.private_link.is_some() { "Disabled" } else { "Enabled" }
}

/// <https://learn.microsoft.com/rest/api/resources/resource-groups/create-or-update>
pub(super) fn resource_group(location: &str) -> Value {
    json!({"location": location, "tags": tags()})
}

/// <https://learn.microsoft.com/rest/api/loganalytics/workspaces/create-or-update>. Shared keys are off: rows come in
/// through rules, by identity. The price tier, retention, cap and features of a workspace that is there stay as they are.
pub(super) fn workspace(settings: &Settings, location: &str, found: Option<&Value>) -> Value {
    let access = public_access(settings);
    let mut properties = json!({
        "sku": {"name": "PerGB2018"},
        "retentionInDays": 30,
        "features": {"disableLocalAuth": true, "enableLogAccessUsingOnlyResourcePermissions": true},
        "publicNetworkAccessForIngestion": access,
        "publicNetworkAccessForQuery": access,
    });
    if let (Some(found), Some(properties)) =
        (found.and_then(|found| found.get("properties")), properties.as_object_mut())
    {
        properties.extend(writable(found, &["retentionInDays", "features"]));
        if let Some(name) = found.pointer("/sku/name") {
            properties.insert("sku".to_owned(), json!({"name": name}));
        }
        if let Some(quota) = found.pointer("/workspaceCapping/dailyQuotaGb") {
            properties.insert("workspaceCapping".to_owned(), json!({"dailyQuotaGb": quota}));
        }
        if settings.private_link.is_none() {
            properties.extend(writable(found, &["publicNetworkAccessForIngestion", "publicNetworkAccessForQuery"]));
        }
    }
    json!({"location": location, "tags": kept_tags(found), "properties": properties})
}

/// Our tags beside those that are there.
fn kept_tags(found: Option<&Value>) -> Value {
    merged(found.and_then(|found| found.get("tags")), tags())
}

/// <https://learn.microsoft.com/rest/api/monitor/data-collection-endpoints/create>. What is there stays as open or closed as
/// it is, but for private link.
pub(super) fn endpoint(settings: &Settings, location: &str, found: Option<&Value>) -> Value {
    let is = found.and_then(|found| found.pointer("/properties/networkAcls/publicNetworkAccess"));
    let access = is.filter(|_| settings.private_link.is_none()).cloned();
    let mut body = found.map(|found| writable(found, &["kind"])).unwrap_or_default();
    body.insert("location".to_owned(), json!(location));
    body.insert("tags".to_owned(), kept_tags(found));
    let properties = json!({
        "description": "Evidence from Kubernetes clusters (kubectl-forensys)",
        "networkAcls": {"publicNetworkAccess": access.unwrap_or_else(|| json!(public_access(settings)))},
    });
    body.insert("properties".to_owned(), properties);
    Value::Object(body)
}

/// Body of a PATCH that takes the public access from a workspace, and leaves everything else.
pub(super) fn workspace_without_public_access() -> Value {
    json!({"properties": {"publicNetworkAccessForIngestion": "Disabled", "publicNetworkAccessForQuery": "Disabled"}})
}

/// Body of a PUT that takes the public access from an endpoint; a PATCH of endpoints changes tags only.
pub(super) fn endpoint_without_public_access(found: &Value) -> Value {
    let mut body = writable(found, &["location", "tags", "kind"]);
    let mut properties = Map::new();
    if let Some(description) = found.pointer("/properties/description").filter(|text| !text.is_null()) {
        properties.insert("description".to_owned(), description.clone());
    }
    properties.insert("networkAcls".to_owned(), json!({"publicNetworkAccess": "Disabled"}));
    body.insert("properties".to_owned(), Value::Object(properties));
    Value::Object(body)
}

/// <https://learn.microsoft.com/rest/api/loganalytics/tables/create-or-update>. Leaving a column out would delete it, and
/// leaving a retention out would reset it, so those of the table that is there are sent again.
pub(super) fn table(settings: &Settings, table: &Table, found: Option<&Value>) -> Value {
    let was = |name: &str| found.and_then(|found| found.get("properties")?.get(name)).filter(|value| !value.is_null());
    let mut schema = table.workspace_schema();
    if let Some(columns) = schema.get_mut("columns").and_then(Value::as_array_mut) {
        columns.extend(others(table, found));
    }
    let plan = settings.tables.plan.map(|plan| json!(plan.name())).or_else(|| was("plan").cloned());
    let plan = plan.unwrap_or_else(|| json!(TablePlan::Analytics.name()));
    let analytics = plan.as_str().is_some_and(|plan| plan.eq_ignore_ascii_case(TablePlan::Analytics.name()));
    let mut properties = json!({"plan": plan, "schema": schema});
    let days = [
        ("retentionInDays", settings.tables.retention, analytics),
        ("totalRetentionInDays", settings.tables.total_retention, true),
    ];
    for (name, asked, settable) in days {
        let default = was(&format!("{name}AsDefault")).and_then(Value::as_bool).unwrap_or(false);
        // -1 asks for the default, and a PUT without the property sets that.
        let days = match asked {
            Some(days) => (days != -1).then(|| json!(days)),
            None if default => None,
            None => was(name).cloned(),
        };
        if let (Some(days), true, Some(properties)) = (days, settable, properties.as_object_mut()) {
            properties.insert(name.to_owned(), days);
        }
    }
    json!({"properties": properties})
}

/// Columns that the table has and we do not know, without what is refused when it is sent back.
fn others(table: &Table, found: Option<&Value>) -> Vec<Value> {
    let columns = found.and_then(|found| found.pointer("/properties/schema/columns")).and_then(Value::as_array);
    let known = |column: &&Value| table.columns().any(|ours| column.get("name") == Some(&ours.name.into()));
    let bare = |column: &Value| {
        let mut bare = writable(column, &["name", "type"]);
        let text = column.get("description").and_then(Value::as_str).filter(|text| !text.is_empty());
        bare.extend(text.map(|text| ("description".to_owned(), json!(text))));
        Value::Object(bare)
    };
    columns.into_iter().flatten().filter(|column| !known(column)).map(bare).collect()
}

/// <https://learn.microsoft.com/rest/api/monitor/data-collection-rules/create>. Of a rule that is there, other streams,
/// destinations and flows stay.
pub(super) fn rule(settings: &Settings, table: &Table, location: &str, found: Option<&Value>) -> Value {
    let mut body = found.map(|found| writable(found, &["location", "kind", "identity"])).unwrap_or_default();
    body.entry("location").or_insert_with(|| json!(location));
    if found.is_none() && settings.ingestion == Ingestion::Direct {
        body.insert("kind".to_owned(), json!("Direct"));
    }
    body.insert("tags".to_owned(), kept_tags(found));
    let mut properties = found.and_then(|found| found.get("properties")?.as_object().cloned()).unwrap_or_default();
    for made_by_azure in ["immutableId", "provisioningState", "endpoints", "ingestionQuotas", "metadata"] {
        properties.remove(made_by_azure);
    }
    let described = || json!(format!("Rows of {} (kubectl-forensys)", table.name));
    properties.entry("description").or_insert_with(described);
    if settings.ingestion == Ingestion::Dce && !settings.given.rules.contains_key(table.name) {
        properties.insert("dataCollectionEndpointId".to_owned(), json!(settings.endpoint_id()));
    }
    let stream = table.stream();
    let declarations = properties.remove("streamDeclarations");
    let declared = merged(declarations.as_ref(), json!({&stream: table.stream_declaration()}));
    properties.insert("streamDeclarations".to_owned(), declared);
    let destination = destination(settings, &mut properties);
    flow(settings, table, &destination, &mut properties);
    body.insert("properties".to_owned(), Value::Object(properties));
    Value::Object(body)
}

/// The name of the workspace among the destinations, to which it is added if it is not there.
fn destination(settings: &Settings, properties: &mut Map<String, Value>) -> String {
    let workspace = settings.workspace_id();
    let mut all = properties.remove("destinations").unwrap_or_else(|| json!({}));
    let mut list = all.get("logAnalytics").and_then(Value::as_array).cloned().unwrap_or_default();
    for destination in list.iter_mut().filter_map(Value::as_object_mut) {
        destination.remove("workspaceId");
    }
    let text = |item: &Value, name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let ours = list.iter().find(|item| text(item, "workspaceResourceId").eq_ignore_ascii_case(&workspace));
    let name = ours.map_or_else(|| DESTINATION.to_owned(), |ours| text(ours, "name"));
    if ours.is_none() {
        list.retain(|item| text(item, "name") != DESTINATION);
        list.push(json!({"name": DESTINATION, "workspaceResourceId": workspace}));
    }
    if let Some(all) = all.as_object_mut() {
        all.insert("logAnalytics".to_owned(), Value::Array(list));
    }
    properties.insert("destinations".to_owned(), all);
    name
}

/// Puts the flow of the table's stream into the rule, in place of the one that is there.
fn flow(settings: &Settings, table: &Table, destination: &str, properties: &mut Map<String, Value>) {
    let stream = table.stream();
    let mut flows = properties.get("dataFlows").and_then(Value::as_array).cloned().unwrap_or_default();
    let found = flows.iter_mut().find(|flow| is_of_stream(flow, &stream));
    let was = found.as_ref().and_then(|flow| flow.get("transformKql")).cloned();
    let theirs = was.filter(|_| settings.given.rules.contains_key(table.name));
    let query = settings.transforms.get(table.name).map(|query| json!(query)).or(theirs);
    let ours = json!({
        "streams": [&stream],
        "destinations": [destination],
        "transformKql": query.unwrap_or_else(|| json!("source")),
        "outputStream": &stream,
    });
    match found {
        Some(flow) => *flow = ours,
        None => flows.push(ours),
    }
    properties.insert("dataFlows".to_owned(), Value::Array(flows));
}

/// Whether the data flow is that of the stream.
pub(super) fn is_of_stream(flow: &Value, stream: &str) -> bool {
    let streams = flow.get("streams").and_then(Value::as_array);
    streams.into_iter().flatten().any(|name| name.as_str().is_some_and(|name| name.eq_ignore_ascii_case(stream)))
}

/// <https://learn.microsoft.com/rest/api/authorization/role-assignments/create>
pub(super) fn role(settings: &Settings, principal: &Principal) -> Value {
    let definition = format!(
        "/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/{PUBLISHER_ROLE}",
        settings.subscription
    );
    let mut properties = json!({"roleDefinitionId": definition, "principalId": principal.id});
    if let (Some(kind), Some(object)) = (&principal.kind, properties.as_object_mut()) {
        object.insert("principalType".to_owned(), json!(kind));
    }
    json!({"properties": properties})
}

/// <https://learn.microsoft.com/rest/api/monitor/private-link-scopes/create-or-update>. Open: a scope that is private only
/// cuts every other resource of Azure Monitor off from the networks that share its DNS.
pub(super) fn private_link_scope() -> Value {
    json!({"location": "global", "tags": tags(), "properties": {
        "accessModeSettings": {"ingestionAccessMode": "Open", "queryAccessMode": "Open"},
    }})
}

/// <https://learn.microsoft.com/rest/api/monitor/private-link-scoped-resources/create-or-update>
pub(super) fn scoped_resource(linked: &str) -> Value {
    json!({"properties": {"linkedResourceId": linked}})
}

/// <https://learn.microsoft.com/rest/api/virtualnetwork/private-endpoints/create-or-update>
pub(super) fn private_endpoint(settings: &Settings, link: &PrivateLink, location: &str) -> Value {
    json!({"location": location, "tags": tags(), "properties": {
        "subnet": {"id": link.subnet},
        "privateLinkServiceConnections": [{"name": "azure-monitor", "properties": {
            "privateLinkServiceId": settings.private_link_scope_id(link),
            "groupIds": ["azuremonitor"],
        }}],
    }})
}

/// <https://learn.microsoft.com/rest/api/dns/privatednszones/private-zones/create-or-update>
pub(super) fn dns_zone() -> Value {
    json!({"location": "global", "tags": tags(), "properties": {}})
}

/// <https://learn.microsoft.com/rest/api/dns/privatednszones/virtual-network-links/create-or-update>
pub(super) fn dns_link(link: &PrivateLink) -> Value {
    json!({"location": "global", "tags": tags(), "properties": {
        "registrationEnabled": false,
        "virtualNetwork": {"id": link.network()},
    }})
}

/// <https://learn.microsoft.com/rest/api/virtualnetwork/private-dns-zone-groups/create-or-update>
pub(super) fn dns_zone_group(settings: &Settings, link: &PrivateLink) -> Value {
    let zone = |name: &String| json!({"name": name.replace('.', "-"), "properties": {"privateDnsZoneId": settings.dns_zone_id(name)}});
    json!({"properties": {"privateDnsZoneConfigs": link.zones.iter().map(zone).collect::<Vec<_>>()}})
}

/// The named members of an object, as far as it has them.
fn writable(found: &Value, names: &[&str]) -> Map<String, Value> {
    let member = |name: &&str| Some(((*name).to_owned(), found.get(*name).filter(|value| !value.is_null())?.clone()));
    names.iter().filter_map(member).collect()
}

/// The first object with the members of the second.
fn merged(first: Option<&Value>, second: Value) -> Value {
    let mut all = first.and_then(Value::as_object).cloned().unwrap_or_default();
    if let Value::Object(second) = second {
        all.extend(second);
    }
    Value::Object(all)
}
