//! What may be done in Azure, as a custom role: every operation of Resource Manager that this tool calls, and no other.

use serde_json::{Value, json};

/// An operation, and what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its name in Azure, as in <https://learn.microsoft.com/azure/role-based-access-control/resource-provider-operations>.
    pub name: &'static str,
    /// Which verbs use it, and for what.
    pub purpose: &'static str,
    /// Whether it is an operation on data instead of resources.
    pub on_data: bool,
}

const fn operation(name: &'static str, purpose: &'static str) -> Operation {
    Operation { name, purpose, on_data: false }
}

/// Every operation, in the order of use.
pub const OPERATIONS: &[Operation] = &[
    operation("Microsoft.Resources/subscriptions/read", "provision: find the subscription when none is named"),
    operation(
        "Microsoft.Resources/subscriptions/resourceGroups/read",
        "provision, cleanup: look at the resource group",
    ),
    operation("Microsoft.Resources/subscriptions/resourceGroups/write", "provision --create-resource-group"),
    operation(
        "Microsoft.Resources/subscriptions/resourceGroups/resources/read",
        "cleanup: see what else the group holds",
    ),
    operation("Microsoft.Resources/subscriptions/resourceGroups/delete", "cleanup, when provision made the group"),
    operation("Microsoft.OperationalInsights/register/action", "provision: register the provider where it is not"),
    operation("Microsoft.Insights/register/action", "provision: register the provider where it is not"),
    operation("Microsoft.Resources/subscriptions/providers/read", "provision: wait for the registration"),
    operation("Microsoft.OperationalInsights/workspaces/read", "provision"),
    operation("Microsoft.OperationalInsights/workspaces/write", "provision"),
    operation("Microsoft.OperationalInsights/workspaces/delete", "cleanup, when provision made the workspace"),
    operation("Microsoft.OperationalInsights/workspaces/tables/read", "provision"),
    operation("Microsoft.OperationalInsights/workspaces/tables/write", "provision"),
    operation("Microsoft.OperationalInsights/workspaces/tables/delete", "cleanup"),
    operation("Microsoft.OperationalInsights/locations/operationStatuses/read", "provision: wait for tables"),
    operation("Microsoft.Insights/dataCollectionEndpoints/read", "provision"),
    operation("Microsoft.Insights/dataCollectionEndpoints/write", "provision"),
    operation("Microsoft.Insights/dataCollectionEndpoints/delete", "cleanup"),
    operation("Microsoft.Insights/dataCollectionRules/read", "provision"),
    operation("Microsoft.Insights/dataCollectionRules/write", "provision"),
    operation("Microsoft.Insights/dataCollectionRules/delete", "cleanup"),
    operation("Microsoft.Authorization/roleAssignments/read", "provision"),
    operation("Microsoft.Authorization/roleAssignments/write", "provision; not with --skip-role-assignment"),
    operation("Microsoft.Authorization/roleAssignments/delete", "cleanup"),
    operation("Microsoft.ContainerService/managedClusters/read", "collect: the AKS cluster, its addons and node pools"),
    operation("Microsoft.Insights/diagnosticSettings/read", "collect: where the AKS cluster's audit logs go"),
    Operation { name: "Microsoft.Insights/Telemetry/Write", purpose: "upload", on_data: true },
];

/// The custom role, in the form that `az role definition create --role-definition FILE` takes. The scope is to be replaced.
pub fn custom_role() -> Value {
    let names = |on_data| -> Vec<_> {
        OPERATIONS.iter().filter(|operation| operation.on_data == on_data).map(|operation| operation.name).collect()
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
        for operation in OPERATIONS {
            assert!(!operation.name.to_ascii_lowercase().contains("listcluster"), "{}", operation.name);
            assert!(!operation.name.contains('*'), "{}", operation.name);
        }
        assert_eq!(custom_role()["DataActions"], json!(["Microsoft.Insights/Telemetry/Write"]));
    }
}
