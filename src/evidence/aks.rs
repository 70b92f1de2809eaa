//! Finding the AKS cluster in Azure and reading what Resource Manager knows of it. Reads only; never asks for a credential
//! of the cluster, which would be logged as such and mint access.
//!
//! The cluster is found by the name of its API server and by the resource group of its nodes, never by parsing names, which
//! are cut and can be chosen. Azure gets [`REACH`] to answer at all; only then is more time spent on it.

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    aks_redact::redacted,
    aks_tables::{addon_rows, cluster_row, diagnostic_rows, node_pool_rows, part},
};
use crate::{
    azure::{Arm, AzureError, SUBSCRIPTIONS_VERSION},
    bundle::{Outcome, State, Unit},
};

/// How long Azure may take to sign in and to answer the first request.
pub const REACH: Duration = Duration::from_secs(5);
/// How long the whole reading may take once Azure has answered.
const READING: Duration = Duration::from_secs(60);
/// Version of the managed clusters API.
pub const CLUSTERS_VERSION: &str = "2026-05-01";
/// Version of the diagnostic settings API.
pub const DIAGNOSTICS_VERSION: &str = "2021-05-01-preview";
/// How AKS names its API servers in the public cloud, for governments and in China.
const SERVERS: &[&str] = &[".azmk8s.io", ".cx.aks.containerservice.azure.us", ".cx.prod.service.azk8s.cn"];

/// What is known of the cluster from Kubernetes' side, and from the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hint {
    /// Host name of the API server.
    pub server_host: String,
    /// `spec.providerID` of nodes; one is enough.
    pub provider_ids: Vec<String>,
    /// Subscription, resource group and name, when the responder gave them.
    pub named: Option<[String; 3]>,
}

/// What Azure says of the cluster.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// The cluster's description, and its diagnostic settings or why there are none.
    Found {
        /// The managed cluster, redacted.
        cluster: Value,
        /// Diagnostic settings, redacted.
        diagnostics: Result<Vec<Value>, String>,
    },
    /// It is not an AKS cluster, or Azure cannot be asked: a note.
    Absent(String),
    /// Azure refused.
    Denied(String),
    /// Azure was there and the reading broke off.
    Failed(String),
}

impl Hint {
    /// Whether anything says that this is AKS. Without that Azure is not asked.
    pub fn is_aks(&self) -> bool {
        self.named.is_some() || self.is_aks_server() || !self.node_groups().is_empty()
    }

    fn is_aks_server(&self) -> bool {
        let host = self.server_host.to_ascii_lowercase();
        SERVERS.iter().any(|suffix| host.ends_with(suffix))
    }

    /// Subscription and resource group of the nodes
    /// (`azure:///subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/…`).
    fn node_groups(&self) -> Vec<(String, String)> {
        let ids = self.provider_ids.iter().filter(|id| id.starts_with("azure://"));
        let mut groups: Vec<_> = ids
            .map(|id| (part(id, "subscriptions").to_ascii_lowercase(), part(id, "resourcegroups").to_ascii_lowercase()))
            .collect();
        // Whoever can write nodes can write anything here, and it becomes a path.
        groups.retain(|(subscription, group)| Uuid::try_parse(subscription).is_ok() && !group.is_empty());
        groups.sort();
        groups.dedup();
        groups
    }

    /// Whether the managed cluster is this one.
    fn matches(&self, cluster: &Value) -> bool {
        let property =
            |name| cluster.pointer(&format!("/properties/{name}")).and_then(Value::as_str).unwrap_or_default();
        let names = ["fqdn", "privateFQDN", "azurePortalFQDN"].map(property);
        let is_server = names.iter().any(|name| !name.is_empty() && name.eq_ignore_ascii_case(&self.server_host));
        let nodes = property("nodeResourceGroup").to_ascii_lowercase();
        is_server || (!nodes.is_empty() && self.node_groups().iter().any(|(_, group)| *group == nodes))
    }
}

/// Reads the cluster's description. Takes at most [`REACH`] when Azure cannot be reached.
pub async fn read(arm: &Arm, hint: &Hint) -> Reading {
    if !hint.is_aks() {
        return Reading::Absent(
            "this is no AKS cluster: neither the API server's name nor the nodes say so".to_owned(),
        );
    }
    let first = hint.named.as_ref().map(|[subscription, ..]| subscription.to_ascii_lowercase());
    let first = first.or_else(|| hint.node_groups().first().map(|(subscription, _)| subscription.clone()));
    let door = first.map_or_else(|| "/subscriptions".to_owned(), |first| format!("/subscriptions/{first}"));
    let eager = arm.clone().without_repeats();
    match timeout(REACH, eager.get(&door, SUBSCRIPTIONS_VERSION)).await {
        Err(_) => return Reading::Absent(format!("Azure did not answer within {} s", REACH.as_secs())),
        Ok(Err(error @ (AzureError::Unreachable { .. } | AzureError::SignIn(_)))) => {
            return Reading::Absent(error.to_string());
        }
        // Whether the subscription itself may be read does not matter.
        Ok(_) => {}
    }
    match timeout(READING, find(arm, hint)).await {
        Ok(Ok(reading)) => reading,
        Ok(Err(error)) => refused(&error),
        Err(_) => Reading::Failed(format!("Azure Resource Manager did not finish within {} s", READING.as_secs())),
    }
}

