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
    let mut adopted = grown(dir, units, attempt)?;
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

/// The units whose parts are longer or shorter than the journal says: they were gone on with when the program ended. In a bundle that was
/// sealed since, nothing was: there a difference is for `verify` to tell.
fn grown(dir: &Path, units: &BTreeMap<String, JournalLine>, attempt: u32) -> anyhow::Result<Vec<JournalLine>> {
    if dir.join("manifest.json").exists() {
        return Ok(Vec::new());
    }
    let differs = |part: &PartEntry| {
        can_go_on(&part.path) && fs_err::metadata(dir.join(&part.path)).is_ok_and(|file| file.len() != part.bytes)
    };
    let mut changed = Vec::new();
    for line in units.values().filter(|line| line.parts.iter().any(differs)) {
        let mut line = line.clone();
        for part in line.parts.iter_mut().filter(|part| differs(part)) {
            part.rows = cut_to_whole_rows(&dir.join(&part.path))?;
            (part.bytes, part.sha256) = digest::of_file(&dir.join(&part.path))?;
        }
        line.state = State::Interrupted;
        line.reason = Some("the program ended while this was being read on".to_owned());
        line.attempt = attempt;
        changed.push(line);
    }
    Ok(changed)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_was_gone_on_with_after_it_was_journalled_is_counted_anew_and_cut_to_whole_rows() {
        let folder = tempfile::tempdir().unwrap();
        let path = "tables/kubelogs_CL/p/c/0.jsonl";
        fs_err::create_dir_all(folder.path().join(path).parent().unwrap()).unwrap();
        fs_err::write(folder.path().join(path), "{\"a\":1}\n{\"a\":2}\n{\"a\"").unwrap();
        let now = Timestamp::UNIX_EPOCH;
        let part =
            PartEntry { path: path.into(), table: Some("kubelogs_CL".into()), bytes: 8, rows: 1, sha256: "old".into() };
        let line = JournalLine {
            unit: "logs/p/c/0".into(),
            source: "logs".into(),
            object: "p".into(),
            state: State::Complete,
            reason: None,
            attempt: 1,
            started: now,
            ended: now,
            parts: vec![part],
            coverage: Coverage::default(),
        };
        let units = BTreeMap::from([(line.unit.clone(), line)]);
        let adopted = adopt(folder.path(), &units, 2).unwrap();
        assert_eq!(adopted.len(), 1);
        assert_eq!(
            (adopted[0].state, adopted[0].parts[0].rows, adopted[0].parts[0].bytes),
            (State::Interrupted, 2, 16)
        );
        let whole = fs_err::read_to_string(folder.path().join(path)).unwrap();
        assert_eq!(whole, "{\"a\":1}\n{\"a\":2}\n");
    }
}
