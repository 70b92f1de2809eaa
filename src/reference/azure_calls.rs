//! Every request that the program can send to Azure, token services apart: one list, from which the table of operations and
//! the custom role in `plugin/azure/` are made. A test holds what is really sent against it, in both directions.
//!
//! What is done to a kind of resource follows from [`Kind`]; what is done besides is listed here.

use crate::{azure, evidence::aks, provision::Kind, upload};

/// A request, as often as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// HTTP method.
    pub method: &'static str,
    /// Its path; `{name}` stands for one segment, `{scope}` for the id of any resource.
    pub path: String,
    /// Version of the API; none where Azure gives the whole address, or the API has no versions.
    pub version: Option<&'static str>,
    /// What its query may hold besides the version.
    pub query: &'static [&'static str],
    /// The rights that Azure asks for, by their names in
    /// <https://learn.microsoft.com/azure/role-based-access-control/resource-provider-operations>.
    pub rights: Vec<String>,
    /// Whether they are rights on data instead of resources.
    pub on_data: bool,
    /// Who sends it, and what for.
    pub purpose: &'static str,
}

/// A request that does not follow from a kind of resource: method, path, version, query, rights, purpose.
type Other =
    (&'static str, &'static str, Option<&'static str>, &'static [&'static str], &'static [&'static str], &'static str);

/// Every request: those on resources in the order of their making, then the others.
pub fn azure_calls() -> Vec<Call> {
    let mut all: Vec<Call> = Kind::ALL.into_iter().flat_map(of_kind).collect();
    all.extend(OTHERS.iter().map(|(method, path, version, query, rights, purpose)| Call {
        method,
        path: (*path).to_owned(),
        version: *version,
        query,
        rights: rights.iter().map(|right| (*right).to_owned()).collect(),
        on_data: *rights == UPLOAD,
        purpose,
    }));
    all
}

/// Reading, writing and deleting of one kind of resource. Role assignments are looked at in lists only.
fn of_kind(kind: Kind) -> Vec<Call> {
    let (write, delete) = purposes(kind);
    let purge: &[&str] = if kind == Kind::Workspace { &["force"] } else { &[] };
    let mut calls = vec![
        call(kind, "GET", "read", "provision, cleanup: look at what is there"),
        call(kind, "PUT", "write", write),
        Call { query: purge, ..call(kind, "DELETE", "delete", delete) },
    ];
    if kind == Kind::Role {
        calls.remove(0);
    }
    calls.extend(match kind {
        Kind::Workspace => Some(call(kind, "PATCH", "write", "provision --private-link")),
        Kind::Table => Some(call(kind, "PATCH", "write", "cleanup --keep-tables")),
        _ => None,
    });
    calls
}

fn call(kind: Kind, method: &'static str, verb: &str, purpose: &'static str) -> Call {
    // Resource groups are the one type whose rights have another name.
    let name = kind.resource_type().replace("Microsoft.Resources/", "Microsoft.Resources/subscriptions/");
    let mut rights = vec![format!("{name}/{verb}")];
    if method == "PUT" {
        rights.extend(referred(kind).iter().map(|right| (*right).to_owned()));
    }
    Call { method, path: path(kind), version: Some(kind.version()), query: &[], rights, on_data: false, purpose }
}

/// The rights on other resources that Azure asks for when a resource of that kind refers to them.
const fn referred(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::DnsLink => &["Microsoft.Network/virtualNetworks/join/action"],
        Kind::PrivateEndpoint => &[
            "Microsoft.Network/virtualNetworks/subnets/join/action",
            "Microsoft.Insights/privateLinkScopes/privateEndpointConnectionsApproval/action",
        ],
        Kind::DnsZoneGroup => &["Microsoft.Network/privateDnsZones/join/action"],
        _ => &[],
    }
}

const GROUP: &str = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}";

/// The path of a resource of that kind.
fn path(kind: Kind) -> String {
    if kind == Kind::ResourceGroup {
        return GROUP.to_owned();
    }
    let scope = if kind == Kind::Role { "/{scope}" } else { GROUP };
    let (namespace, types) = kind.resource_type().split_once('/').unwrap_or_default();
    let named = |name: &str| format!("/{name}/{{{}Name}}", name.trim_end_matches('s'));
    format!("{scope}/providers/{namespace}{}", types.split('/').map(named).collect::<String>())
}

/// What a kind is written and deleted for.
const fn purposes(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::ResourceGroup => ("provision --create-resource-group", "cleanup, when provision made the group"),
        Kind::Workspace => ("provision; not with --workspace-id", "cleanup, when provision made the workspace"),
        Kind::Endpoint => ("provision; not with --dce-id or --endpoint direct", "cleanup"),
        Kind::Table | Kind::Rule => ("provision", "cleanup"),
        Kind::Role => ("provision; not with --skip-role-assignment", "cleanup"),
        Kind::PrivateLinkScope | Kind::ScopedResource | Kind::PublicAccess => ("provision --private-link", "cleanup"),
        Kind::DnsZone => ("provision --subnet-id", "cleanup"),
        Kind::DnsLink => ("provision --subnet-id: link the DNS zones to the network", "cleanup"),
        Kind::PrivateEndpoint => ("provision --subnet-id: connect the network with the scope", "cleanup"),
        Kind::DnsZoneGroup => ("provision --subnet-id: register the private endpoint in the zones", "cleanup"),
    }
}

