//! `journal.jsonl`: a line per finished unit. Of several lines for one unit the last holds.

use std::{collections::BTreeMap, io::Write as _, path::Path};

use anyhow::Context as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How a unit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// All of it was read.
    Complete,
    /// It was read, and there was nothing.
    Empty,
    /// The server refused (401, 403).
    Denied,
    /// It could not be read.
    Failed,
    /// A part of it was read; the rest is missing.
    Truncated,
    /// Reading was cut off by the end of the program; a resumed run reads on.
    Interrupted,
    /// The container has no shell to read files with.
    NoShell,
    /// The thing cannot give this evidence at all.
    Unsupported,
    /// The command line left it out.
    SkippedByFilter,
}

impl State {
    /// Whether evidence is missing that was asked for: these make the exit status 3.
    pub fn is_gap(self) -> bool {
        matches!(self, Self::Denied | Self::Failed | Self::Truncated | Self::Interrupted)
    }

    /// Whether there is something to say in the list of gaps and notes.
    pub fn is_notable(self) -> bool {
        !matches!(self, Self::Complete | Self::Empty)
    }

    /// Whether a resumed run leaves the unit alone.
    pub fn is_final(self) -> bool {
        !self.is_gap()
    }

    /// The state's name as it stands in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Empty => "empty",
            Self::Denied => "denied",
            Self::Failed => "failed",
            Self::Truncated => "truncated",
            Self::Interrupted => "interrupted",
            Self::NoShell => "no-shell",
            Self::Unsupported => "unsupported",
            Self::SkippedByFilter => "skipped-by-filter",
        }
    }
}

/// How much of the evidence was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Time of the oldest record seen.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first: Option<Timestamp>,
    /// Time of the youngest record seen.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last: Option<Timestamp>,
    /// When the thing began that the records are of: a container instance.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub started: Option<Timestamp>,
    /// Bytes received from the cluster.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bytes: Option<u64>,
    /// `metadata.resourceVersion` of a list.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub resource_version: Option<String>,
}

/// A file that a unit wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartEntry {
    /// Path in the bundle, with `/`.
    pub path: String,
    /// The table whose rows it holds; none for raw objects.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub table: Option<String>,
    /// Size in bytes.
    pub bytes: u64,
    /// Rows (lines).
    pub rows: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalLine {
    /// Name of the unit; unique in the run.
    pub unit: String,
    /// The source that it belongs to (`logs`, `events` …).
    pub source: String,
    /// The thing in the cluster, in words: `namespace shop`, `shop/web-1 container app`.
    pub object: String,
    /// How it ended.
    pub state: State,
    /// Why, where the state is not `complete`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Number of the attempt that wrote the line; the first run is 1, each resume adds one.
    pub attempt: u32,
    /// When work on the unit began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// What it wrote.
    pub parts: Vec<PartEntry>,
    /// How much was seen.
    #[serde(default)]
    pub coverage: Coverage,
}

/// Reads a journal: the last line of each unit, by unit name. A torn last line (a kill in the middle of a write) is ignored.
/// Errors when the file cannot be read or a line other than the last is damaged.
pub(super) fn read(path: &Path) -> anyhow::Result<BTreeMap<String, JournalLine>> {
    let text = match fs_err::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error.into()),
    };
    let mut units = BTreeMap::new();
    for (number, line) in text.split_inclusive(|&byte| byte == b'\n').enumerate() {
        let Some(line) = line.strip_suffix(b"\n") else { break };
        let line: JournalLine = serde_json::from_slice(line)
            .with_context(|| format!("{} line {} is damaged", path.display(), number + 1))?;
        units.insert(line.unit.clone(), line);
    }
    Ok(units)
}

/// Opens a file for appending lines; what a kill left after the last newline is removed and returned.
pub(super) fn open_lines(path: &Path) -> anyhow::Result<(fs_err::File, Option<Vec<u8>>)> {
    let mut torn = None;
    if let Ok(text) = fs_err::read(path) {
        let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        if whole < text.len() {
            torn = text.get(whole..).map(<[u8]>::to_vec);
            fs_err::OpenOptions::new().write(true).open(path)?.set_len(whole as u64)?;
        }
    }
    Ok((fs_err::OpenOptions::new().create(true).append(true).open(path)?, torn))
}

/// Appends lines in one write and makes them durable.
pub(super) fn append(file: &mut fs_err::File, lines: &[JournalLine]) -> anyhow::Result<()> {
    let mut text = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
    }
    file.write_all(&text)?;
    file.sync_data()?;
    Ok(())
}
