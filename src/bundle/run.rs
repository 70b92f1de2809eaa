//! `run.json`: what was asked of this run. Written before anything is collected; a resumed run uses it and nothing else.

use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// Version of the bundle's format. A reader refuses any other.
pub const FORMAT: u32 = 1;

/// The window of time that was asked for, absolute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Nothing older, where the source has times.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since: Option<Timestamp>,
    /// Nothing younger.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub until: Option<Timestamp>,
}

impl Window {
    /// Whether a moment lies inside; both ends belong to the window.
    pub fn contains(&self, moment: Timestamp) -> bool {
        self.since.is_none_or(|since| moment >= since) && self.until.is_none_or(|until| moment <= until)
    }
}

/// Who collected, as far as the machine and the cluster say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// Login name on the collecting machine.
    pub login: String,
    /// Name of the collecting machine.
    pub host: String,
    /// The name that the cluster knows the caller by (SelfSubjectReview), where it told.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cluster_user: Option<String>,
}

/// The content of `run.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFile {
    /// Format version of the bundle ([`FORMAT`]).
    pub format: u32,
    /// ULID of the run; resumed attempts keep it.
    pub run_id: String,
    /// The case that the responder named.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub case_id: Option<String>,
    /// Name and version of this tool.
    pub tool: String,
    /// True when the evidence comes from the embedded demonstration and is nobody's.
    pub demo: bool,
    /// When the run began.
    pub started: Timestamp,
    /// Who collected.
    pub operator: Operator,
    /// Address of the API server.
    pub server: String,
    /// The kubeconfig context, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub context: Option<String>,
    /// UID of the namespace `kube-system`: the identity of the cluster, where it may be read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cluster_uid: Option<String>,
    /// Version that the API server says it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub server_version: Option<String>,
    /// The window, absolute.
    pub window: Window,
    /// The scope and choices of the command line, as `collect` defines them.
    pub settings: serde_json::Value,
}

impl RunFile {
    /// Reads `run.json` of a bundle. Errors when it is missing, unreadable or of another format version.
    pub fn read(dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join("run.json");
        let text = fs_err::read(&path).map_err(|error| {
            Failure::new(
                format!("`{}` is not a bundle: {error}", dir.display()),
                "name the folder that `collect` wrote; it holds run.json and journal.jsonl",
            )
        })?;
        let version: serde_json::Value =
            serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", path.display()))?;
        let format = version.get("format").and_then(serde_json::Value::as_u64);
        if format != Some(u64::from(FORMAT)) {
            let found = format.map_or_else(|| "none".to_owned(), |format| format.to_string());
            return Err(Failure::new(
                format!("{} has format version {found}; this program reads {FORMAT}", path.display()),
                "use the version of kubectl-forensys that wrote the bundle",
            )
            .into());
        }
        serde_json::from_value(version).with_context(|| format!("{} is damaged", path.display()))
    }
}
