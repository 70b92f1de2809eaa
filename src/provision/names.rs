//! Names and ids of what is provisioned, checked before anything is sent: they become paths.

use uuid::Uuid;

use crate::failure::Failure;

/// Monitoring Metrics Publisher, the built-in role that lets its holder send rows through a data collection rule
/// (<https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/monitor>).
pub const PUBLISHER_ROLE: &str = "3913510d-42f4-4e42-8a64-420c390055eb";

/// What to provision, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
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
}

/// Somebody that a role can be assigned to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Object id.
    pub id: String,
    /// `User`, `Group` or `ServicePrincipal`; None when not known. Azure needs it for principals that were just made.
    pub kind: Option<String>,
}

impl Settings {
    /// Checks every name against Azure's rules
    /// (<https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules>).
    ///
    /// # Errors
    /// The first name that Azure would refuse, with the rule.
    pub fn check(&self) -> Result<(), Failure> {
        let refuse =
            |flag: &str, name: &str, rule: &str| Failure::usage(format!("{flag} `{name}` is no valid name"), rule);
        if Uuid::try_parse(&self.subscription).is_err() {
            return Err(refuse("--subscription", &self.subscription, "give the subscription's id, a GUID"));
        }
        let group = &self.resource_group;
        if !(1..=90).contains(&group.len()) || group.ends_with('.') || !consists_of(group, "-_.()") {
            let rule = "1 to 90 letters, digits, `-`, `_`, `.`, `(` and `)`, not ending in `.`";
            return Err(refuse("--resource-group", group, rule));
        }
        let workspace = &self.workspace;
        if !(4..=63).contains(&workspace.len()) || !consists_of(workspace, "-") || edges(workspace, '-') {
            let rule = "4 to 63 letters, digits and `-`, beginning and ending with a letter or digit";
            return Err(refuse("--workspace-name", workspace, rule));
        }
        let endpoint = &self.endpoint;
        if !(3..=44).contains(&endpoint.len()) || !consists_of(endpoint, "-") || edges(endpoint, '-') {
            let rule = "3 to 44 letters, digits and `-`, beginning and ending with a letter or digit";
            return Err(refuse("--dce-name", endpoint, rule));
        }
        match &self.publisher {
            Some(principal) if Uuid::try_parse(&principal.id).is_err() => {
                Err(refuse("--principal-id", &principal.id, "give the principal's object id, a GUID"))
            }
            _ => Ok(()),
        }
    }

    /// Id of the resource group.
    pub fn resource_group_id(&self) -> String {
        format!("/subscriptions/{}/resourceGroups/{}", self.subscription, self.resource_group)
    }

    /// Id of the workspace.
    pub fn workspace_id(&self) -> String {
        self.below_group("Microsoft.OperationalInsights/workspaces", &self.workspace)
    }

    /// Id of a table of the workspace.
    pub fn table_id(&self, table: &str) -> String {
        format!("{}/tables/{table}", self.workspace_id())
    }

    /// Id of the data collection endpoint.
    pub fn endpoint_id(&self) -> String {
        self.below_group("Microsoft.Insights/dataCollectionEndpoints", &self.endpoint)
    }

    /// Id of the data collection rule of a table: `{table}-dcr`.
    pub fn rule_id(&self, table: &str) -> String {
        self.below_group("Microsoft.Insights/dataCollectionRules", &format!("{table}-dcr"))
    }

    /// Id of the role assignment on the rule of a table. The same scope, principal and role give the same id, so that
    /// assigning twice changes nothing.
    pub fn role_id(&self, table: &str, principal: &Principal) -> String {
        let scope = self.rule_id(table);
        let name = format!("{scope}|{}|{PUBLISHER_ROLE}", principal.id).to_ascii_lowercase();
        let guid = Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes());
        format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{guid}")
    }

    fn below_group(&self, kind: &str, name: &str) -> String {
        format!("{}/providers/{kind}/{name}", self.resource_group_id())
    }
}

/// A region as Azure writes it: `West Europe` is `westeurope`. The other form breaks some associations.
pub(super) fn normal_location(text: &str) -> String {
    text.split_whitespace().collect::<String>().to_ascii_lowercase()
}

fn consists_of(name: &str, others: &str) -> bool {
    name.chars().all(|character| character.is_ascii_alphanumeric() || others.contains(character))
}

fn edges(name: &str, character: char) -> bool {
    name.starts_with(character) || name.ends_with(character)
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
        }
    }

    #[test]
    fn names_that_azure_refuses_are_refused_before_anything_is_sent() {
        settings().check().unwrap_or_else(|failure| panic!("{failure}"));
        let wrong: [fn(&mut Settings); 6] = [
            |settings| settings.subscription = "prod".into(),
            |settings| settings.resource_group = "..".into(),
            |settings| settings.resource_group = "a/b".into(),
            |settings| settings.workspace = "-abc".into(),
            |settings| settings.endpoint = "a?b".into(),
            |settings| settings.publisher = Some(Principal { id: "me".into(), kind: None }),
        ];
        for change in wrong {
            let mut settings = settings();
            change(&mut settings);
            assert!(settings.check().is_err(), "{settings:?}");
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
}
