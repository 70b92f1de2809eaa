//! What may be done in Azure, as a custom role: every operation of Resource Manager that this tool calls, and no other. What
//! is done to a kind of resource follows from [`Kind`]; what is done besides is listed here.

use serde_json::{Value, json};

use super::kind::Kind;

/// An operation, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its name in Azure, as in <https://learn.microsoft.com/azure/role-based-access-control/resource-provider-operations>.
    pub name: String,
    /// Which verbs use it, and for what.
    pub purpose: &'static str,
    /// Whether it is an operation on data instead of resources.
    pub on_data: bool,
}

/// Name and purpose of what is not reading, writing or deleting a resource.
const OTHERS: &[(&str, &str)] = &[
    ("Microsoft.Resources/subscriptions/read", "provision: find the subscription when none is named"),
    ("Microsoft.Resources/subscriptions/resourceGroups/resources/read", "cleanup: see what else the group holds"),
    ("Microsoft.OperationalInsights/register/action", "provision: register the provider where it is not"),
    ("Microsoft.Insights/register/action", "provision: register the provider where it is not"),
    ("Microsoft.Network/register/action", "provision --subnet-id: register the provider where it is not"),
    ("Microsoft.Resources/subscriptions/providers/read", "provision: wait for the registration"),
    (
        "Microsoft.OperationalInsights/deletedWorkspaces/read",
        "provision: see whether a deleted workspace would come back",
    ),
    ("Microsoft.OperationalInsights/locations/operationStatuses/read", "provision: wait for tables"),
    ("Microsoft.Insights/privateLinkScopeOperationStatuses/read", "provision --private-link: wait for the links"),
    (
        "Microsoft.Insights/privateLinkScopes/privateEndpointConnectionsApproval/action",
        "provision --subnet-id: connect the private endpoint",
    ),
    ("Microsoft.Network/virtualNetworks/join/action", "provision --subnet-id: link the DNS zones to the network"),
    ("Microsoft.Network/virtualNetworks/subnets/join/action", "provision --subnet-id: put the private endpoint there"),
    ("Microsoft.Network/privateDnsZones/join/action", "provision --subnet-id: register the private endpoint"),
    ("Microsoft.OperationalInsights/workspaces/query/read", "upload --verify-arrival: count the rows of the run"),
    (
        "Microsoft.OperationalInsights/workspaces/query/Tables.Custom/read",
        "upload --verify-arrival: count the rows of the run",
    ),
    ("Microsoft.ContainerService/managedClusters/read", "collect: the AKS cluster, its addons and node pools"),
    ("Microsoft.Insights/diagnosticSettings/read", "collect: where the AKS cluster's audit logs go"),
];

/// Every operation: those on resources in the order of their making, then the others.
pub fn operations() -> Vec<Operation> {
    let operation = |name: String, purpose| Operation { name, purpose, on_data: false };
    let mut all = Vec::new();
    for kind in Kind::ALL {
        let (write, delete) = purposes(kind);
        // Resource groups are the one type whose operations have another name.
        let kind = kind.resource_type().replace("Microsoft.Resources/", "Microsoft.Resources/subscriptions/");
        all.push(operation(format!("{kind}/read"), "provision, cleanup: look at what is there"));
        all.push(operation(format!("{kind}/write"), write));
        all.push(operation(format!("{kind}/delete"), delete));
    }
    all.extend(OTHERS.iter().map(|(name, purpose)| operation((*name).to_owned(), purpose)));
    let name = "Microsoft.Insights/Telemetry/Write".to_owned();
    all.push(Operation { name, purpose: "upload", on_data: true });
    all
}

/// What a kind is written and deleted for.
const fn purposes(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::ResourceGroup => ("provision --create-resource-group", "cleanup, when provision made the group"),
        Kind::Workspace => ("provision; not with --workspace-id", "cleanup, when provision made the workspace"),
        Kind::Endpoint => ("provision; not with --dce-id or --endpoint direct", "cleanup"),
        Kind::Table => ("provision; cleanup --keep-tables", "cleanup"),
        Kind::Rule => ("provision", "cleanup"),
        Kind::Role => ("provision; not with --skip-role-assignment", "cleanup"),
        Kind::PrivateLinkScope | Kind::ScopedResource => ("provision --private-link", "cleanup"),
        Kind::DnsZone | Kind::DnsLink | Kind::PrivateEndpoint | Kind::DnsZoneGroup => {
            ("provision --subnet-id", "cleanup")
        }
        Kind::PublicAccess => ("provision --private-link", ""),
    }
}

/// The custom role, in the form that `az role definition create --role-definition FILE` takes. The scope is to be replaced.
pub fn custom_role() -> Value {
    let names = |on_data| -> Vec<_> {
        operations().into_iter().filter(|operation| operation.on_data == on_data).map(|it| it.name).collect()
    };
    json!({
        "Name": "Kubernetes evidence (kubectl-forensys)",
        "IsCustom": true,
        "Description": "Provision Azure Monitor for evidence from Kubernetes clusters, upload it, and read AKS clusters.",
        "Actions": names(false),
        "NotActions": [],
        "DataActions": names(true),
        "NotDataActions": [],
        "AssignableScopes": ["/subscriptions/00000000-0000-0000-0000-000000000000"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_role_mints_no_credential_and_takes_no_wildcard() {
        for operation in operations() {
            assert!(!operation.name.to_ascii_lowercase().contains("listcluster"), "{}", operation.name);
            assert!(!operation.name.contains('*'), "{}", operation.name);
        }
        assert_eq!(custom_role()["DataActions"], json!(["Microsoft.Insights/Telemetry/Write"]));
    }
}
