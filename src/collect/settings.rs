//! What a collection was asked for, as it stands in `run.json`: a resumed run uses this and nothing else.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    cluster::{
        Levels,
        exec::ExecLimits,
        history_script::{LARGEST_CONTAINER, LARGEST_FILE},
        list::Selectors,
    },
    evidence::{Source, log_lines::LogRow},
    table::Row as _,
};

/// What stands on every log line beside the line itself. All of it is in `pods_CL` and `containers_CL` once, so that by default no line
/// carries it: disk, time and ingestion are paid for each line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogMetadata {
    /// Nothing
    #[default]
    None,
    /// Image and labels
    Labels,
    /// Image, labels and annotations
    Full,
}

/// The scope and the choices of a collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The namespaces; none for all of them.
    pub namespaces: Option<Vec<String>>,
    /// The namespace to try when all are asked for and they cannot be listed.
    pub fallback_namespace: String,
    /// Label selector of the pods.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub selector: Option<String>,
    /// Field selector of the pods.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub field_selector: Option<String>,
    /// The sources.
    pub sources: Vec<Source>,
    /// Whether a shell may be started in containers to read history files.
    pub exec: bool,
    /// Seconds that a shell may take in a container.
    #[serde(default = "default_exec_seconds")]
    pub exec_seconds: u64,
    /// Image of the ephemeral container that reads the files of containers without a shell; none when none may be added.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub debug_image: Option<String>,
    /// What stands on every log line.
    pub log_metadata: LogMetadata,
    /// Bytes that are read of one container instance's log at most.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_bytes_per_container: Option<u64>,
    /// Whether log files of the nodes are read through the kubelets.
    #[serde(default)]
    pub node_logs: bool,
    /// Subscription, resource group and name of the AKS cluster, when they were given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub aks_cluster: Option<[String; 3]>,
}

impl Settings {
    /// How far the collection may reach.
    pub fn levels(&self) -> Levels {
        Levels { exec: self.exec, node_logs: self.node_logs, debug_container: self.debug_image.is_some() }
    }

    /// The bounds of an exec. The bytes are those of all files in base64, and the marks.
    pub fn exec_limits(&self) -> ExecLimits {
        let bytes = (LARGEST_CONTAINER + LARGEST_FILE) as u64 / 3 * 4 + 1024 * 1024;
        ExecLimits { wall: Duration::from_secs(self.exec_seconds), bytes }
    }

    /// What narrows the list of pods.
    pub fn pod_selectors(&self) -> Selectors {
        Selectors { labels: self.selector.clone(), fields: self.field_selector.clone() }
    }
}

/// How long a shell may take when nothing else is asked for.
pub const DEFAULT_EXEC_SECONDS: u64 = 60;

fn default_exec_seconds() -> u64 {
    DEFAULT_EXEC_SECONDS
}

/// The sources that `--only` and `--skip` leave.
pub fn chosen(only: &[Source], skip: &[Source]) -> Vec<Source> {
    let is_chosen = |source: &Source| (only.is_empty() || only.contains(source)) && !skip.contains(source);
    Source::ALL.into_iter().filter(is_chosen).collect()
}

/// The table that takes log lines; its rows are rendered by hand.
pub(super) const LOG_TABLE: &crate::table::Table = LogRow::TABLE;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_run_reaches_as_far_as_it_was_allowed_to_and_no_further() {
        let before = serde_json::json!({"namespaces": null, "fallback_namespace": "shop", "sources": ["history"],
            "exec": true, "log_metadata": "labels"});
        let settings: Settings = serde_json::from_value(before).unwrap();
        assert_eq!((settings.exec_seconds, settings.levels().debug_container), (DEFAULT_EXEC_SECONDS, false));
        let settings = Settings { debug_image: Some("busybox".to_owned()), exec_seconds: 3, ..settings };
        let resumed: Settings = serde_json::from_value(serde_json::to_value(&settings).unwrap()).unwrap();
        assert!(resumed.levels().debug_container && resumed.exec_limits().wall == Duration::from_secs(3));
    }

    #[test]
    fn only_and_skip_leave_what_is_in_the_one_and_not_in_the_other() {
        assert_eq!(chosen(&[Source::Logs, Source::Events], &[Source::Logs]), [Source::Events]);
        assert_eq!(chosen(&[], &[]).len(), Source::ALL.len());
    }
}
