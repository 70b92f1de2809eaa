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
    pods::{PodRow, Pods},
    rbac_bindings::{BindingRow, ClusterRoleBindings, RoleBindings},
    run_report::{GapRow, RunRow},
    service_accounts::{ServiceAccountRow, ServiceAccounts},
    suspicious_pods::SuspiciousPodRow,
};
use crate::{
    cluster::Level,
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
    ]
}

/// A right that collecting uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// What it is for.
    pub purpose: &'static str,
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Resource, with its subresource.
    pub resource: &'static str,
    /// Verbs.
    pub verbs: &'static [&'static str],
    /// The level that needs it.
    pub level: Level,
}

/// Every right: one per list, and those of namespaces, logs and exec.
pub fn access() -> Vec<Access> {
    let list = |resource: crate::cluster::Resource, purpose| Access {
        purpose,
        group: resource.group,
        resource: resource.plural,
        verbs: &["get", "list"],
        level: Level::Core,
    };
    let mut rights: Vec<_> =
        LISTINGS.iter().chain([&PODS]).map(|entry| list(entry.resource(), entry.source().name())).collect();
    let core = |resource, purpose, verbs| Access { purpose, group: "", resource, verbs, level: Level::Core };
    rights.push(core(
        "namespaces",
        "finding the namespaces to fall back to, and the cluster's identity",
        &["get", "list"],
    ));
    rights.push(core("nodes", "finding the AKS cluster in Azure", &["get", "list"]));
    rights.push(core("pods/log", "logs", &["get"]));
    // From Kubernetes 1.35 on, exec over WebSocket asks for both verbs.
    rights.push(Access { level: Level::Exec, ..core("pods/exec", "history", &["get", "create"]) });
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
