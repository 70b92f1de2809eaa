//! Removes exactly what the deployment file records as made by us, in the reverse order of its making.

use std::path::Path;

use serde_json::Value;

use super::{
    bodies::RESOURCE_GROUPS,
    deployment::{Deployment, Resource},
    record::Record,
};
use crate::azure::{Arm, AzureError};

/// What became of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It is gone.
    Removed,
    /// It stays, for this reason.
    Kept(String),
}

/// What is to be removed, in the order of removal.
pub fn removals(deployment: &Deployment) -> Vec<&Resource> {
    deployment.resources.iter().rev().filter(|resource| resource.created).collect()
}

/// Removes it. `done` is told of every resource. A removal that fails does not keep the others from being tried. With
/// `purge` a workspace cannot be recovered afterwards; otherwise Azure keeps it for 14 days.
///
/// # Errors
/// The file cannot be written.
pub async fn remove(
    arm: &Arm,
    path: &Path,
    deployment: Deployment,
    purge: bool,
    done: &(dyn Fn(&Resource, &Removal) + Sync),
) -> anyhow::Result<Vec<(Resource, Removal)>> {
    let ours: Vec<Resource> = removals(&deployment).into_iter().cloned().collect();
    let record = Record::of(path, deployment);
    let mut report: Vec<(Resource, Removal)> = Vec::new();
    for resource in ours {
        let gone =
            |id: &str| report.iter().any(|(other, end)| *end == Removal::Removed && other.id.eq_ignore_ascii_case(id));
        let removal = match remove_one(arm, &resource, gone, purge).await {
            Ok(removal) => removal,
            Err(error) => Removal::Kept(error.to_string()),
        };
        if removal == Removal::Removed {
            record.gone(&resource.id)?;
        }
        done(&resource, &removal);
        report.push((resource, removal));
    }
    Ok(report)
}

async fn remove_one(
    arm: &Arm,
    resource: &Resource,
    gone: impl Fn(&str) -> bool,
    purge: bool,
) -> Result<Removal, AzureError> {
    if is_resource_group(&resource.id) {
        // The list lags behind: what is gone already may still be in it.
        let mut others = in_group(arm, resource).await?;
        others.retain(|id| !gone(id));
        if !others.is_empty() {
            return Ok(Removal::Kept(format!("it still holds {}", crate::ui::printable(&others.join(", ")))));
        }
    }
    let query = if purge && is_workspace(&resource.id) { "&force=true" } else { "" };
    let remove = async || arm.delete(&resource.id, &resource.api_version, query).await;
    arm.while_transient(&resource.id, |error| error.has_code("Conflict"), remove).await?;
    Ok(Removal::Removed)
}

/// What a resource group holds: deleting the group would take it along.
async fn in_group(arm: &Arm, group: &Resource) -> Result<Vec<String>, AzureError> {
    let listed = match arm.list(&format!("{}/resources", group.id), RESOURCE_GROUPS).await {
        Err(error) if error.status() == Some(404) => Vec::new(),
        result => result?,
    };
    Ok(listed.iter().filter_map(|item| item.get("id").and_then(Value::as_str).map(str::to_owned)).collect())
}

fn is_resource_group(id: &str) -> bool {
    id.split('/').count() == 5
}

fn is_workspace(id: &str) -> bool {
    let parts: Vec<_> = id.split('/').collect();
    parts.len() == 9 && parts.get(7).is_some_and(|kind| kind.eq_ignore_ascii_case("workspaces"))
}
