//! `deployment.json`: what `provision` made and what `upload` needs. All that upload reads can be written by hand:
//!
//! ```json
//! {
//!   "format": 1,
//!   "cloud": "public",
//!   "tables": {
//!     "kubeevents_CL": {
//!       "endpoint": "https://dce-1.westeurope-1.ingest.monitor.azure.com",
//!       "immutable_id": "dcr-0123456789abcdef0123456789abcdef",
//!       "stream": "Custom-kubeevents_CL"
//!     }
//!   }
//! }
//! ```
//!
//! Limits: knows the file and its format only; what the resources should look like is [`super`]'s.

use std::{collections::BTreeMap, io::Write as _, path::Path};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// The version of the file's format that this version reads and writes.
pub const FORMAT: u32 = 1;

/// The whole file.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Deployment {
    /// The version of the format, [`FORMAT`].
    pub format: u32,
    /// `public`, `usgov`, `china` or the path of a cloud file, as `--cloud` takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud: Option<String>,
    /// The id by which the workspace's rows are queried (`properties.customerId`), a GUID; for `upload --verify-arrival`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_customer_id: Option<String>,
    /// Where the rows of each table go.
    pub tables: BTreeMap<String, Destination>,
    /// Every resource that was planned, in the order of creation; `cleanup` removes those that are ours, in reverse.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Resource>,
}

/// Where the rows of one table go: the parts of the ingestion URL
/// (<https://learn.microsoft.com/azure/azure-monitor/logs/logs-ingestion-api-overview>).
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Destination {
    /// The logs ingestion endpoint of the data collection endpoint or rule.
    pub endpoint: String,
    /// The immutable id of the data collection rule (`dcr-` and 32 hexadecimal digits).
    pub immutable_id: String,
    /// The stream's name in the rule, `Custom-` and the table's name.
    pub stream: String,
    /// The columns that the rule declares for the stream: rows may have these and no others. Empty when it is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
}

/// One Azure resource of the deployment.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Resource {
    /// The full resource id.
    pub id: String,
    /// The API version that it was written with, and is deleted with.
    pub api_version: String,
    /// Whether this tool made it, as opposed to having found it.
    pub created: bool,
    /// Whether the PUT was answered with success. A resource that is recorded but not confirmed may or may not exist.
    pub confirmed: bool,
    /// Whether it was there before and `--adopt` allowed to change it. It may be changed again, and is never removed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
    /// Whether it is a workspace that had been deleted and was brought back: it holds rows that are older than this file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recovered: bool,
    /// The table that it serves; None for what serves all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
}

impl Default for Deployment {
    fn default() -> Self {
        Self {
            format: FORMAT,
            cloud: None,
            workspace_customer_id: None,
            tables: BTreeMap::new(),
            resources: Vec::new(),
        }
    }
}

impl Deployment {
    /// Reads the file, or begins an empty deployment when there is none.
    ///
    /// # Errors
    /// As [`Deployment::read`].
    pub fn read_or_begin(path: &Path) -> anyhow::Result<Self> {
        if path.exists() { Self::read(path) } else { Ok(Self::default()) }
    }

    /// Whether the resource was made here, or adopted: only then may it be changed.
    pub fn owns(&self, id: &str) -> bool {
        let recorded = self.resources.iter().find(|resource| resource.id.eq_ignore_ascii_case(id));
        recorded.is_some_and(|resource| resource.created || resource.adopted)
    }

    /// Reads the file.
    ///
    /// # Errors
    /// The file cannot be read, is not JSON, lacks a field, or has another format version; each names the file.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let bytes = fs_err::read(path).map_err(|error| {
            Failure::new(
                error.to_string(),
                "create it with `kubectl forensys provision`, or name another with --deployment",
            )
        })?;
        let json: serde_json::Value =
            serde_json::from_slice(&bytes).with_context(|| format!("{} is not JSON", path.display()))?;
        match json.get("format").and_then(serde_json::Value::as_u64) {
            Some(format) if format == u64::from(FORMAT) => {}
            other => {
                let found = other.map_or("no format version".to_owned(), |format| format!("format version {format}"));
                return Err(Failure::new(
                    format!("{} has {found}; this version reads format {FORMAT}", path.display()),
                    "use the version of kubectl-forensys that wrote it, or run `kubectl forensys provision` again",
                )
                .into());
            }
        }
        serde_json::from_value(json).with_context(|| format!("{} is not a deployment file", path.display()))
    }

    /// Writes the file so that a crash leaves the old one or the new one, never half of either.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let temporary = path.with_extension("json.new");
        let mut file = fs_err::File::create(&temporary)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        fs_err::rename(&temporary, path)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn a_file_written_by_hand_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deployment.json");
        let text = r#"{"format":1,"tables":{"kubeevents_CL":{"endpoint":"https://e","immutable_id":"dcr-1","stream":"Custom-kubeevents_CL"}}}"#;
        fs_err::write(&path, text).unwrap();
        let read = Deployment::read(&path).unwrap();
        assert_eq!(read.tables["kubeevents_CL"].stream, "Custom-kubeevents_CL");
        read.write(&path).unwrap();
        assert_eq!(Deployment::read(&path).unwrap(), read);
    }

    #[test]
    fn another_format_version_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deployment.json");
        fs_err::write(&path, r#"{"format":2,"tables":{}}"#).unwrap();
        let message = Deployment::read(&path).unwrap_err().to_string();
        assert!(message.contains("deployment.json has format version 2"), "{message}");
    }
}
