//! `journal.jsonl`: a line each time that a unit ends. Of several lines for one unit the last says how it ended; the parts of all of them
//! belong to it, but for those that a later line calls superseded. So a line names what its own try wrote, and reading the journal takes
//! as long as the journal is.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
};

use anyhow::Context as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::resume;

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
    /// What it wrote, and what it found of a try that was cut off.
    pub parts: Vec<PartEntry>,
    /// Paths of earlier parts that what it wrote takes the place of. They are removed before the bundle is sealed.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub superseded: Vec<String>,
    /// How much was seen.
    #[serde(default)]
    pub coverage: Coverage,
}

/// What a journal comes to: each unit as it last ended, with all its parts.
#[derive(Debug, Default)]
pub(super) struct Units {
    lines: BTreeMap<String, JournalLine>,
    superseded: BTreeSet<String>,
}

impl Units {
    /// Takes the next line of the journal.
    pub(super) fn add(&mut self, mut line: JournalLine) {
        let gone = std::mem::take(&mut line.superseded);
        if line.source != resume::SOURCE {
            // A part that was cut off belongs to the unit that goes on with it from here on.
            for path in line.parts.iter().map(|part| &part.path).chain(&gone) {
                self.lines.remove(&resume::unit(path));
            }
        }
        if let Some(before) = self.lines.get_mut(&line.unit) {
            let mut parts = std::mem::take(&mut before.parts);
            if !gone.is_empty() {
                parts.retain(|part| !gone.contains(&part.path));
            }
            parts.append(&mut line.parts);
            line.parts = parts;
        }
        self.superseded.extend(gone);
        self.lines.insert(line.unit.clone(), line);
    }

    /// A unit by its name.
    pub(super) fn get(&self, unit: &str) -> Option<&JournalLine> {
        self.lines.get(unit)
    }

    /// All units, by name. A part that was cut off is a unit of its own until another goes on with it.
    pub(super) fn all(&self) -> impl Iterator<Item = &JournalLine> {
        self.lines.values()
    }

    /// The units whose names begin with `prefix`.
    pub(super) fn below(&self, prefix: &str) -> impl Iterator<Item = &JournalLine> {
        let below = self.lines.range(prefix.to_owned()..).take_while(move |(name, _)| name.starts_with(prefix));
        below.map(|(_, line)| line)
    }

    /// Paths that are no part of any unit any more, and are never given to another part.
    pub(super) fn superseded(&self) -> &BTreeSet<String> {
        &self.superseded
    }
}

/// Reads a journal, line by line. A torn last line (a kill in the middle of a write) is ignored.
/// Errors when the file cannot be read or a line other than the last is damaged.
pub(super) fn read(path: &Path) -> anyhow::Result<Units> {
    let mut units = Units::default();
    let mut lines = match fs_err::File::open(path) {
        Ok(file) => BufReader::new(file),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(units),
        Err(error) => return Err(error.into()),
    };
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        lines.read_until(b'\n', &mut line)?;
        let Some(line) = line.strip_suffix(b"\n") else { break };
        let line =
            serde_json::from_slice(line).with_context(|| format!("{} line {number} is damaged", path.display()))?;
        units.add(line);
    }
    Ok(units)
}

/// Opens a journal for appending; what a kill left after the last newline is removed.
pub(super) fn open_lines(path: &Path) -> anyhow::Result<fs_err::File> {
    let file = fs_err::OpenOptions::new().create(true).read(true).append(true).open(path)?;
    let whole = end_of_lines(&file)?;
    if whole < file.metadata()?.len() {
        file.set_len(whole)?;
    }
    Ok(file)
}

/// Where the last whole line ends; looked for from the end of the file.
fn end_of_lines(mut file: &fs_err::File) -> std::io::Result<u64> {
    const STEP: u64 = 64 * 1024;
    let mut end = file.metadata()?.len();
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(STEP);
        file.seek(SeekFrom::Start(start))?;
        block.clear();
        file.take(end - start).read_to_end(&mut block)?;
        if let Some(at) = memchr::memrchr(b'\n', &block) {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn line(unit: &str, parts: &[&str], superseded: &[&str]) -> JournalLine {
        let part =
            |path: &&str| PartEntry { path: (*path).to_owned(), table: None, bytes: 0, rows: 1, sha256: String::new() };
        JournalLine {
            unit: unit.to_owned(),
            source: unit.split('/').next().unwrap().to_owned(),
            object: String::new(),
            state: State::Complete,
            reason: None,
            attempt: 1,
            started: Timestamp::UNIX_EPOCH,
            ended: Timestamp::UNIX_EPOCH,
            parts: parts.iter().map(part).collect(),
            superseded: superseded.iter().map(|path| (*path).to_owned()).collect(),
            coverage: Coverage::default(),
        }
    }

    #[test]
    fn a_unit_has_the_parts_of_all_its_lines_but_those_that_were_superseded() {
        let mut units = Units::default();
        units.add(line("interrupted/raw/x/u.jsonl", &["raw/x/u.jsonl"], &[]));
        units.add(line("interrupted/raw/x/v.jsonl", &["raw/x/v.jsonl"], &[]));
        units.add(line("logs/u", &["a"], &[]));
        units.add(line("logs/u", &["raw/x/u.jsonl", "b"], &["a"]));
        units.add(line("logs/u", &["c"], &[]));
        let parts: Vec<_> = units.get("logs/u").unwrap().parts.iter().map(|part| part.path.as_str()).collect();
        assert_eq!(parts, ["raw/x/u.jsonl", "b", "c"]);
        let names: Vec<_> = units.all().map(|line| line.unit.as_str()).collect();
        assert_eq!(
            names,
            ["interrupted/raw/x/v.jsonl", "logs/u"],
            "what was cut off and gone on with is no gap any more"
        );
        assert!(units.superseded().contains("a"));
    }

    #[test]
    fn what_a_kill_tore_is_removed_wherever_it_begins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        for (text, whole) in [("", 0), ("torn", 0), ("a\n", 2), ("a\nbc", 2)] {
            fs_err::write(&path, text).unwrap();
            drop(open_lines(&path).unwrap());
            assert_eq!(fs_err::metadata(&path).unwrap().len(), whole, "{text:?}");
        }
        fs_err::write(&path, format!("a\n{}", "b".repeat(200_000))).unwrap();
        drop(open_lines(&path).unwrap());
        assert_eq!(fs_err::read(&path).unwrap(), b"a\n");
    }
}
