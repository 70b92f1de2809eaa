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
    journal::{Coverage, JournalLine, PartEntry, State, Units},
    place,
    reader::files_below,
};

/// Source of the units that stand for parts that were cut off.
pub(super) const SOURCE: &str = "interrupted";

/// The unit that stands for a part that was cut off.
pub(super) fn unit(path: &str) -> String {
    format!("{SOURCE}/{path}")
}

/// Makes a unit of every part that the journal does not name, cut to its whole rows. Those that hold none are removed.
pub(super) fn adopt(dir: &Path, units: &Units, attempt: u32) -> anyhow::Result<Vec<JournalLine>> {
    let known: BTreeSet<&str> = units.all().flat_map(|line| &line.parts).map(|part| part.path.as_str()).collect();
    let mut adopted = Vec::new();
    for path in files_below(dir)? {
        let is_part = path.starts_with("tables/") || path.starts_with("raw/");
        if !is_part || known.contains(path.as_str()) {
            continue;
        }
        let table = path.strip_prefix("tables/").and_then(|rest| rest.split('/').next()).map(str::to_owned);
        let file = dir.join(&path);
        let rows = if path.ends_with(".zst") { whole_objects(&file)? } else { cut_to_whole_rows(&file)? };
        if rows == 0 {
            fs_err::remove_file(&file)?;
            continue;
        }
        let (bytes, sha256) = digest::of_file(&file)?;
        let now = Timestamp::now();
        adopted.push(JournalLine {
            unit: unit(&path),
            source: SOURCE.to_owned(),
            object: path.clone(),
            state: State::Interrupted,
            reason: Some("the program ended while this was being read".to_owned()),
            attempt,
            started: now,
            ended: now,
            parts: vec![PartEntry { path, table, bytes, rows, sha256 }],
            superseded: Vec::new(),
            coverage: Coverage::default(),
        });
    }
    Ok(adopted)
}

/// The parts that were cut off and belong to no unit yet, by the name of the unit below its source.
pub(super) fn cut_off(units: &Units) -> BTreeMap<String, Vec<PartEntry>> {
    let mut found = BTreeMap::<_, Vec<_>>::new();
    for part in units.below(SOURCE).filter(|line| line.source == SOURCE).flat_map(|line| &line.parts) {
        if let Some(unit) = place::unit_of(&part.path) {
            found.entry(unit.to_owned()).or_default().push(part.clone());
        }
    }
    found
}

/// How many whole lines a compressed file holds that may have been cut off.
fn whole_objects(path: &Path) -> anyhow::Result<u64> {
    let mut lines = BufReader::new(zstd::Decoder::new(fs_err::File::open(path)?)?);
    let (mut count, mut line) = (0, Vec::new());
    // Where it was cut off the decoder fails: what came before that is whole.
    while lines.read_until(b'\n', &mut line).is_ok() && line.ends_with(b"\n") {
        count += 1;
        line.clear();
    }
    Ok(count)
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
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_part_that_was_cut_off_is_cut_to_whole_rows_and_one_without_any_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, empty) = ("tables/kubelogs_CL/p/c/0.jsonl", "tables/kubelogs_CL/p/c/1.jsonl");
        fs_err::create_dir_all(folder.path().join(path).parent().unwrap()).unwrap();
        fs_err::write(folder.path().join(path), "{\"a\":1}\n{\"a\":2}\n{\"a\"").unwrap();
        fs_err::write(folder.path().join(empty), "{\"a\"").unwrap();
        let mut units = Units::default();
        let adopted = adopt(folder.path(), &units, 2).unwrap();
        assert_eq!(adopted.len(), 1);
        assert_eq!((adopted[0].parts[0].rows, adopted[0].parts[0].bytes), (2, 16));
        let whole = fs_err::read_to_string(folder.path().join(path)).unwrap();
        assert_eq!(whole, "{\"a\":1}\n{\"a\":2}\n");
        assert!(!folder.path().join(empty).exists());
        adopted.into_iter().for_each(|line| units.add(line));
        assert_eq!(cut_off(&units).into_keys().collect::<Vec<_>>(), ["p/c/0"]);
        assert_eq!(adopt(folder.path(), &units, 3).unwrap(), [], "once");
    }

    #[test]
    fn objects_are_counted_up_to_where_a_kill_tore_the_compressed_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pods.jsonl.zst");
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.write_all(b"{\"a\":1}\n{\"a\":2}\n").unwrap();
        encoder.flush().unwrap();
        let kept = encoder.get_ref().len();
        encoder.write_all(b"{\"a\":3}\n").unwrap();
        let whole = encoder.finish().unwrap();
        fs_err::write(&path, whole.get(..kept + 1).unwrap()).unwrap();
        assert_eq!(whole_objects(&path).unwrap(), 2);
        fs_err::write(&path, &whole).unwrap();
        assert_eq!(whole_objects(&path).unwrap(), 3);
        fs_err::write(&path, []).unwrap();
        assert_eq!(whole_objects(&path).unwrap(), 0);
    }
}
