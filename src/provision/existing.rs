//! What of a deployment is there already. Reads only, and only what a plan needs.

use std::collections::BTreeMap;

use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use super::{
    kind::Kind,
    names::{PUBLISHER_ROLE, Principal, Settings, is_within},
};
use crate::{
    azure::{Arm, AzureError},
    table::Table,
};

/// How many resources are asked for at once.
const AT_ONCE: usize = 8;

/// Resources by id. Ids are compared without regard to case, as Azure does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Existing {
    resources: BTreeMap<String, Value>,
    deleted_workspace: Option<Value>,
    /// What could not be seen, for the plan.
    pub(super) notes: Vec<String>,
}

impl Existing {
    /// The resource, if it is there.
    pub fn get(&self, id: &str) -> Option<&Value> {
        self.resources.get(&id.to_ascii_lowercase())
    }

    /// Adds a resource.
    pub fn insert(&mut self, id: &str, resource: Value) {
        self.resources.insert(id.to_ascii_lowercase(), resource);
    }

    /// The workspace of the settings' name that was deleted and can be recovered.
    pub fn deleted_workspace(&self) -> Option<&Value> {
        self.deleted_workspace.as_ref()
    }

    /// Sets the workspace that can be recovered.
    pub fn set_deleted_workspace(&mut self, workspace: Value) {
        self.deleted_workspace = Some(workspace);
    }

