//! The AKS cluster as Azure Resource Manager describes it: rows from its JSON. Pure.
//!
//! Columns follow <https://learn.microsoft.com/rest/api/aks/managed-clusters/get>. Objects keep Azure's own keys, as JSON
//! text, after `redacted`.

use jiff::Timestamp;
use serde_json::Value;

use super::{aks_redact::redacted, identity};

crate::table! {
    /// The AKS cluster: versions, identity, exposure and protection.
    "akscluster_CL": AksClusterRow {
        /// Azure resource id.
        [key] cluster_id: String,
        /// Name.
        cluster_name: String,
        /// Resource group.
        resource_group: String,
        /// Subscription.
        subscription_id: String,
        /// Region.
        location: Option<String>,
        /// Version that was asked for.
        kubernetes_version: Option<String>,
        /// Version that runs.
        current_kubernetes_version: Option<String>,
        /// Public name of the API server.
        fqdn: Option<String>,
        /// Private name of the API server.
        private_fqdn: Option<String>,
        /// Resource group of the nodes.
        node_resource_group: Option<String>,
        /// Id that never comes back, not even when a cluster of the same name does.
        resource_uid: Option<String>,
        /// State of the last change.
        provisioning_state: Option<String>,
        /// Whether it runs.
        power_state: Option<String>,
        /// Whether Kubernetes RBAC is on.
        enable_rbac: Option<bool>,
        /// Whether local accounts (the certificate of the cluster's admin) are off.
        disable_local_accounts: Option<bool>,
        /// Whether Microsoft Entra signs users in.
        aad_managed: Option<bool>,
        /// Whether Azure roles decide within Kubernetes.
        enable_azure_rbac: Option<bool>,
        /// Entra groups that are cluster admins (JSON array).
        admin_group_object_ids: Option<String>,
        /// Entra tenant of the users.
        aad_tenant_id: Option<String>,
        /// Addresses that may reach the API server (JSON array); absent means all.
        authorized_ip_ranges: Option<String>,
        /// Whether the API server has a private address only.
        enable_private_cluster: Option<bool>,
        /// Whether commands through Azure (`az aks command invoke`) are off.
        disable_run_command: Option<bool>,
        /// Whether the API server is open to the Internet.
        public_network_access: Option<String>,
        /// Network plugin.
        network_plugin: Option<String>,
        /// What enforces network policies; absent means nothing does.
        network_policy: Option<String>,
        /// How traffic leaves.
        outbound_type: Option<String>,
        /// The whole network profile (JSON).
        network_profile: Option<String>,
        /// Whether Microsoft Defender watches.
        defender_enabled: Option<bool>,
        /// Workspace that Defender reports to.
        defender_workspace_id: Option<String>,
        /// The whole security profile (JSON).
        security_profile: Option<String>,
        /// Whether workload identity is on.
        workload_identity_enabled: Option<bool>,
        /// Issuer of service account tokens that other clouds may trust.
        oidc_issuer_url: Option<String>,
        /// Pod identity (JSON).
        pod_identity_profile: Option<String>,
        /// Identity of the control plane (JSON).
        identity: Option<String>,
        /// Identities of the kubelets (JSON).
        identity_profile: Option<String>,
        /// Application of the cluster; `msi` when it has an identity instead.
        service_principal_client_id: Option<String>,
        /// Automatic upgrades (JSON).
        auto_upgrade_profile: Option<String>,
        /// HTTP proxy, without its credentials (JSON).
        http_proxy_config: Option<String>,
        /// Ingress (JSON).
        ingress_profile: Option<String>,
        /// Service mesh (JSON).
        service_mesh_profile: Option<String>,
        /// Azure Monitor (JSON).
        azure_monitor_profile: Option<String>,
        /// Edition and tier (JSON).
        sku: Option<String>,
        /// Tags (JSON object).
        tags: Option<String>,
        /// Who made and last changed it, as Azure recorded (JSON).
        system_data: Option<String>,
        /// When it was created.
        created_at: Option<Timestamp>,
    }
}

