//! Removes exactly what the deployment file records as made by us, in the reverse order of its making, links before what
//! they lead to.

use std::path::Path;

use serde_json::Value;

use super::{
    deployment::{Deployment, Resource},
    kind::Kind,
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
    let mut ours: Vec<_> = deployment.resources.iter().rev().filter(|resource| resource.created).collect();
    ours.sort_by_key(|resource| Kind::of(&resource.id).map(Kind::removal_rank));
    ours
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
    if Kind::of(&resource.id) == Some(Kind::ResourceGroup) {
        // The list lags behind: what is gone already may still be in it.
        let mut others = in_group(arm, resource).await?;
        others.retain(|id| !gone(id));
        if !others.is_empty() {
            return Ok(Removal::Kept(format!("it still holds {}", crate::ui::printable(&others.join(", ")))));
        }
    }
    let query = if purge && Kind::of(&resource.id) == Some(Kind::Workspace) { "&force=true" } else { "" };
    let remove = async || arm.delete(&resource.id, &resource.api_version, query).await;
    arm.while_transient(&resource.id, |error| error.has_code("Conflict"), remove).await?;
    Ok(Removal::Removed)
}

/// What a resource group holds: deleting the group would take it along.
async fn in_group(arm: &Arm, group: &Resource) -> Result<Vec<String>, AzureError> {
    let listed = match arm.list(&format!("{}/resources", group.id), Kind::ResourceGroup.version()).await {
        Err(error) if error.status() == Some(404) => Vec::new(),
        result => result?,
    };
    Ok(listed.iter().filter_map(|item| item.get("id").and_then(Value::as_str).map(str::to_owned)).collect())
}
