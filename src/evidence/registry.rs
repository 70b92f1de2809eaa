//! Every source, table, list and right in one place. What the README, the RBAC rules and the schema say is read from here.

use super::{
    Listing,
    aks_tables::{AksAddonRow, AksClusterRow, AksDiagnosticRow, AksNodePoolRow},
    command_history::HistoryRow,
    containers::ContainerRow,
    cron_jobs::{CronJobRow, CronJobs},
    events::{EventRow, Events},
    log_lines::LogRow,
    network_policies::{NetworkPolicies, NetworkPolicyRow},
    permissions::PermissionRow,
    pods::{PodRow, Pods},
    rbac_bindings::{BindingRow, ClusterRoleBindings, RoleBindings},
    run_report::{GapRow, RunRow},
    service_accounts::{ServiceAccountRow, ServiceAccounts},
    suspicious_pods::SuspiciousPodRow,
};
use crate::{
    cluster::{Level, Resource},
    table::{Row, Table},
};

/// A kind of evidence that can be chosen with `--only` and left out with `--skip`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lowercase")]
pub enum Source {
    /// Cluster events
    Events,
    /// Container logs
    Logs,
    /// Shell history, read through exec
    History,
    /// Pods and their containers
    Pods,
    /// Pods with dangerous settings
    SuspiciousPods,
    /// Service accounts
    ServiceAccounts,
    /// Role bindings and cluster role bindings
    Rbac,
    /// Cron jobs
    CronJobs,
    /// Network policies
    NetworkPolicies,
    /// The AKS cluster as Azure Resource Manager describes it
    Aks,
}

impl Source {
    /// Every source, in the order of volatility.
    pub const ALL: [Self; 10] = [
        Self::Events,
        Self::Logs,
        Self::History,
        Self::Pods,
        Self::SuspiciousPods,
        Self::ServiceAccounts,
        Self::Rbac,
        Self::CronJobs,
        Self::NetworkPolicies,
        Self::Aks,
    ];

    /// Its name on the command line, in the journal and in the gaps.
    pub fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Logs => "logs",
            Self::History => "history",
            Self::Pods => "pods",
            Self::SuspiciousPods => "suspiciouspods",
            Self::ServiceAccounts => "serviceaccounts",
            Self::Rbac => "rbac",
            Self::CronJobs => "cronjobs",
            Self::NetworkPolicies => "networkpolicies",
            Self::Aks => "aks",
        }
    }

    /// Whether the source needs the list of pods.
    pub fn needs_pods(self) -> bool {
        matches!(self, Self::Logs | Self::History | Self::Pods | Self::SuspiciousPods)
    }
}

/// The lists, in the order of volatility. Pods come by themselves: they feed logs and history, too.
pub static LISTINGS: &[&dyn Listing] =
    &[&Events, &ServiceAccounts, &RoleBindings, &ClusterRoleBindings, &CronJobs, &NetworkPolicies];

/// The list of pods.
pub static PODS: &dyn Listing = &Pods { suspicious: true };

/// Every table, in the order of the README.
pub fn tables() -> Vec<&'static Table> {
    vec![
        LogRow::TABLE,
        EventRow::TABLE,
        HistoryRow::TABLE,
        ServiceAccountRow::TABLE,
        SuspiciousPodRow::TABLE,
        BindingRow::TABLE,
        CronJobRow::TABLE,
        NetworkPolicyRow::TABLE,
        PodRow::TABLE,
        ContainerRow::TABLE,
        AksClusterRow::TABLE,
        AksNodePoolRow::TABLE,
        AksAddonRow::TABLE,
        AksDiagnosticRow::TABLE,
        RunRow::TABLE,
        GapRow::TABLE,
        PermissionRow::TABLE,
    ]
}

/// The namespaces of the cluster.
pub const NAMESPACES: Resource =
    Resource { group: "", version: "v1", plural: "namespaces", kind: "Namespace", namespaced: false };
/// The nodes of the cluster.
pub const NODES: Resource = Resource { group: "", version: "v1", plural: "nodes", kind: "Node", namespaced: false };

/// A right that collecting uses: one verb on one resource. Reviews, roles and the README follow from these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// What it is for, which is what is missing without it.
    pub purpose: &'static str,
    /// The verb, as in RBAC rules.
    pub verb: &'static str,
    /// The resource.
    pub resource: Resource,
    /// Its subresource; empty for the resource itself.
    pub subresource: &'static str,
    /// The level that needs it.
    pub level: Level,
    /// The sources that need it; none where every collection does.
    pub sources: Vec<Source>,
}

