//! The recorded cluster as Azure Resource Manager would describe it (managed clusters 2026-05-01, diagnostic settings
//! 2021-05-01-preview).

use serde_json::{Value, json};

/// Resource group of the cluster.
pub const RESOURCE_GROUP: &str = "shop-rg";
/// Name of the cluster.
pub const NAME: &str = "shop";

fn id(subscription: &str) -> String {
    format!(
        "/subscriptions/{subscription}/resourceGroups/{RESOURCE_GROUP}/providers/Microsoft.ContainerService/managedClusters/{NAME}"
    )
}

/// The cluster: local accounts work, its API server is open to everyone, no network policy is enforced.
pub fn managed_cluster(subscription: &str) -> Value {
    json!({
        "id": id(subscription),
        "name": NAME,
        "type": "Microsoft.ContainerService/ManagedClusters",
        "location": "westeurope",
        "tags": {"team": "shop"},
        "identity": {"type": "SystemAssigned"},
        "sku": {"name": "Base", "tier": "Free"},
        "properties": {
            "provisioningState": "Succeeded",
            "powerState": {"code": "Running"},
            "kubernetesVersion": "1.34",
            "currentKubernetesVersion": "1.34.2",
            "dnsPrefix": "shop",
            "fqdn": "shop-x1y2z3.hcp.westeurope.azmk8s.io",
            "nodeResourceGroup": "MC_shop-rg_shop_westeurope",
            "enableRBAC": true,
            "disableLocalAccounts": false,
            "apiServerAccessProfile": {"enablePrivateCluster": false},
            "networkProfile": {"networkPlugin": "azure", "networkPolicy": "none", "outboundType": "loadBalancer"},
            "addonProfiles": {
                "azurepolicy": {"enabled": false},
                "omsagent": {"enabled": false},
            },
            "agentPoolProfiles": [{
                "name": "nodes",
                "mode": "System",
                "count": 2,
                "vmSize": "Standard_D2s_v5",
                "osType": "Linux",
                "osSKU": "Ubuntu",
                "orchestratorVersion": "1.34",
                "currentOrchestratorVersion": "1.34.2",
                "provisioningState": "Succeeded",
                "powerState": {"code": "Running"},
                "enableNodePublicIP": false,
            }],
        },
    })
}

/// The one diagnostic setting: the audit log of the API server is not among what it sends.
pub fn diagnostic_setting(subscription: &str) -> Value {
    json!({
        "id": format!("{}/providers/microsoft.insights/diagnosticSettings/operations", id(subscription)),
        "name": "operations",
        "type": "Microsoft.Insights/diagnosticSettings",
        "properties": {
            "workspaceId": format!(
                "/subscriptions/{subscription}/resourceGroups/{RESOURCE_GROUP}/providers/Microsoft.OperationalInsights/workspaces/operations"
            ),
            "logs": [
                {"category": "kube-apiserver", "enabled": true},
                {"category": "kube-audit", "enabled": false},
                {"category": "kube-audit-admin", "enabled": false},
            ],
            "metrics": [{"category": "AllMetrics", "enabled": true}],
        },
    })
}
