//! `manifest.json`: derived from the journal, written last. It names every file of the bundle with its digest.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{journal::State, run::RunFile};

/// What the run came to, as sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SealStatus {
    /// All that was asked for is there.
    Complete,
    /// Something was denied, failed or was truncated; see the gaps.
    Gaps,
    /// Stopped by the responder; can be resumed.
    Interrupted,
}

/// A file of the bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Path in the bundle, with `/`.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// The table whose rows it holds; none for other files.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub table: Option<String>,
    /// Rows (lines) of a part.
    #[serde(default)]
    pub rows: u64,
}

/// A unit that ended as anything but complete or empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GapEntry {
    /// The source (`logs`, `events` …).
    pub source: String,
    /// The thing in the cluster, in words.
    pub object: String,
    /// How it ended.
    pub state: State,
    /// Why.
    pub reason: String,
}

/// Sums of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableTotal {
    /// Rows (lines).
    pub rows: u64,
    /// Files.
    pub parts: u64,
    /// Bytes.
    pub bytes: u64,
}

/// The content of `manifest.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format version of the bundle.
    pub format: u32,
    /// Number of this seal, from 1; each resumed attempt that seals adds one.
    pub generation: u32,
    /// ULID of the run.
    pub run_id: String,
    /// True when the evidence comes from the embedded demonstration.
    pub demo: bool,
    /// What the run came to.
    pub status: SealStatus,
    /// When it was sealed.
    pub sealed: Timestamp,
    /// What was asked, as in `run.json`.
    pub run: RunFile,
    /// Sums by table.
    pub tables: BTreeMap<String, TableTotal>,
    /// How many units ended in which state, by source.
    pub units: BTreeMap<String, BTreeMap<State, u64>>,
    /// What is missing, and notes (no-shell, unsupported, skipped-by-filter).
    pub gaps: Vec<GapEntry>,
    /// Every file but the manifest itself.
    pub files: Vec<FileEntry>,
}