impl Access {
    /// The resource as it stands in an RBAC rule: `pods`, `pods/log`.
    pub fn rule_name(&self) -> String {
        match self.subresource {
            "" => self.resource.plural.to_owned(),
            subresource => format!("{}/{subresource}", self.resource.plural),
        }
    }

    /// The same with its group, as kubectl writes it: `cronjobs.batch`.
    pub fn full_name(&self) -> String {
        let group = if self.resource.group.is_empty() { "" } else { "." };
        format!("{}{group}{}", self.rule_name(), self.resource.group)
    }
}

/// Every right: those of the lists and watches, of logs, and of the levels beyond [`Level::Core`].
pub fn access() -> Vec<Access> {
    let pods = PODS.resource();
    let right = |level, verb, resource, subresource, purpose, sources: &[Source]| Access {
        purpose,
        verb,
        resource,
        subresource,
        level,
        sources: sources.to_vec(),
    };
    let core = |verb, resource, subresource, purpose, sources: &[Source]| {
        right(Level::Core, verb, resource, subresource, purpose, sources)
    };
    let of_pods: Vec<_> = Source::ALL.into_iter().filter(|source| source.needs_pods()).collect();
    let mut rights = Vec::new();
    for listing in LISTINGS {
        let (source, resource) = (listing.source(), listing.resource());
        rights.push(core("list", resource, "", source.name(), &[source]));
        if source == Source::Events {
            rights.push(core("watch", resource, "", "events that come during the collection", &[source]));
            rights.push(core("list", pods, "", "pods, and what is read of them", &of_pods));
            rights.push(core("watch", pods, "", "pods that come or go during the collection", &of_pods));
            rights.push(core("get", pods, "log", "logs", &[Source::Logs]));
        }
    }
    rights.push(core("get", NAMESPACES, "", "the cluster's identity", &[]));
    rights.push(core("list", NAMESPACES, "", "the namespaces to fall back to", &[]));
    rights.push(core("list", NODES, "", "finding the AKS cluster in Azure", &[Source::Aks]));
    // Exec over WebSocket is a GET; from Kubernetes 1.35 on the server asks for both verbs.
    let exec =
        |level, purpose| ["get", "create"].map(|verb| right(level, verb, pods, "exec", purpose, &[Source::History]));
    rights.extend(exec(Level::Exec, "shell histories"));
    // The API server asks for nodes/proxy whatever the path is; nodes/log is a right on the kubelet's own port only.
    rights.push(right(Level::NodeLogs, "get", NODES, "proxy", "rotated log files", &[Source::Logs]));
    const SHELLLESS: &str = "histories of containers without a shell";
    rights.push(right(Level::DebugContainer, "get", pods, "", SHELLLESS, &[Source::History]));
    rights.push(right(Level::DebugContainer, "patch", pods, "ephemeralcontainers", SHELLLESS, &[Source::History]));
    rights.extend(exec(Level::DebugContainer, SHELLLESS));
    rights
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::ValueEnum as _;

    use super::*;

    /// Names that Azure Monitor keeps for itself (custom table documentation), and those it fills.
    const RESERVED: &[&str] = &[
        "id",
        "BilledSize",
        "IsBillable",
        "InvalidTimeGenerated",
        "TenantId",
        "Title",
        "Type",
        "UniqueId",
        "_ItemId",
        "_ResourceGroup",
        "_ResourceId",
        "_SubscriptionId",
        "_TimeReceived",
        "_BilledSize",
        "_IsBillable",
        "Tenant",
        "MG",
        "ManagementGroupName",
        "SourceSystem",
    ];

    #[test]
    fn names_are_what_azure_takes() {
        let mut seen = BTreeSet::new();
        for table in tables() {
            assert!(seen.insert(table.name.to_lowercase()), "{} stands twice", table.name);
            assert!(table.name.ends_with("_CL") && table.name.len() <= 63, "{}", table.name);
            let mut columns = BTreeSet::new();
            for column in table.columns() {
                let name = column.name;
                assert!(columns.insert(name.to_lowercase()), "{} {name} stands twice", table.name);
                assert!((2..=45).contains(&name.len()), "{} {name}", table.name);
                assert!(name.starts_with(|first: char| first.is_ascii_alphabetic()), "{} {name}", table.name);
                assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{} {name}", table.name);
                assert!(!RESERVED.contains(&name), "{} {name} is reserved", table.name);
            }
            assert!(columns.len() <= 500);
        }
    }

    #[test]
    fn every_table_has_a_key() {
        for table in tables() {
            assert!(table.own.iter().any(|column| column.role == crate::table::Role::Key), "{}", table.name);
        }
    }

    #[test]
    fn sources_are_called_the_same_everywhere() {
        for source in Source::ALL {
            assert_eq!(source.to_possible_value().unwrap().get_name(), source.name());
        }
    }
}