crate::table! {
    /// Addons of the AKS cluster, those that are off included.
    "aksaddons_CL": AksAddonRow {
        /// Azure resource id of the cluster.
        [key] cluster_id: String,
        /// Name of the cluster.
        cluster_name: String,
        /// Resource group of the cluster.
        resource_group: String,
        /// Subscription of the cluster.
        subscription_id: String,
        /// Name of the addon, such as `omsagent` or `azurepolicy`.
        [key] addon_name: String,
        /// Whether it is on.
        enabled: Option<bool>,
        /// Its configuration, without secrets (JSON).
        config: Option<String>,
        /// Client id of its identity.
        identity_client_id: Option<String>,
        /// Object id of its identity.
        identity_object_id: Option<String>,
    }
}

crate::table! {
    /// Node pools of the AKS cluster.
    "aksnodepools_CL": AksNodePoolRow {
        /// Azure resource id of the cluster.
        [key] cluster_id: String,
        /// Name of the cluster.
        cluster_name: String,
        /// Name of the pool.
        [key] pool_name: String,
        /// `System` or `User`.
        mode: Option<String>,
        /// Number of nodes.
        node_count: Option<i64>,
        /// Size of the machines.
        vm_size: Option<String>,
        /// Operating system.
        os_type: Option<String>,
        /// Distribution.
        os_sku: Option<String>,
        /// Kubernetes version that was asked for.
        orchestrator_version: Option<String>,
        /// Kubernetes version that runs.
        current_orchestrator_version: Option<String>,
        /// Image of the nodes.
        node_image_version: Option<String>,
        /// Whether nodes have public addresses.
        enable_node_public_ip: Option<bool>,
        /// Whether disks are encrypted on the host.
        enable_encryption_at_host: Option<bool>,
        /// Whether FIPS is on.
        enable_fips: Option<bool>,
        /// How SSH to the nodes is allowed.
        ssh_access: Option<String>,
        /// Whether nodes boot signed software only.
        enable_secure_boot: Option<bool>,
        /// Whether nodes have a virtual TPM.
        enable_vtpm: Option<bool>,
        /// Labels of the nodes (JSON object).
        node_labels: Option<String>,
        /// Taints of the nodes (JSON array).
        node_taints: Option<String>,
        /// Subnet of the nodes.
        vnet_subnet_id: Option<String>,
        /// Subnet of the pods.
        pod_subnet_id: Option<String>,
        /// Changes to the kubelet's configuration (JSON).
        kubelet_config: Option<String>,
        /// Changes to the nodes' operating system (JSON).
        linux_os_config: Option<String>,
        /// Snapshot that the nodes are made from (JSON).
        creation_data: Option<String>,
        /// `Regular` or `Spot`.
        scale_set_priority: Option<String>,
        /// State of the last change.
        provisioning_state: Option<String>,
        /// Whether it runs.
        power_state: Option<String>,
    }
}

crate::table! {
    /// Where the AKS cluster's own logs go, the audit log of its API server among them. No row means that Azure keeps none.
    "aksdiagnostics_CL": AksDiagnosticRow {
        /// Azure resource id of the cluster.
        [key] cluster_id: String,
        /// Name of the cluster.
        cluster_name: String,
        /// Name of the diagnostic setting.
        [key] setting_name: String,
        /// Category, such as `kube-audit`, or group of categories, such as `allLogs`.
        [key] category: String,
        /// `category` or `categoryGroup`.
        category_kind: String,
        /// Whether it is on.
        enabled: Option<bool>,
        /// Whether records of the API server's audit log go there.
        [derived] has_audit_log: bool,
        /// Log Analytics workspace.
        workspace_id: Option<String>,
        /// Tables in the workspace: `Dedicated` for AKSAudit, AKSAuditAdmin and AKSControlPlane, else AzureDiagnostics.
        log_analytics_destination_type: Option<String>,
        /// Storage account.
        storage_account_id: Option<String>,
        /// Event hub's authorization rule.
        event_hub_authorization_rule_id: Option<String>,
        /// Event hub.
        event_hub_name: Option<String>,
        /// Partner solution.
        marketplace_partner_id: Option<String>,
    }
}