    /// Asks Resource Manager for every resource that the settings name. What lies below something that is not there is
    /// not asked for.
    ///
    /// # Errors
    /// A resource could not be read for another reason than that it is not there.
    pub async fn read(arm: &Arm, settings: &Settings, tables: &[&'static Table]) -> Result<Self, AzureError> {
        let mut existing = Self::default();
        existing.look(arm, [settings.resource_group_id()].into()).await?;
        existing.look(arm, existing.first_ids(settings, tables)).await?;
        existing.look(arm, existing.second_ids(settings, tables)).await?;
        if existing.get(&settings.workspace_id()).is_none() && settings.given.workspace.is_none() {
            existing.look_for_deleted(arm, settings).await?;
        }
        for table in tables {
            if let (Some(_), Some(principal)) = (existing.get(&settings.rule_id(table.name)), &settings.publisher) {
                existing.look_for_grant(arm, settings, table, principal).await?;
            }
        }
        Ok(existing)
    }

    /// What lies in resource groups.
    fn first_ids(&self, settings: &Settings, tables: &[&'static Table]) -> Vec<String> {
        let mut ids = vec![settings.workspace_id()];
        if settings.needs_endpoint(tables.iter().map(|table| table.name)) {
            ids.push(settings.endpoint_id());
        }
        ids.extend(tables.iter().map(|table| settings.rule_id(table.name)));
        if let Some(link) = &settings.private_link {
            ids.push(settings.private_link_scope_id(link));
            if link.subnet.is_some() {
                ids.push(settings.private_endpoint_id(link));
                ids.extend(link.zones.iter().map(|zone| settings.dns_zone_id(zone)));
            }
        }
        let group = settings.resource_group_id();
        ids.retain(|id| !is_within(id, &group) || self.get(&group).is_some());
        ids
    }

    /// What lies below other resources, and the endpoints of rules that were given.
    fn second_ids(&self, settings: &Settings, tables: &[&'static Table]) -> Vec<String> {
        let mut ids = Vec::new();
        if self.get(&settings.workspace_id()).is_some() {
            ids.extend(tables.iter().map(|table| settings.table_id(table.name)));
        }
        for rule in settings.given.rules.values().filter_map(|id| self.get(id)) {
            let bound = rule.pointer("/properties/dataCollectionEndpointId").and_then(Value::as_str);
            ids.extend(bound.filter(|id| self.get(id).is_none()).map(str::to_owned));
        }
        let Some(link) = &settings.private_link else { return ids };
        if self.get(&settings.private_link_scope_id(link)).is_some() {
            ids.push(settings.scoped_resource_id(link, &settings.workspace_id()));
            ids.push(settings.scoped_resource_id(link, &settings.endpoint_id()));
        }
        if self.get(&settings.private_endpoint_id(link)).is_some() {
            ids.push(settings.dns_zone_group_id(link));
        }
        let zones = link.zones.iter().filter(|zone| self.get(&settings.dns_zone_id(zone)).is_some());
        ids.extend(zones.map(|zone| settings.dns_link_id(link, zone)));
        ids
    }

    async fn look(&mut self, arm: &Arm, ids: Vec<String>) -> Result<(), AzureError> {
        let answers = ids.into_iter().map(|id| async move {
            let resource = look_at(arm, &id).await?;
            Ok((id, resource))
        });
        let found: Vec<(String, Option<Value>)> =
            futures::stream::iter(answers).buffer_unordered(AT_ONCE).try_collect().await?;
        for (id, resource) in found {
            if let Some(resource) = resource {
                self.insert(&id, resource);
            }
        }
        Ok(())
    }

    /// A workspace of the name that was deleted less than 14 days ago: creating it would recover it
    /// (<https://learn.microsoft.com/azure/azure-monitor/logs/delete-workspace>). It outlives its resource group.
    async fn look_for_deleted(&mut self, arm: &Arm, settings: &Settings) -> Result<(), AzureError> {
        let wanted = settings.workspace_id();
        let scope = match self.get(&settings.resource_group_id()) {
            Some(_) => settings.resource_group_id(),
            None => format!("/subscriptions/{}", settings.subscription),
        };
        let list = format!("{scope}/providers/Microsoft.OperationalInsights/deletedWorkspaces");
        let listed = match arm.list(&list, Kind::Workspace.version()).await {
            // A provider that is not registered has made nothing.
            Err(error) if error.status() == Some(404) || error.has_code("MissingSubscriptionRegistration") => {
                Vec::new()
            }
            Err(error) if error.status() == Some(403) => {
                let name = &settings.workspace;
                self.notes.push(format!("whether a deleted workspace {name} waits to be recovered could not be seen"));
                Vec::new()
            }
            result => result?,
        };
        let id = |item: &Value| item.get("id").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
        let key = wanted.to_ascii_lowercase().replace("/deletedworkspaces/", "/workspaces/");
        self.deleted_workspace =
            listed.into_iter().find(|item| id(item).replace("/deletedworkspaces/", "/workspaces/") == key);
        Ok(())
    }

    /// Whether the principal may send rows through the rule already: by a grant under any name, here or above.
    async fn look_for_grant(
        &mut self,
        arm: &Arm,
        settings: &Settings,
        table: &Table,
        principal: &Principal,
    ) -> Result<(), AzureError> {
        let rule = settings.rule_id(table.name);
        let list = format!(
            "{rule}/providers/Microsoft.Authorization/roleAssignments?$filter=principalId%20eq%20'{}'",
            principal.id
        );
        let grants = match arm.list(&list, Kind::Role.version()).await {
            // The rule that was just made is not seen everywhere at once.
            Err(error) if error.status() == Some(404) => Vec::new(),
            result => result?,
        };
        let text = |grant: &Value, name: &str| {
            let text = grant.pointer(&format!("/properties/{name}")).and_then(Value::as_str).unwrap_or_default();
            text.to_ascii_lowercase()
        };
        let serves = |grant: &Value| {
            let scope = text(grant, "scope");
            text(grant, "roleDefinitionId").ends_with(PUBLISHER_ROLE)
                && text(grant, "principalId") == principal.id.to_ascii_lowercase()
                && (scope.is_empty() || scope == "/" || is_within(&rule, &scope))
        };
        if let Some(grant) = grants.into_iter().find(serves) {
            self.insert(&settings.role_id(table.name, principal), grant);
        }
        Ok(())
    }
}

/// The resource, or None. A table of a workspace that is not active yet is waited for: it may well be there.
pub(super) async fn look_at(arm: &Arm, id: &str) -> Result<Option<Value>, AzureError> {
    let kind = Kind::of(id);
    let version = kind.map_or_else(|| Kind::Workspace.version(), Kind::version);
    let get = async || arm.get(id, version).await;
    arm.while_transient(id, AzureError::is_workspace_inactive, get).await
}
