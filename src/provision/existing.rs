//! What of a deployment is there already. Reads only, and only what a plan needs.

use std::collections::BTreeMap;

use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use super::{
    bodies::{DATA_COLLECTION, RESOURCE_GROUPS, ROLE_ASSIGNMENTS, WORKSPACES},
    names::Settings,
};
use crate::{
    azure::{Arm, AzureError},
    table::Table,
};

/// How many resources are asked for at once.
const AT_ONCE: usize = 8;

/// Resources by id. Ids are compared without regard to case, as Azure does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Existing(BTreeMap<String, Value>);

impl Existing {
    /// The resource, if it is there.
    pub fn get(&self, id: &str) -> Option<&Value> {
        self.0.get(&id.to_ascii_lowercase())
    }

    /// Adds a resource.
    pub fn insert(&mut self, id: &str, resource: Value) {
        self.0.insert(id.to_ascii_lowercase(), resource);
    }

    /// Asks Resource Manager for every resource that the settings name. What lies below something that is not there is
    /// not asked for.
    ///
    /// # Errors
    /// A resource could not be read for another reason than that it is not there.
    pub async fn read(arm: &Arm, settings: &Settings, tables: &[&'static Table]) -> Result<Self, AzureError> {
        let mut existing = Self::default();
        existing.look(arm, vec![(settings.resource_group_id(), RESOURCE_GROUPS)]).await?;
        if existing.get(&settings.resource_group_id()).is_none() {
            return Ok(existing);
        }
        let mut ids = vec![(settings.workspace_id(), WORKSPACES), (settings.endpoint_id(), DATA_COLLECTION)];
        ids.extend(tables.iter().map(|table| (settings.rule_id(table.name), DATA_COLLECTION)));
        existing.look(arm, ids).await?;
        let mut ids = Vec::new();
        for table in tables {
            if existing.get(&settings.workspace_id()).is_some() {
                ids.push((settings.table_id(table.name), WORKSPACES));
            }
            if let (Some(_), Some(principal)) = (existing.get(&settings.rule_id(table.name)), &settings.publisher) {
                ids.push((settings.role_id(table.name, principal), ROLE_ASSIGNMENTS));
            }
        }
        existing.look(arm, ids).await?;
        Ok(existing)
    }

    async fn look(&mut self, arm: &Arm, ids: Vec<(String, &'static str)>) -> Result<(), AzureError> {
        let answers = ids.into_iter().map(|(id, version)| async move {
            let resource = arm.get(&id, version).await?;
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
}