/// The row of a cluster, with the time of its creation.
pub fn cluster_row(cluster: &Value) -> AksClusterRow {
    let at = Fields(cluster);
    let id = at.text("/id").unwrap_or_default();
    AksClusterRow {
        cluster_name: at.text("/name").unwrap_or_default(),
        resource_group: part(&id, "resourcegroups"),
        subscription_id: part(&id, "subscriptions"),
        cluster_id: id,
        location: at.text("/location"),
        kubernetes_version: at.property("kubernetesVersion"),
        current_kubernetes_version: at.property("currentKubernetesVersion"),
        fqdn: at.property("fqdn"),
        private_fqdn: at.property("privateFQDN"),
        node_resource_group: at.property("nodeResourceGroup"),
        resource_uid: at.property("resourceUID"),
        provisioning_state: at.property("provisioningState"),
        power_state: at.property("powerState/code"),
        enable_rbac: at.flag("enableRBAC"),
        disable_local_accounts: at.flag("disableLocalAccounts"),
        aad_managed: at.flag("aadProfile/managed"),
        enable_azure_rbac: at.flag("aadProfile/enableAzureRBAC"),
        admin_group_object_ids: at.json("/properties/aadProfile/adminGroupObjectIDs"),
        aad_tenant_id: at.property("aadProfile/tenantID"),
        authorized_ip_ranges: at.json("/properties/apiServerAccessProfile/authorizedIPRanges"),
        enable_private_cluster: at.flag("apiServerAccessProfile/enablePrivateCluster"),
        disable_run_command: at.flag("apiServerAccessProfile/disableRunCommand"),
        public_network_access: at.property("publicNetworkAccess"),
        network_plugin: at.property("networkProfile/networkPlugin"),
        network_policy: at.property("networkProfile/networkPolicy"),
        outbound_type: at.property("networkProfile/outboundType"),
        network_profile: at.json("/properties/networkProfile"),
        defender_enabled: at.flag("securityProfile/defender/securityMonitoring/enabled"),
        defender_workspace_id: at.property("securityProfile/defender/logAnalyticsWorkspaceResourceId"),
        security_profile: at.json("/properties/securityProfile"),
        workload_identity_enabled: at.flag("securityProfile/workloadIdentity/enabled"),
        oidc_issuer_url: at.property("oidcIssuerProfile/issuerURL"),
        pod_identity_profile: at.json("/properties/podIdentityProfile"),
        identity: at.json("/identity"),
        identity_profile: at.json("/properties/identityProfile"),
        service_principal_client_id: at.property("servicePrincipalProfile/clientId"),
        auto_upgrade_profile: at.json("/properties/autoUpgradeProfile"),
        http_proxy_config: at.json("/properties/httpProxyConfig"),
        ingress_profile: at.json("/properties/ingressProfile"),
        service_mesh_profile: at.json("/properties/serviceMeshProfile"),
        azure_monitor_profile: at.json("/properties/azureMonitorProfile"),
        sku: at.json("/sku"),
        tags: at.json("/tags"),
        system_data: at.json("/systemData"),
        created_at: at.text("/systemData/createdAt").and_then(|time| time.parse().ok()),
    }
}

/// The rows of a cluster's addons.
pub fn addon_rows(cluster: &Value) -> Vec<AksAddonRow> {
    let AksClusterRow { cluster_id, cluster_name, resource_group, subscription_id, .. } = cluster_row(cluster);
    let addons = cluster.pointer("/properties/addonProfiles").and_then(Value::as_object);
    let row = |(name, addon): (&String, &Value)| {
        let at = Fields(addon);
        AksAddonRow {
            cluster_id: cluster_id.clone(),
            cluster_name: cluster_name.clone(),
            resource_group: resource_group.clone(),
            subscription_id: subscription_id.clone(),
            addon_name: name.clone(),
            enabled: addon.get("enabled").and_then(Value::as_bool),
            config: at.json("/config"),
            identity_client_id: at.text("/identity/clientId"),
            identity_object_id: at.text("/identity/objectId"),
        }
    };
    addons.into_iter().flatten().map(row).collect()
}

