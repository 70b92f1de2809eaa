//! What is collected: one file per kind of evidence, each with its rows and the pure code that makes them.
//!
//! [`Inventory`] is the narrow shape ("list a kind, map each object"); [`Listing`] the wide one that the collector sees, for
//! the few that feed several tables. The registry knows every source, table and right; documents and RBAC rules follow from it.

pub mod aks;
mod aks_redact;
pub mod aks_tables;
pub mod command_history;
pub mod containers;
pub mod cron_jobs;
pub mod events;
pub mod identity;
pub mod log_lines;
pub mod network_policies;
pub mod permissions;
pub mod pods;
pub mod rbac_bindings;
pub mod registry;
pub mod run_report;
pub mod service_accounts;
pub mod suspicious_pods;

use jiff::Timestamp;
use serde::de::DeserializeOwned;

pub use registry::Source;

use crate::{bundle::Unit, cluster::Resource, table::Row};

/// A kind of object whose rows follow from each object alone.
pub trait Inventory: Sync {
    /// The API type.
    type Object: DeserializeOwned;
    /// The row type.
    type Line: Row;
    /// The source that it belongs to.
    const SOURCE: Source;
    /// What is listed.
    const RESOURCE: Resource;
    /// The rows of an object, each with the evidence's own time. Pure.
    fn rows(object: &Self::Object) -> Vec<(Option<Timestamp>, Self::Line)>;
}

/// A list that feeds one or more tables.
pub trait Listing: Sync {
    /// The source that it belongs to.
    fn source(&self) -> Source;
    /// What is listed.
    fn resource(&self) -> Resource;
    /// Writes the rows of one object, given as JSON. [`Unreadable`] when the object is not what the API promises.
    fn emit(&self, object: &str, unit: &mut Unit) -> anyhow::Result<()>;
}

impl<I: Inventory> Listing for I {
    fn source(&self) -> Source {
        I::SOURCE
    }
    fn resource(&self) -> Resource {
        I::RESOURCE
    }
    fn emit(&self, object: &str, unit: &mut Unit) -> anyhow::Result<()> {
        let object: I::Object = read(object)?;
        I::rows(&object).iter().try_for_each(|(time, row)| unit.push(row, *time))
    }
}

/// An object that does not have the shape that the API promises. It is kept raw; its rows are a gap.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

/// Reads an object.
pub(crate) fn read<T: DeserializeOwned>(object: &str) -> Result<T, Unreadable> {
    serde_json::from_str(object).map_err(|error| Unreadable(error.to_string()))
}
