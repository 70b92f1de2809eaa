//! What to provision, and the ids that follow from it.

use std::collections::BTreeMap;

use uuid::Uuid;

/// Monitoring Metrics Publisher, the built-in role that lets its holder send rows through a data collection rule
/// (<https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/monitor>).
pub const PUBLISHER_ROLE: &str = "3913510d-42f4-4e42-8a64-420c390055eb";

/// The longest name of a rule that has an endpoint of its own: the name becomes part of the endpoint's.
const LONGEST_DIRECT_NAME: usize = 30;

/// What to provision, and for whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Subscription id.
    pub subscription: String,
    /// Resource group.
    pub resource_group: String,
    /// Whether to create the resource group when there is none.
    pub create_resource_group: bool,
    /// Log Analytics workspace.
    pub workspace: String,
    /// Data collection endpoint.
    pub endpoint: String,
    /// Region; None for that of the workspace or resource group that exists.
    pub location: Option<String>,
    /// Who may send rows; None to assign no role.
    pub publisher: Option<Principal>,
    /// Resources of somebody else that are to be used.
    pub given: Given,
    /// Whether what is there and was not made here may be changed.
    pub adopt: bool,
    /// Through which endpoint rows come in.
    pub ingestion: Ingestion,
    /// Plan and retention of the tables.
    pub tables: TableSettings,
    /// The query of the rule of a table, by the table's name; without one, rows pass as they are.
    pub transforms: BTreeMap<String, String>,
    /// Private link, if rows and queries are to come from private networks only.
    pub private_link: Option<PrivateLink>,
}

/// Somebody that a role can be assigned to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Object id.
    pub id: String,
    /// `User`, `Group` or `ServicePrincipal`; None when not known. Azure needs it for principals that were just made.
    pub kind: Option<String>,
}

/// Full ids of resources that are there and are to be used, in whatever resource group or subscription they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// The workspace.
    pub workspace: Option<String>,
    /// The data collection endpoint.
    pub endpoint: Option<String>,
    /// Data collection rules by the name of the table that they feed.
    pub rules: BTreeMap<String, String>,
}

/// Through which endpoint rows come in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Ingestion {
    /// One data collection endpoint for all rules.
    #[default]
    Dce,
    /// The endpoint that each rule of kind Direct has of its own.
    Direct,
}

/// Plan and retention of the tables. What is None is left as it is, or to Azure's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableSettings {
    /// The plan.
    pub plan: Option<TablePlan>,
    /// Days for which rows can be queried at once; -1 for the workspace's setting.
    pub retention: Option<i32>,
    /// Days for which rows are kept at all; -1 for as long as they can be queried at once.
    pub total_retention: Option<i32>,
}

/// Plans of a table (<https://learn.microsoft.com/azure/azure-monitor/logs/data-platform-logs#table-plans>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum TablePlan {
    /// For analysis: every query.
    Analytics,
    /// Cheaper: single-table queries, 30 days.
    Basic,
    /// Not for evidence: takes only times with six decimals, and 30 minutes in a request.
    Auxiliary,
}

impl TablePlan {
    /// As Azure writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Analytics => "Analytics",
            Self::Basic => "Basic",
            Self::Auxiliary => "Auxiliary",
        }
    }
}

/// A private link scope, and the subnet from which it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateLink {
    /// Name of the private link scope.
    pub scope: String,
    /// Full id of a subnet that gets a private endpoint and DNS zones; None when somebody else sees to that.
    pub subnet: Option<String>,
    /// The private DNS zones of Azure Monitor in this cloud; empty when they are not known.
    pub zones: Vec<String>,
}

impl PrivateLink {
    /// The virtual network that the subnet is part of.
    pub fn network(&self) -> Option<&str> {
        let subnet = self.subnet.as_deref()?;
        let at = subnet.to_ascii_lowercase().find("/subnets/")?;
        subnet.get(..at)
    }
}

impl Settings {
    /// Id of the resource group.
    pub fn resource_group_id(&self) -> String {
        format!("/subscriptions/{}/resourceGroups/{}", self.subscription, self.resource_group)
    }

    /// Id of the workspace.
    pub fn workspace_id(&self) -> String {
        let ours = || self.below_group("Microsoft.OperationalInsights/workspaces", &self.workspace);
        self.given.workspace.clone().unwrap_or_else(ours)
    }

    /// Id of a table of the workspace.
    pub fn table_id(&self, table: &str) -> String {
        format!("{}/tables/{table}", self.workspace_id())
    }

    /// Id of the data collection endpoint.
    pub fn endpoint_id(&self) -> String {
        let ours = || self.below_group("Microsoft.Insights/dataCollectionEndpoints", &self.endpoint);
        self.given.endpoint.clone().unwrap_or_else(ours)
    }

