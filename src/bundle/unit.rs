//! A unit of work as its source sees it: rows and raw objects go in, an outcome ends it.

use std::{
    collections::{BTreeMap, HashSet},
    io::{BufRead as _, BufReader},
    path::Path,
};

use jiff::Timestamp;

use anyhow::Context as _;

use super::{
    BundleWriter, component,
    journal::{Coverage, JournalLine, PartEntry, State},
    part::PartWriter,
    run::Window,
};
use crate::table::{Envelope, Row, Table, render};

/// How a unit ended, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The state.
    pub state: State,
    /// Why, where the state is not complete.
    pub reason: Option<String>,
    /// How much was seen.
    pub coverage: Coverage,
}

impl Outcome {
    /// All was read.
    pub fn complete() -> Self {
        Self { state: State::Complete, reason: None, coverage: Coverage::default() }
    }

    /// Anything else, with the reason.
    pub fn new(state: State, reason: impl Into<String>) -> Self {
        Self { state, reason: Some(reason.into()), coverage: Coverage::default() }
    }

    /// The same outcome with its coverage.
    pub fn with_coverage(self, coverage: Coverage) -> Self {
        Self { coverage, ..self }
    }
}

/// Name of the part of raw lines among the parts of a unit; no table and no kind is called so.
const RAW_LINES: &str = "raw lines";

/// A unit being collected. Dropping it without [`Unit::finish`] leaves files that the journal does not know.
pub struct Unit {
    writer: BundleWriter,
    source: &'static str,
    object: String,
    path: Vec<String>,
    started: Timestamp,
    window: Window,
    /// Rows that are there already, by `RecordId`, where each is to be taken once only.
    known: Option<HashSet<String>>,
    parts: BTreeMap<String, PartWriter>,
    /// Paths of the parts by table and by kind of raw object: rows are many, and their paths few.
    paths: Vec<(&'static str, String)>,
}

impl Unit {
    pub(super) fn new(writer: BundleWriter, source: &'static str, object: String, path: &[&str]) -> Self {
        let path = path.iter().map(|text| component(text)).collect();
        Self {
            writer,
            source,
            object,
            path,
            started: Timestamp::now(),
            window: Window::default(),
            known: None,
            parts: BTreeMap::new(),
            paths: Vec::new(),
        }
    }

    /// Name of the unit in the journal.
    pub fn name(source: &str, path: &[&str]) -> String {
        let path: Vec<_> = path.iter().map(|text| component(text)).collect();
        format!("{source}/{}", path.join("/"))
    }

    /// The envelope of the run's rows.
    pub fn envelope(&self) -> &Envelope {
        self.writer.envelope()
    }

    /// From now on rows whose own time lies outside of the window are left out. Raw objects are kept all the same.
    pub fn keep_only(&mut self, window: Window) {
        self.window = window;
    }

    /// Adds a row. `event_time` is the evidence's own time. Errors when it cannot be written (a full disk).
    pub fn push<R: Row>(&mut self, row: &R, event_time: Option<Timestamp>) -> anyhow::Result<()> {
        if event_time.is_some_and(|time| !self.window.contains(time)) {
            return Ok(());
        }
        let rendered = render(row, self.writer.envelope(), event_time, Timestamp::now());
        if let Some(known) = &mut self.known
            && !known.insert(record_id(&rendered.bytes).unwrap_or_default())
        {
            return Ok(());
        }
        self.append(R::TABLE, &rendered.bytes, rendered.rows)
    }

    /// Adds lines that are rendered already.
    pub fn append(&mut self, table: &'static Table, lines: &[u8], rows: u64) -> anyhow::Result<()> {
        self.open(table)?.write(lines, rows)?;
        Ok(())
    }

    /// Adds a line of JSON, without its newline, that can be read on where a kill cuts the file off: it is not compressed.
    pub fn raw_line(&mut self, kind: &str, line: &[u8]) -> anyhow::Result<()> {
        let part = self.part(RAW_LINES, None, |unit| unit.raw_line_path(kind))?;
        part.write(line, 0)?;
        part.write(b"\n", 1)?;
        Ok(())
    }

    /// Hands everything to the system, so that it survives the end of this process.
    pub fn flush(&mut self) -> anyhow::Result<()> {
        self.parts.values_mut().try_for_each(|part| Ok(part.flush()?))
    }