/// The rows of a cluster's node pools.
pub fn node_pool_rows(cluster: &Value) -> Vec<AksNodePoolRow> {
    let AksClusterRow { cluster_id, cluster_name, .. } = cluster_row(cluster);
    let pools = cluster.pointer("/properties/agentPoolProfiles").and_then(Value::as_array);
    let row = |pool: &Value| {
        let at = Fields(pool);
        let flag = |pointer: &str| pool.pointer(pointer).and_then(Value::as_bool);
        AksNodePoolRow {
            cluster_id: cluster_id.clone(),
            cluster_name: cluster_name.clone(),
            pool_name: at.text("/name").unwrap_or_default(),
            mode: at.text("/mode"),
            node_count: pool.get("count").and_then(Value::as_i64),
            vm_size: at.text("/vmSize"),
            os_type: at.text("/osType"),
            os_sku: at.text("/osSKU"),
            orchestrator_version: at.text("/orchestratorVersion"),
            current_orchestrator_version: at.text("/currentOrchestratorVersion"),
            node_image_version: at.text("/nodeImageVersion"),
            enable_node_public_ip: flag("/enableNodePublicIP"),
            enable_encryption_at_host: flag("/enableEncryptionAtHost"),
            enable_fips: flag("/enableFIPS"),
            ssh_access: at.text("/securityProfile/sshAccess"),
            enable_secure_boot: flag("/securityProfile/enableSecureBoot"),
            enable_vtpm: flag("/securityProfile/enableVTPM"),
            node_labels: at.json("/nodeLabels"),
            node_taints: at.json("/nodeTaints"),
            vnet_subnet_id: at.text("/vnetSubnetID"),
            pod_subnet_id: at.text("/podSubnetID"),
            kubelet_config: at.json("/kubeletConfig"),
            linux_os_config: at.json("/linuxOSConfig"),
            creation_data: at.json("/creationData"),
            scale_set_priority: at.text("/scaleSetPriority"),
            provisioning_state: at.text("/provisioningState"),
            power_state: at.text("/powerState/code"),
        }
    };
    pools.into_iter().flatten().map(row).collect()
}

/// The rows of a cluster's diagnostic settings, one for each category of logs in each setting.
pub fn diagnostic_rows(cluster: &Value, settings: &[Value]) -> Vec<AksDiagnosticRow> {
    let AksClusterRow { cluster_id, cluster_name, .. } = cluster_row(cluster);
    let mut rows = Vec::new();
    for setting in settings {
        let at = Fields(setting);
        for log in setting.pointer("/properties/logs").and_then(Value::as_array).into_iter().flatten() {
            let field = |name| log.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
            let group = field("categoryGroup");
            let category = field("category").or(group).unwrap_or_default();
            let enabled = log.get("enabled").and_then(Value::as_bool);
            rows.push(AksDiagnosticRow {
                cluster_id: cluster_id.clone(),
                cluster_name: cluster_name.clone(),
                setting_name: at.text("/name").unwrap_or_default(),
                category: category.to_owned(),
                category_kind: if field("category").is_some() { "category" } else { "categoryGroup" }.to_owned(),
                enabled,
                has_audit_log: enabled == Some(true) && is_audit(category),
                workspace_id: at.property("workspaceId"),
                log_analytics_destination_type: at.property("logAnalyticsDestinationType"),
                storage_account_id: at.property("storageAccountId"),
                event_hub_authorization_rule_id: at.property("eventHubAuthorizationRuleId"),
                event_hub_name: at.property("eventHubName"),
                marketplace_partner_id: at.property("marketplacePartnerId"),
            });
        }
    }
    rows
}

fn is_audit(category: &str) -> bool {
    ["kube-audit", "kube-audit-admin", "allLogs", "audit"].iter().any(|audit| category.eq_ignore_ascii_case(audit))
}

/// The part of a resource id after a name: `resourcegroups` of `/subscriptions/s/resourceGroups/g/…` is `g`.
pub(super) fn part(id: &str, name: &str) -> String {
    let mut parts = id.split('/');
    parts.find(|part| part.eq_ignore_ascii_case(name)).and_then(|_| parts.next()).unwrap_or_default().to_owned()
}