    /// Whether a data collection endpoint is needed to feed these tables.
    pub fn needs_endpoint<'a>(&self, mut tables: impl Iterator<Item = &'a str>) -> bool {
        self.ingestion == Ingestion::Dce && tables.any(|table| !self.given.rules.contains_key(table))
    }

    /// Id of the data collection rule of a table: `{table}-dcr`, cut to what a rule of kind Direct may be called.
    pub fn rule_id(&self, table: &str) -> String {
        if let Some(given) = self.given.rules.get(table) {
            return given.clone();
        }
        let mut name = format!("{table}-dcr");
        if self.ingestion == Ingestion::Direct && name.len() > LONGEST_DIRECT_NAME {
            let digest = Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()).simple().to_string();
            let head: String = name.chars().take(LONGEST_DIRECT_NAME - 5).collect();
            name = format!("{head}-{}", digest.chars().take(4).collect::<String>());
        }
        self.below_group("Microsoft.Insights/dataCollectionRules", &name)
    }

    /// Id of the role assignment on the rule of a table. The same scope, principal and role give the same id, so that
    /// assigning twice changes nothing.
    pub fn role_id(&self, table: &str, principal: &Principal) -> String {
        let scope = self.rule_id(table);
        let name = format!("{scope}|{}|{PUBLISHER_ROLE}", principal.id).to_ascii_lowercase();
        let guid = Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes());
        format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{guid}")
    }

    /// Id of the private link scope.
    pub fn private_link_scope_id(&self, link: &PrivateLink) -> String {
        self.below_group("Microsoft.Insights/privateLinkScopes", &link.scope)
    }

    /// Id of the link from the private link scope to a workspace or endpoint.
    pub fn scoped_resource_id(&self, link: &PrivateLink, linked: &str) -> String {
        let name = linked.rsplit('/').next().unwrap_or_default();
        format!("{}/scopedResources/{name}-link", self.private_link_scope_id(link))
    }

    /// Id of the private endpoint of a private link scope.
    pub fn private_endpoint_id(&self, link: &PrivateLink) -> String {
        self.below_group("Microsoft.Network/privateEndpoints", &format!("{}-endpoint", link.scope))
    }

    /// Id of a private DNS zone.
    pub fn dns_zone_id(&self, zone: &str) -> String {
        self.below_group("Microsoft.Network/privateDnsZones", zone)
    }

    /// Id of the link of a private DNS zone to the virtual network.
    pub fn dns_link_id(&self, link: &PrivateLink, zone: &str) -> String {
        format!("{}/virtualNetworkLinks/{}-link", self.dns_zone_id(zone), link.scope)
    }

    /// Id of the private endpoint's DNS zones.
    pub fn dns_zone_group_id(&self, link: &PrivateLink) -> String {
        format!("{}/privateDnsZoneGroups/default", self.private_endpoint_id(link))
    }

    /// Everything at or below which a resource of this deployment can be.
    pub(super) fn roots(&self) -> Vec<String> {
        let given = [&self.given.workspace, &self.given.endpoint].into_iter().flatten();
        let given = given.chain(self.given.rules.values()).cloned();
        std::iter::once(self.resource_group_id()).chain(given).collect()
    }

    fn below_group(&self, kind: &str, name: &str) -> String {
        format!("{}/providers/{kind}/{name}", self.resource_group_id())
    }
}

/// Whether the id is the other or below it, without regard to case.
pub(super) fn is_within(id: &str, other: &str) -> bool {
    let (id, other) = (id.to_ascii_lowercase(), other.to_ascii_lowercase());
    id.strip_prefix(&other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A region as Azure writes it: `West Europe` is `westeurope`. The other form breaks some associations.
pub(super) fn normal_location(text: &str) -> String {
    text.split_whitespace().collect::<String>().to_ascii_lowercase()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::provision) fn settings() -> Settings {
        Settings {
            subscription: "11111111-1111-1111-1111-111111111111".into(),
            resource_group: "ir-rg".into(),
            create_resource_group: true,
            workspace: "forensys".into(),
            endpoint: "forensys-dce".into(),
            location: Some("West Europe".into()),
            publisher: Some(Principal { id: "22222222-2222-2222-2222-222222222222".into(), kind: None }),
            ..Settings::default()
        }
    }

    #[test]
    fn role_assignments_have_the_same_id_every_time_whatever_the_case() {
        let mut shouting = settings();
        shouting.resource_group = "IR-RG".into();
        let guid = |settings: &Settings| {
            let principal = settings.publisher.clone().unwrap_or_else(|| panic!("no publisher"));
            settings.role_id("a_CL", &principal).rsplit('/').next().map(str::to_owned)
        };
        assert_eq!(guid(&settings()), guid(&shouting));
    }

    #[test]
    fn regions_are_written_as_azure_writes_them() {
        assert_eq!(normal_location("West Europe"), "westeurope");
    }

    #[test]
    fn rules_with_their_own_endpoint_have_names_that_fit_and_differ() {
        let mut settings = settings();
        settings.ingestion = Ingestion::Direct;
        let name = |table: &str| settings.rule_id(table).rsplit('/').next().map(str::to_owned).unwrap_or_default();
        assert_eq!(name("kubelogs_CL"), "kubelogs_CL-dcr");
        let (one, other) = (name("a_table_with_quite_a_long_name_CL"), name("a_table_with_quite_a_long_name2_CL"));
        assert!(one.len() == 30 && other.len() == 30 && one != other, "{one} {other}");
    }
}