async fn find(arm: &Arm, hint: &Hint) -> Result<Reading, AzureError> {
    let Some(cluster) = find_cluster(arm, hint).await? else {
        return Ok(Reading::Absent("the identity sees no AKS cluster with this API server or these nodes".to_owned()));
    };
    let id = cluster.get("id").and_then(Value::as_str).unwrap_or_default();
    let settings =
        arm.list(&format!("{id}/providers/Microsoft.Insights/diagnosticSettings"), DIAGNOSTICS_VERSION).await;
    let diagnostics = settings.map(|all| all.iter().map(redacted).collect()).map_err(|error| error.to_string());
    Ok(Reading::Found { cluster: redacted(&cluster), diagnostics })
}

async fn find_cluster(arm: &Arm, hint: &Hint) -> Result<Option<Value>, AzureError> {
    if let Some([subscription, group, name]) = &hint.named {
        let below = format!("/subscriptions/{subscription}/resourceGroups/{group}");
        return arm
            .get(&format!("{below}/providers/Microsoft.ContainerService/managedClusters/{name}"), CLUSTERS_VERSION)
            .await;
    }
    let mut subscriptions: Vec<_> = hint.node_groups().into_iter().map(|(subscription, _)| subscription).collect();
    if subscriptions.is_empty() {
        let all = arm.list("/subscriptions", SUBSCRIPTIONS_VERSION).await?;
        let id = |item: &Value| item.get("subscriptionId").and_then(Value::as_str).map(str::to_owned);
        subscriptions = all.iter().filter_map(id).collect();
    }
    subscriptions.dedup();
    for subscription in subscriptions {
        let path = format!("/subscriptions/{subscription}/providers/Microsoft.ContainerService/managedClusters");
        let clusters = arm.list(&path, CLUSTERS_VERSION).await?;
        if let Some(cluster) = clusters.into_iter().find(|cluster| hint.matches(cluster)) {
            return Ok(Some(cluster));
        }
    }
    Ok(None)
}

fn refused(error: &AzureError) -> Reading {
    match error.status() {
        Some(401 | 403) => Reading::Denied(format!(
            "{error}; needed: Microsoft.ContainerService/managedClusters/read and Microsoft.Insights/diagnosticSettings/read"
        )),
        _ => Reading::Failed(error.to_string()),
    }
}

impl Reading {
    /// Writes the rows, and what Azure said, into the unit.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn emit(&self, unit: &mut Unit) -> anyhow::Result<()> {
        let Self::Found { cluster, diagnostics } = self else { return Ok(()) };
        unit.raw("managedclusters", &serde_json::to_vec(cluster)?)?;
        let row = cluster_row(cluster);
        unit.push(&row, row.created_at)?;
        addon_rows(cluster).iter().try_for_each(|row| unit.push(row, None))?;
        node_pool_rows(cluster).iter().try_for_each(|row| unit.push(row, None))?;
        let settings = diagnostics.as_deref().unwrap_or_default();
        for setting in settings {
            unit.raw("diagnosticsettings", &serde_json::to_vec(setting)?)?;
        }
        diagnostic_rows(cluster, settings).iter().try_for_each(|row| unit.push(row, None))
    }

    /// How the unit ends.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Found { diagnostics: Ok(_), .. } => Outcome::complete(),
            Self::Found { diagnostics: Err(why), .. } => {
                Outcome::new(State::Truncated, format!("the diagnostic settings are missing: {why}"))
            }
            Self::Absent(why) => Outcome::new(State::Unsupported, why.clone()),
            Self::Denied(why) => Outcome::new(State::Denied, why.clone()),
            Self::Failed(why) => Outcome::new(State::Failed, why.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NODE: &str = "azure:///subscriptions/33333333-3333-3333-3333-33333333333A/resourceGroups/mc_prod/providers/Microsoft.Compute/virtualMachineScaleSets/x/virtualMachines/0";

    #[test]
    fn only_signs_of_aks_lead_to_azure() {
        let host = |server_host: &str| Hint { server_host: server_host.into(), ..Hint::default() };
        assert!(host("prod-1.hcp.westeurope.AZMK8S.io").is_aks());
        assert!(!host("azmk8s.io.example.net").is_aks() && !host("10.0.0.1").is_aks());
        assert!(Hint { provider_ids: vec![NODE.into()], ..Hint::default() }.is_aks());
        for other in ["aws:///eu-1/i-1", "azure:///subscriptions/../resourceGroups/g/x"] {
            assert!(!Hint { provider_ids: vec![other.into()], ..Hint::default() }.is_aks(), "{other}");
        }
    }

    #[test]
    fn a_cluster_is_known_by_its_server_or_by_its_nodes_in_any_case() {
        let hint = Hint { server_host: "P.privatelink.azmk8s.io".into(), provider_ids: vec![NODE.into()], named: None };
        let cluster = |properties| json!({"properties": properties});
        assert!(hint.matches(&cluster(json!({"privateFQDN": "p.privatelink.azmk8s.io"}))));
        assert!(hint.matches(&cluster(json!({"nodeResourceGroup": "MC_Prod"}))));
        assert!(!hint.matches(&cluster(json!({"nodeResourceGroup": "", "fqdn": ""}))));
    }
}