/// Fields of a JSON object by pointer.
struct Fields<'a>(&'a Value);

impl Fields<'_> {
    fn text(&self, pointer: &str) -> Option<String> {
        self.0.pointer(pointer)?.as_str().map(str::to_owned)
    }

    fn property(&self, path: &str) -> Option<String> {
        self.text(&format!("/properties/{path}"))
    }

    fn flag(&self, path: &str) -> Option<bool> {
        self.0.pointer(&format!("/properties/{path}"))?.as_bool()
    }

    fn json(&self, pointer: &str) -> Option<String> {
        identity::json(&redacted(self.0.pointer(pointer)?))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cluster() -> Value {
        json!({
            "id": "/subscriptions/sub-1/resourcegroups/prod-rg/providers/Microsoft.ContainerService/managedClusters/prod",
            "name": "prod", "location": "westeurope", "systemData": {"createdAt": "2026-01-02T03:04:05.678Z"},
            "properties": {
                "kubernetesVersion": "1.34", "disableLocalAccounts": false,
                "aadProfile": {"managed": true, "adminGroupObjectIDs": ["g-1"], "serverAppSecret": "hunter2"},
                "apiServerAccessProfile": {"authorizedIPRanges": []},
                "addonProfiles": {
                    "omsagent": {"enabled": true, "config": {"logAnalyticsWorkspaceResourceID": "/w"},
                        "identity": {"clientId": "c-1", "objectId": "o-1"}},
                    "azurepolicy": {"enabled": false, "config": null}},
                "agentPoolProfiles": [{"name": "system", "count": 3, "enableNodePublicIP": true, "nodeTaints": ["a=b:NoSchedule"]}],
            },
        })
    }

    #[test]
    fn a_cluster_says_where_it_is_and_how_it_is_protected() {
        let row = cluster_row(&cluster());
        assert_eq!((row.subscription_id.as_str(), row.resource_group.as_str()), ("sub-1", "prod-rg"));
        assert_eq!(row.disable_local_accounts, Some(false));
        assert_eq!(row.admin_group_object_ids.as_deref(), Some(r#"["g-1"]"#));
        assert_eq!(row.authorized_ip_ranges, None);
        assert_eq!(row.created_at.map(|time| time.to_string()).as_deref(), Some("2026-01-02T03:04:05.678Z"));
    }

    #[test]
    fn addons_that_are_off_are_rows_too() {
        let rows = addon_rows(&cluster());
        let seen: Vec<_> = rows.iter().map(|row| (row.addon_name.as_str(), row.enabled)).collect();
        assert_eq!(seen, [("azurepolicy", Some(false)), ("omsagent", Some(true))]);
        assert_eq!(rows.last().and_then(|row| row.identity_object_id.as_deref()), Some("o-1"));
    }

    #[test]
    fn node_pools_show_public_addresses_and_taints() {
        let rows = node_pool_rows(&cluster());
        assert_eq!(rows.first().map(|row| (row.enable_node_public_ip, row.node_count)), Some((Some(true), Some(3))));
    }

    #[test]
    fn diagnostics_tell_whether_the_audit_log_is_kept() {
        let settings = [json!({"name": "d", "properties": {"workspaceId": "/w", "logs": [
            {"category": "kube-audit", "enabled": false}, {"category": null, "categoryGroup": "allLogs", "enabled": true}]}})];
        let rows = diagnostic_rows(&cluster(), &settings);
        let seen: Vec<_> = rows.iter().map(|row| (row.category.as_str(), row.has_audit_log)).collect();
        assert_eq!(seen, [("kube-audit", false), ("allLogs", true)]);
    }

    #[test]
    fn nothing_is_made_up_for_a_cluster_that_says_nothing() {
        assert_eq!(cluster_row(&json!({})), AksClusterRow::default());
        assert!(addon_rows(&json!({})).is_empty() && node_pool_rows(&json!([])).is_empty());
    }
}