const PROVIDERS: Option<&str> = Some(azure::PROVIDERS_VERSION);
const SUBSCRIPTIONS: Option<&str> = Some(azure::SUBSCRIPTIONS_VERSION);
const WORKSPACES: Option<&str> = Some(Kind::Workspace.version());
const UPLOAD: &[&str] = &["Microsoft.Insights/Telemetry/Write"];
const READ_CLUSTERS: &[&str] = &["Microsoft.ContainerService/managedClusters/read"];
const READ_DELETED: &[&str] = &["Microsoft.OperationalInsights/deletedWorkspaces/read"];
const READ_SUBSCRIPTIONS: &[&str] = &["Microsoft.Resources/subscriptions/read"];
const REGISTER: &str = "provision: register the provider where it is not";
const DELETED: &str = "provision: see whether a deleted workspace would come back";
const CLUSTER: &str = "collect: the AKS cluster, its addons and node pools";

/// The addresses of operations that are polled come from Azure; their paths are those that Microsoft's specifications and
/// their examples show.
#[rustfmt::skip]
const OTHERS: &[Other] = &[
    ("GET", "/subscriptions", SUBSCRIPTIONS, &[], READ_SUBSCRIPTIONS, "provision: find the subscription when none is named"),
    ("GET", "/subscriptions/{subscriptionId}", SUBSCRIPTIONS, &[], READ_SUBSCRIPTIONS, "collect: see whether Azure answers"),
    ("GET", "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/resources", Some(Kind::ResourceGroup.version()), &[],
        &["Microsoft.Resources/subscriptions/resourceGroups/resources/read"], "cleanup: see what else the group holds"),
    ("POST", "/subscriptions/{subscriptionId}/providers/Microsoft.OperationalInsights/register", PROVIDERS, &[],
        &["Microsoft.OperationalInsights/register/action"], REGISTER),
    ("POST", "/subscriptions/{subscriptionId}/providers/Microsoft.Insights/register", PROVIDERS, &[],
        &["Microsoft.Insights/register/action"], REGISTER),
    ("POST", "/subscriptions/{subscriptionId}/providers/Microsoft.Network/register", PROVIDERS, &[],
        &["Microsoft.Network/register/action"], "provision --subnet-id: register the provider where it is not"),
    ("GET", "/subscriptions/{subscriptionId}/providers/{providerName}", PROVIDERS, &[],
        &["Microsoft.Resources/subscriptions/providers/read"], "provision: wait for the registration"),
    ("GET", "/subscriptions/{subscriptionId}/providers/Microsoft.OperationalInsights/deletedWorkspaces", WORKSPACES, &[],
        READ_DELETED, DELETED),
    ("GET", "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.OperationalInsights/deletedWorkspaces",
        WORKSPACES, &[], READ_DELETED, DELETED),
    ("GET", "/{scope}/providers/Microsoft.Authorization/roleAssignments", Some(Kind::Role.version()), &["$filter"],
        &["Microsoft.Authorization/roleAssignments/read"], "provision: see whether rows may be sent already"),
    ("GET", "/subscriptions/{subscriptionId}/operationresults/{operationId}", None, &[],
        &["Microsoft.Resources/subscriptions/operationresults/read"], "cleanup: wait until the resource group is gone"),
    ("GET", "/subscriptions/{subscriptionId}/providers/Microsoft.OperationalInsights/locations/{location}/operationStatuses/{operationId}",
        None, &[], &["Microsoft.OperationalInsights/locations/operationStatuses/read"], "provision, cleanup: wait for workspace and tables"),
    ("GET", "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Insights/privateLinkScopeOperationStatuses/{operationId}",
        None, &[], &["Microsoft.Insights/privateLinkScopeOperationStatuses/read"], "provision --private-link, cleanup: wait for the links"),
    ("GET", "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Network/privateDnsOperationStatuses/{operationId}",
        None, &[], &["Microsoft.Network/privateDnsOperationStatuses/read"], "provision --subnet-id, cleanup: wait for the DNS zones"),
    ("GET", "/subscriptions/{subscriptionId}/providers/Microsoft.Network/locations/{location}/operations/{operationId}",
        None, &[], &["Microsoft.Network/locations/operations/read"], "provision --subnet-id, cleanup: wait for the private endpoint"),
    ("GET", "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.ContainerService/managedClusters/{managedClusterName}",
        Some(aks::CLUSTERS_VERSION), &[], READ_CLUSTERS, CLUSTER),
    ("GET", "/subscriptions/{subscriptionId}/providers/Microsoft.ContainerService/managedClusters",
        Some(aks::CLUSTERS_VERSION), &[], READ_CLUSTERS, CLUSTER),
    ("GET", "/{scope}/providers/Microsoft.Insights/diagnosticSettings", Some(aks::DIAGNOSTICS_VERSION), &[],
        &["Microsoft.Insights/diagnosticSettings/read"], "collect: where the AKS cluster's audit logs go"),
    ("POST", "/v1/workspaces/{workspaceId}/query", None, &[],
        &["Microsoft.OperationalInsights/workspaces/query/read", "Microsoft.OperationalInsights/workspaces/query/Tables.Custom/read"],
        "upload --verify-arrival: count the rows of the run"),
    ("POST", "/dataCollectionRules/{ruleId}/streams/{stream}", Some(upload::API_VERSION), &[], UPLOAD, "upload"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_follow_from_the_types() {
        assert_eq!(
            path(Kind::Table),
            "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.OperationalInsights/workspaces/{workspaceName}/tables/{tableName}"
        );
        assert_eq!(path(Kind::Role), "/{scope}/providers/Microsoft.Authorization/roleAssignments/{roleAssignmentName}");
    }

    #[test]
    fn no_request_is_listed_twice() {
        let mut all: Vec<_> = azure_calls().into_iter().map(|call| (call.method, call.path)).collect();
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
