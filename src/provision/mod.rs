//! From tables to Azure Monitor resources: a pure plan, an idempotent apply, and `deployment.json` in between.
//!
//! ```text
//! Existing::read → plan → apply ⇄ deployment.json → cleanup
//! ```
//!
//! Table bodies and stream declarations come from the tables' own declaration; there is no second list of columns.

mod apply;
mod bodies;
mod check;
pub mod cleanup;
mod compare;
pub mod deployment;
pub mod emit;
mod existing;
mod kind;
mod names;
mod plan;
mod record;
mod transform;

use std::path::Path;

use serde_json::Value;

pub use existing::Existing;
pub use kind::Kind;
pub use names::{Given, Ingestion, PUBLISHER_ROLE, Principal, PrivateLink, Settings, TablePlan, TableSettings};
pub use plan::{Action, Obstacle, Plan, Step, plan};
pub use transform::one_line;

use crate::{
    azure::{Arm, SUBSCRIPTIONS_VERSION},
    failure::Failure,
    table::Table,
};
use deployment::Deployment;

/// A plan, and what it was made from.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// What to do.
    pub plan: Plan,
    settings: Settings,
    existing: Existing,
    recorded: Deployment,
}

/// Looks at what is there, and in the file at what was made here, and makes the plan. Changes nothing.
///
/// # Errors
/// A setting is not valid, or Azure or the file could not be read. What stands in the way is in the plan.
pub async fn prepare(
    arm: &Arm,
    settings: Settings,
    tables: &[&'static Table],
    file: &Path,
) -> anyhow::Result<Prepared> {
    settings.check()?;
    let recorded = Deployment::read_or_begin(file)?;
    let existing = Existing::read(arm, &settings, tables).await.map_err(Failure::from)?;
    let plan = plan(&settings, tables, &existing, &recorded)?;
    Ok(Prepared { plan, settings, existing, recorded })
}

/// Carries out the plan and records it in the file. `cloud` is what `--cloud` named. `done` is told of every finished step.
///
/// # Errors
/// A step is blocked, and nothing was changed. Or a step failed; what was made is in the file, and the same call goes on
/// from there.
pub async fn carry_out(
    arm: &Arm,
    prepared: &Prepared,
    cloud: &str,
    file: &Path,
    done: &(dyn Fn(&Step) + Sync),
) -> anyhow::Result<Deployment> {
    prepared.plan.unblocked()?;
    let record = record::Record::open(file, cloud, &prepared.settings)?;
    apply::apply(arm, prepared, &record, done).await?;
    Ok(record.snapshot())
}

/// The caller, as a principal that a role can be assigned to.
///
/// # Errors
/// There is no token, or it does not say whose it is.
pub async fn caller(arm: &Arm) -> Result<Principal, Failure> {
    let claims = arm.caller().await?.unwrap_or_default();
    let kind = claims.principal_type().map(str::to_owned);
    let id = claims.oid.ok_or_else(|| {
        Failure::usage(
            "the access token does not say who its bearer is",
            "name who shall upload with --principal-id, or add --skip-role-assignment",
        )
    })?;
    Ok(Principal { id, kind })
}

/// The only subscription that the caller sees.
///
/// # Errors
/// There is none, or more than one; they are listed.
pub async fn only_subscription(arm: &Arm) -> Result<String, Failure> {
    let all = arm.list("/subscriptions", SUBSCRIPTIONS_VERSION).await?;
    let text = |item: &Value, name| item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    match all.as_slice() {
        [one] => Ok(text(one, "subscriptionId")),
        [] => Err(Failure::usage(
            "the identity sees no subscription",
            "name one with --subscription, or sign in as somebody who has a role in it",
        )),
        many => {
            let names =
                many.iter().map(|item| format!("{} ({})", text(item, "subscriptionId"), text(item, "displayName")));
            let names = crate::ui::printable(&names.collect::<Vec<_>>().join(", "));
            Err(Failure::usage("the subscription is not given", format!("choose one with --subscription: {names}")))
        }
    }
}

#[cfg(test)]
mod tests;
