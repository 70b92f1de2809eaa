//! What a killed run left: parts that no journal line names. Their whole lines are kept, as interrupted units.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader},
    path::Path,
};

use jiff::Timestamp;
use memchr::memmem;

use super::{
    digest,
    journal::{Coverage, JournalLine, PartEntry, State},
    reader::files_below,
};

/// Source of the units that stand for parts that were cut off.
pub(super) const SOURCE: &str = "interrupted";

/// Makes a unit of every part that the journal does not name, cut to its whole rows.
pub(super) fn adopt(
    dir: &Path,
    units: &BTreeMap<String, JournalLine>,
    attempt: u32,
) -> anyhow::Result<Vec<JournalLine>> {
    let known: BTreeSet<&str> = units.values().flat_map(|line| &line.parts).map(|part| part.path.as_str()).collect();
    let mut adopted = Vec::new();
    for path in files_below(dir)? {
        let is_part = path.starts_with("tables/") || path.starts_with("raw/");
        if !is_part || known.contains(path.as_str()) {
            continue;
        }
        let table = path.strip_prefix("tables/").and_then(|rest| rest.split('/').next()).map(str::to_owned);
        let rows = if can_go_on(&path) { cut_to_whole_rows(&dir.join(&path))? } else { 0 };
        let (bytes, sha256) = digest::of_file(&dir.join(&path))?;
        let now = Timestamp::now();
        adopted.push(JournalLine {
            unit: format!("{SOURCE}/{path}"),
            source: SOURCE.to_owned(),
            object: path.clone(),
            state: State::Interrupted,
            reason: Some("the program ended while this was being read".to_owned()),
            attempt,
            started: now,
            ended: now,
            parts: vec![PartEntry { path, table, bytes, rows, sha256 }],
            coverage: Coverage::default(),
        });
    }
    Ok(adopted)
}

/// The parts that may be read on, by path.
pub(super) fn interrupted_parts<'a>(lines: impl Iterator<Item = &'a JournalLine>) -> BTreeMap<String, PartEntry> {
    lines
        .filter(|line| matches!(line.state, State::Interrupted | State::Failed | State::Truncated))
        .flat_map(|line| &line.parts)
        .filter(|part| can_go_on(&part.path))
        .map(|part| (part.path.clone(), part.clone()))
        .collect()
}

/// Whether a part can be written on where it was cut off: lines can, what is compressed cannot.
fn can_go_on(path: &str) -> bool {
    path.ends_with(".jsonl")
}

/// Cuts a torn last line, and the pieces of a row whose last piece is missing. Returns how many rows stay.
fn cut_to_whole_rows(path: &Path) -> anyhow::Result<u64> {
    let mut lines = BufReader::new(fs_err::File::open(path)?);
    let (mut at, mut whole, mut rows, mut pending) = (0u64, 0u64, 0u64, 0u64);
    let mut line = Vec::new();
    loop {
        line.clear();
        let count = lines.read_until(b'\n', &mut line)?;
        if count == 0 || !line.ends_with(b"\n") {
            break;
        }
        at += count as u64;
        pending += 1;
        let is_piece = memmem::find(&line, b",\"chunk\":").is_some();
        if !is_piece || memmem::find(&line, b",\"chunk_last\":true").is_some() {
            whole = at;
            rows += pending;
            pending = 0;
        }
    }
    drop(lines);
    fs_err::OpenOptions::new().write(true).open(path)?.set_len(whole)?;
    Ok(rows)
}
