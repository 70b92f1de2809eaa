//! The bodies of the PUT requests, and the API versions that they are written for. Pure.

use serde_json::{Value, json};

use super::names::{PUBLISHER_ROLE, Principal, Settings};
use crate::table::Table;

/// Version of the resource groups API.
pub(super) const RESOURCE_GROUPS: &str = "2025-04-01";
/// Version of the workspaces and tables API.
pub(super) const WORKSPACES: &str = "2025-07-01";
/// Version of the data collection endpoints and rules API.
pub(super) const DATA_COLLECTION: &str = "2024-03-11";
/// Version of the role assignments API.
pub(super) const ROLE_ASSIGNMENTS: &str = "2022-04-01";

/// The name of the destination within a rule.
const DESTINATION: &str = "workspace";

fn tags() -> Value {
    json!({"created-by": "kubectl-forensys"})
}

/// <https://learn.microsoft.com/rest/api/resources/resource-groups/create-or-update>
pub(super) fn resource_group(location: &str) -> Value {
    json!({"location": location, "tags": tags()})
}

/// <https://learn.microsoft.com/rest/api/loganalytics/workspaces/create-or-update>. Shared keys are off: rows come in
/// through rules, by identity.
pub(super) fn workspace(location: &str) -> Value {
    json!({"location": location, "tags": tags(), "properties": {
        "sku": {"name": "PerGB2018"},
        "retentionInDays": 30,
        "features": {"disableLocalAuth": true, "enableLogAccessUsingOnlyResourcePermissions": true},
    }})
}

/// <https://learn.microsoft.com/rest/api/monitor/data-collection-endpoints/create>
pub(super) fn endpoint(location: &str) -> Value {
    json!({"location": location, "tags": tags(), "properties": {
        "description": "Evidence from Kubernetes clusters (kubectl-forensys)",
        "networkAcls": {"publicNetworkAccess": "Enabled"},
    }})
}

/// <https://learn.microsoft.com/rest/api/loganalytics/tables/create-or-update>. `others` are columns that the table has
/// and we do not know: leaving them out would delete them.
pub(super) fn table(table: &Table, others: &[Value]) -> Value {
    let mut schema = table.workspace_schema();
    if let Some(columns) = schema.get_mut("columns").and_then(Value::as_array_mut) {
        columns.extend_from_slice(others);
    }
    json!({"properties": {"plan": "Analytics", "schema": schema}})
}

/// <https://learn.microsoft.com/rest/api/monitor/data-collection-rules/create>
pub(super) fn rule(settings: &Settings, table: &Table, location: &str) -> Value {
    let stream = table.stream();
    json!({"location": location, "tags": tags(), "properties": {
        "description": format!("Rows of {} (kubectl-forensys)", table.name),
        "dataCollectionEndpointId": settings.endpoint_id(),
        "streamDeclarations": {&stream: table.stream_declaration()},
        "destinations": {"logAnalytics": [
            {"name": DESTINATION, "workspaceResourceId": settings.workspace_id()},
        ]},
        "dataFlows": [{
            "streams": [&stream],
            "destinations": [DESTINATION],
            "transformKql": "source",
            "outputStream": &stream,
        }],
    }})
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