    /// Goes on in the parts that an earlier attempt left for these tables and for the lines of a kind, however it ended. From now on each
    /// row is taken once only.
    pub fn continue_all(&mut self, tables: &[&'static Table], kind: &str) -> anyhow::Result<()> {
        let mut known = HashSet::new();
        let paths = tables.iter().map(|table| self.table_path(table)).chain([self.raw_line_path(kind)]);
        for path in paths.collect::<Vec<_>>() {
            if let Some(left) = self.writer.part_to_go_on(&self.full_name(), &path) {
                self.go_on(path, left, &mut |row| known.extend(record_id(row)))?;
            }
        }
        self.known = Some(known);
        Ok(())
    }

    /// Takes no row that another unit has already.
    pub fn leave_out_rows_of(&mut self, source: &str, path: &[&str]) -> anyhow::Result<()> {
        let name = Self::name(source, path);
        let parts = self.writer.with_units(|units| units.get(&name).map(|line| line.parts.clone()).unwrap_or_default());
        let known = self.known.get_or_insert_default();
        for part in parts.iter().filter(|part| part.table.is_some()) {
            visit_lines(&self.writer.dir().join(&part.path), &mut |row| known.extend(record_id(row)))?;
        }
        Ok(())
    }

    /// Adds a raw object of a kind (`pods`), one line of JSON without its newline.
    pub fn raw(&mut self, kind: &'static str, object: &[u8]) -> anyhow::Result<()> {
        let part =
            self.part(kind, None, |unit| format!("raw/{}/{}.jsonl.zst", component(kind), unit.path.join("/")))?;
        part.write(object, 0)?;
        part.write(b"\n", 1)?;
        Ok(())
    }

    /// Rows written to a table so far.
    pub fn rows(&self, table: &'static Table) -> u64 {
        self.parts.get(&self.table_path(table)).map_or(0, PartWriter::rows)
    }

    /// Rows written to all tables so far.
    pub fn all_rows(&self) -> u64 {
        self.parts.iter().filter(|(path, _)| path.starts_with("tables/")).map(|(_, part)| part.rows()).sum()
    }

    /// Goes on in the part that an interrupted attempt left for a table, keeping its rows. The lines are returned
    /// by `visit`; false when there is no such part.
    pub fn continue_part(&mut self, table: &'static Table, visit: &mut dyn FnMut(&[u8])) -> anyhow::Result<bool> {
        let path = self.table_path(table);
        let Some(left) = self.writer.part_to_go_on(&self.full_name(), &path) else { return Ok(false) };
        self.go_on(path, left, visit)?;
        Ok(true)
    }

    fn go_on(&mut self, path: String, left: PartEntry, visit: &mut dyn FnMut(&[u8])) -> anyhow::Result<()> {
        visit_lines(&self.writer.dir().join(&path), visit)?;
        self.parts.insert(path, PartWriter::append(self.writer.dir(), left)?);
        Ok(())
    }

    /// The rows of a table that were written so far, for reading on after a break.
    pub fn written(&mut self, table: &'static Table, visit: &mut dyn FnMut(&[u8])) -> anyhow::Result<()> {
        let path = self.table_path(table);
        let Some(part) = self.parts.get_mut(&path) else { return Ok(()) };
        part.flush()?;
        visit_lines(&self.writer.dir().join(&path), visit)
    }

    /// Throws away what was written so far, to begin the unit again (a list whose pages expired).
    pub fn restart(&mut self) -> anyhow::Result<()> {
        for path in std::mem::take(&mut self.parts).into_keys() {
            fs_err::remove_file(self.writer.dir().join(path))?;
        }
        Ok(())
    }

    /// Removes what an earlier attempt wrote for this unit: it is derived, and derived anew.
    pub fn replace_earlier(&mut self) -> anyhow::Result<()> {
        let name = self.full_name();
        let parts = self.writer.with_units(|units| units.get(&name).map(|line| line.parts.clone()).unwrap_or_default());
        parts.iter().try_for_each(|part| Ok(fs_err::remove_file(self.writer.dir().join(&part.path))?))
    }

    /// Ends the unit and hands it to the journal. Parts of an earlier attempt that were not written again stay with the unit.
    pub async fn finish(self, outcome: Outcome) -> anyhow::Result<()> {
        let name = self.full_name();
        let mut parts: Vec<PartEntry> =
            self.parts.into_values().map(PartWriter::finish).collect::<std::io::Result<_>>()?;
        let kept = self.writer.earlier_parts(&name);
        parts.extend(kept.into_iter().filter(|old| !parts.iter().any(|new| new.path == old.path)).collect::<Vec<_>>());
        let rows: u64 = parts.iter().filter(|part| part.table.is_some()).map(|part| part.rows).sum();
        let state = if outcome.state == State::Complete && rows == 0 { State::Empty } else { outcome.state };
        let line = JournalLine {
            unit: name,
            source: self.source.to_owned(),
            object: self.object,
            state,
            reason: outcome.reason,
            attempt: self.writer.attempt(),
            started: self.started,
            ended: Timestamp::now(),
            parts,
            coverage: outcome.coverage,
        };
        self.writer.commit(line).await
    }

    fn full_name(&self) -> String {
        format!("{}/{}", self.source, self.path.join("/"))
    }

    fn raw_line_path(&self, kind: &str) -> String {
        format!("raw/{}/{}.jsonl", component(kind), self.path.join("/"))
    }

    fn table_path(&self, table: &Table) -> String {
        format!("tables/{}/{}.jsonl", table.name, self.path.join("/"))
    }

    fn open(&mut self, table: &'static Table) -> anyhow::Result<&mut PartWriter> {
        self.part(table.name, Some(table.name), |unit| unit.table_path(table))
    }

    /// The part that goes by a name in this unit, made when it is asked for the first time.
    fn part(
        &mut self,
        name: &'static str,
        table: Option<&str>,
        path: impl FnOnce(&Self) -> String,
    ) -> anyhow::Result<&mut PartWriter> {
        let known = self.paths.iter().position(|(known, _)| *known == name);
        let at = known.unwrap_or(self.paths.len());
        if known.is_none() {
            let path = path(self);
            self.paths.push((name, path));
        }
        let path = self.paths.get(at).map(|(_, path)| path.as_str()).unwrap_or_default();
        if !self.parts.contains_key(path) {
            let part = PartWriter::create(self.writer.dir(), path.to_owned(), table.map(str::to_owned))?;
            self.parts.insert(path.to_owned(), part);
        }
        self.parts.get_mut(path).context("a part that was just made is gone")
    }
}

/// Every line of a file, with its newline.
fn visit_lines(path: &Path, visit: &mut dyn FnMut(&[u8])) -> anyhow::Result<()> {
    let mut lines = BufReader::new(fs_err::File::open(path)?);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        visit(&line);
        line.clear();
    }
    Ok(())
}

/// The `RecordId` of a row as it was written.
fn record_id(row: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Kept {
        #[serde(rename = "RecordId")]
        record: String,
    }
    let first = row.split_inclusive(|&byte| byte == b'\n').next()?;
    serde_json::from_slice::<Kept>(first).ok().map(|kept| kept.record)
}
