//! What kinds of resources there are: one table of name, resource type and API version, from which ids are recognised, the
//! order of removal is told, and the custom role follows.

/// A kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Resource group.
    ResourceGroup,
    /// Log Analytics workspace.
    Workspace,
    /// Data collection endpoint.
    Endpoint,
    /// Custom table.
    Table,
    /// Data collection rule.
    Rule,
    /// Role assignment.
    Role,
    /// Azure Monitor private link scope.
    PrivateLinkScope,
    /// What a private link scope leads to: a workspace or an endpoint.
    ScopedResource,
    /// Private DNS zone.
    DnsZone,
    /// Link of a private DNS zone to a virtual network.
    DnsLink,
    /// Private endpoint in a subnet.
    PrivateEndpoint,
    /// The DNS zones that a private endpoint registers itself in.
    DnsZoneGroup,
    /// Access from public networks to a workspace or an endpoint that was there before.
    PublicAccess,
}

/// Name for people, resource type, API version.
type Facts = (&'static str, &'static str, &'static str);

impl Kind {
    /// Every kind that is a resource of its own, in the order of creation.
    pub const ALL: [Self; 12] = [
        Self::ResourceGroup,
        Self::Workspace,
        Self::Endpoint,
        Self::Table,
        Self::Rule,
        Self::Role,
        Self::PrivateLinkScope,
        Self::ScopedResource,
        Self::DnsZone,
        Self::DnsLink,
        Self::PrivateEndpoint,
        Self::DnsZoneGroup,
    ];

    /// The versions are the newest that are generally available of those whose definitions are published for every language.
    const fn facts(self) -> Facts {
        match self {
            Self::ResourceGroup => ("resource group", "Microsoft.Resources/resourceGroups", "2025-04-01"),
            Self::Workspace => ("workspace", "Microsoft.OperationalInsights/workspaces", "2025-07-01"),
            Self::Endpoint => ("data collection endpoint", "Microsoft.Insights/dataCollectionEndpoints", "2024-03-11"),
            Self::Table => ("table", "Microsoft.OperationalInsights/workspaces/tables", "2025-07-01"),
            Self::Rule => ("data collection rule", "Microsoft.Insights/dataCollectionRules", "2024-03-11"),
            Self::Role => ("role assignment", "Microsoft.Authorization/roleAssignments", "2022-04-01"),
            Self::PrivateLinkScope => ("private link scope", "Microsoft.Insights/privateLinkScopes", "2021-09-01"),
            Self::ScopedResource => {
                ("scoped resource", "Microsoft.Insights/privateLinkScopes/scopedResources", "2021-09-01")
            }
            Self::DnsZone => ("private DNS zone", "Microsoft.Network/privateDnsZones", "2020-06-01"),
            Self::DnsLink => {
                ("virtual network link", "Microsoft.Network/privateDnsZones/virtualNetworkLinks", "2020-06-01")
            }
            Self::PrivateEndpoint => ("private endpoint", "Microsoft.Network/privateEndpoints", "2024-01-01"),
            Self::DnsZoneGroup => {
                ("DNS zone group", "Microsoft.Network/privateEndpoints/privateDnsZoneGroups", "2024-01-01")
            }
            Self::PublicAccess => ("public access", "", ""),
        }
    }

    /// Its name for people.
    pub const fn name(self) -> &'static str {
        self.facts().0
    }

    /// Its type in Azure; empty for [`Kind::PublicAccess`], which is a property of other resources.
    pub const fn resource_type(self) -> &'static str {
        self.facts().1
    }

    /// Version of the API that it is read, written and deleted with.
    pub const fn version(self) -> &'static str {
        self.facts().2
    }

    /// The kind of a resource, from its id. None for what is never made here.
    pub fn of(id: &str) -> Option<Self> {
        let parts: Vec<&str> = id.split('/').collect();
        if parts.len() == 5 {
            return Some(Self::ResourceGroup);
        }
        let at = parts.iter().rposition(|part| part.eq_ignore_ascii_case("providers"))?;
        let namespace = parts.get(at + 1)?;
        let types: Vec<&str> = parts.iter().skip(at + 2).step_by(2).copied().collect();
        let found = format!("{namespace}/{}", types.join("/"));
        Self::ALL.into_iter().find(|kind| kind.resource_type().eq_ignore_ascii_case(&found))
    }

    /// The order of removal, lowest first. What is linked to a private link scope cannot be deleted, so the links go first.
    pub const fn removal_rank(self) -> u8 {
        match self {
            Self::ScopedResource => 0,
            Self::DnsZoneGroup => 1,
            Self::PrivateEndpoint => 2,
            Self::PrivateLinkScope => 3,
            Self::DnsLink => 4,
            Self::DnsZone => 5,
            Self::Role => 6,
            Self::Rule => 7,
            Self::Endpoint => 8,
            Self::Table => 9,
            Self::Workspace | Self::PublicAccess => 10,
            Self::ResourceGroup => 11,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_tell_the_kind_whatever_their_case() {
        let group = "/subscriptions/s/resourceGroups/g";
        assert_eq!(Kind::of(group), Some(Kind::ResourceGroup));
        let workspace = format!("{group}/providers/microsoft.operationalinsights/workspaces/w");
        assert_eq!(Kind::of(&workspace), Some(Kind::Workspace));
        assert_eq!(Kind::of(&format!("{workspace}/TABLES/t_CL")), Some(Kind::Table));
        let role = format!("{workspace}/providers/Microsoft.Authorization/roleAssignments/r");
        assert_eq!(Kind::of(&role), Some(Kind::Role));
        assert_eq!(Kind::of(&format!("{group}/providers/Microsoft.Compute/disks/d")), None);
    }
}
