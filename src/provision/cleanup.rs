//! Removes exactly what the deployment file records as made by us, in the reverse order of its making, links before what
//! they lead to.

use std::{path::Path, time::Duration};

use serde_json::{Value, json};

use super::{
    deployment::{Deployment, Resource},
    existing::look_at,
    kind::Kind,
    record::Record,
};
use crate::azure::{Arm, AzureError};

/// The shortest retention that Azure takes, in days; that of the plans Basic and Auxiliary is at least 30
/// (<https://learn.microsoft.com/azure/azure-monitor/logs/data-retention-configure>).
const SHORTEST_RETENTION: i32 = 4;
const SHORTEST_FIXED_RETENTION: i32 = 30;

/// How long another operation on a resource, or a link to it that is going, is waited for.
const CONFLICT_WINDOW: Duration = Duration::from_secs(5 * 60);

/// How to remove.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// A workspace cannot be recovered afterwards; otherwise Azure keeps it for 14 days.
    pub purge: bool,
    /// Tables stay, with the shortest retention, and so do the workspace and the resource group that they are in.
    pub keep_tables: bool,
}

/// What became of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It is gone.
    Removed,
    /// It was to stay, and this became of it.
    Stays(String),
    /// It could not be removed, for this reason.
    Kept(String),
}

/// What is to be removed, in the order of removal.
pub fn removals(deployment: &Deployment) -> Vec<&Resource> {
    let mut ours: Vec<_> = deployment.resources.iter().rev().filter(|resource| resource.created).collect();
    ours.sort_by_key(|resource| Kind::of(&resource.id).map(Kind::removal_rank));
    ours
}

/// Why a resource is to stay, if it is.
pub fn stays(id: &str, manner: Manner) -> Option<&'static str> {
    match Kind::of(id) {
        Some(Kind::Table) if manner.keep_tables => Some("its retention is set to the shortest first"),
        Some(Kind::Workspace | Kind::ResourceGroup) if manner.keep_tables => Some("it holds the tables"),
        _ => None,
    }
}

/// Removes it. `done` is told of every resource. A removal that fails does not keep the others from being tried.
///
/// # Errors
/// The file cannot be written.
pub async fn remove(
    arm: &Arm,
    path: &Path,
    deployment: Deployment,
    manner: Manner,
    done: &(dyn Fn(&Resource, &Removal) + Sync),
) -> anyhow::Result<Vec<(Resource, Removal)>> {
    let ours: Vec<Resource> = removals(&deployment).into_iter().cloned().collect();
    let record = Record::of(path, deployment);
    let mut report: Vec<(Resource, Removal)> = Vec::new();
    for resource in ours {
        let gone =
            |id: &str| report.iter().any(|(other, end)| *end == Removal::Removed && other.id.eq_ignore_ascii_case(id));
        let result = match (stays(&resource.id, manner), Kind::of(&resource.id)) {
            (Some(_), Some(Kind::Table)) => shorten(arm, &resource).await,
            (Some(why), _) => Ok(Removal::Stays(why.to_owned())),
            (None, _) => remove_one(arm, &resource, gone, manner.purge).await,
        };
        let removal = result.unwrap_or_else(|error| Removal::Kept(error.to_string()));
        if removal == Removal::Removed {
            record.gone(&resource.id)?;
        }
        done(&resource, &removal);
        report.push((resource, removal));
    }
    Ok(report)
}

/// Sets the retention of a table to the shortest: what stays, costs.
async fn shorten(arm: &Arm, resource: &Resource) -> Result<Removal, AzureError> {
    let Some(found) = look_at(arm, &resource.id).await? else { return Ok(Removal::Removed) };
    let plan = found.pointer("/properties/plan").and_then(Value::as_str).unwrap_or("Analytics");
    let (days, properties) = if plan.eq_ignore_ascii_case("Analytics") {
        let days = SHORTEST_RETENTION;
        (days, json!({"retentionInDays": days, "totalRetentionInDays": days}))
    } else {
        (SHORTEST_FIXED_RETENTION, json!({"totalRetentionInDays": SHORTEST_FIXED_RETENTION}))
    };
    arm.patch(&resource.id, &resource.api_version, &json!({"properties": properties})).await?;
    Ok(Removal::Stays(format!("its rows are kept for {days} days from their arrival")))
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
    let arm_briefly = arm.with_patience(CONFLICT_WINDOW);
    arm_briefly.while_transient(&resource.id, |error| error.has_code("Conflict"), remove).await?;
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
