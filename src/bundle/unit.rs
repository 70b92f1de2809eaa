//! A unit of work as its source sees it: rows and raw objects go in, an outcome ends it.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
};

use jiff::Timestamp;

use anyhow::Context as _;

use super::{
    BundleWriter, component,
    journal::{Coverage, JournalLine, PartEntry, State},
    known::{self, Known, visit_lines},
    part::PartWriter,
    place::Place,
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

/// A unit being collected. What earlier tries kept of it stays with it, and is not written again: rows that [`Unit::push`] and objects
/// that [`Unit::raw`] are given are left out as often as they were kept. Dropping it without [`Unit::finish`] leaves files that the
/// journal does not know; they are kept as interrupted when the bundle is sealed or gone on with.
pub struct Unit {
    writer: BundleWriter,
    source: &'static str,
    object: String,
    /// The name below the source.
    name: String,
    started: Timestamp,
    window: Window,
    earlier: Vec<Earlier>,
    /// What earlier tries kept; none before it is asked for.
    known: Option<Known>,
    parts: Vec<OpenPart>,
}

/// A part that is there already.
struct Earlier {
    entry: PartEntry,
    /// Whether a line of this unit names it already.
    is_journalled: bool,
    /// Whether what this try writes takes its place.
    is_replaced: bool,
}

/// A part being written: a table's, or a kind of objects'.
struct OpenPart {
    label: Label,
    part: PartWriter,
}

/// What a part is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Label {
    Table(&'static str),
    Objects(&'static str),
    Lines(&'static str),
}

impl Label {
    fn place(self, unit: &str) -> Place {
        match self {
            Self::Table(table) => Place::of_table(table, unit),
            Self::Objects(kind) => Place::of_objects(kind, unit),
            Self::Lines(kind) => Place::of_lines(kind, unit),
        }
    }

    fn table(self) -> Option<&'static str> {
        if let Self::Table(table) = self { Some(table) } else { None }
    }
}

impl Unit {
    pub(super) fn new(
        writer: BundleWriter,
        source: &'static str,
        object: String,
        path: &[&str],
        folders: &[&str],
    ) -> Self {
        let name = joined(path);
        let earlier = |entry, is_journalled| Earlier { entry, is_journalled, is_replaced: false };
        let kept = writer.parts_of(&format!("{source}/{name}")).into_iter().map(|entry| earlier(entry, true));
        let found = writer.cut_off(&name, folders).into_iter().map(|entry| earlier(entry, false));
        let earlier = kept.chain(found).collect();
        Self {
            writer,
            source,
            object,
            name,
            started: Timestamp::now(),
            window: Window::default(),
            earlier,
            known: None,
            parts: Vec::new(),
        }
    }

    /// Name of the unit in the journal.
    pub fn name(source: &str, path: &[&str]) -> String {
        format!("{source}/{}", joined(path))
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
        if let Some(known) = self.known()?
            && known::of_row(&rendered.bytes).is_some_and(|identity| known.has(identity))
        {
            return Ok(());
        }
        self.append(R::TABLE, &rendered.bytes, rendered.rows)
    }

    /// Adds lines that are rendered already. Whether earlier tries kept them is the caller's to know; see [`Unit::kept`].
    pub fn append(&mut self, table: &'static Table, lines: &[u8], rows: u64) -> anyhow::Result<()> {
        self.part(Label::Table(table.name))?.write(lines, rows)?;
        Ok(())
    }

    /// Adds a raw object of a kind (`pods`), one line of JSON without its newline.
    pub fn raw(&mut self, kind: &'static str, object: &[u8]) -> anyhow::Result<()> {
        if let Some(known) = self.known()?
            && known.has(known::of_object(&component(kind), object))
        {
            return Ok(());
        }
        self.line(Label::Objects(kind), object)
    }

    /// Adds a line of JSON, without its newline, that can be read on where a kill cuts the file off: it is not compressed.
    pub fn raw_line(&mut self, kind: &'static str, line: &[u8]) -> anyhow::Result<()> {
        self.line(Label::Lines(kind), line)
    }

    fn line(&mut self, label: Label, line: &[u8]) -> anyhow::Result<()> {
        let part = self.part(label)?;
        part.write(line, 0)?;
        part.write(b"\n", 1)?;
        Ok(())
    }

    /// Hands everything to the system, so that it survives the end of this process.
    pub fn flush(&mut self) -> anyhow::Result<()> {
        self.parts.iter_mut().try_for_each(|open| Ok(open.part.flush()?))
    }

    /// From now on each row is taken once only, however often it is seen.
    pub fn take_once(&mut self) -> anyhow::Result<()> {
        let mut known = Known::Once(HashSet::new());
        known.add_parts(self.writer.dir(), self.staying())?;
        self.known = Some(known);
        Ok(())
    }

    /// Takes no row that another unit has already, and each only once.
    pub fn leave_out_rows_of(&mut self, source: &str, path: &[&str]) -> anyhow::Result<()> {
        if !matches!(self.known, Some(Known::Once(_))) {
            self.take_once()?;
        }
        let parts = self.writer.parts_of(&Self::name(source, path));
        match &mut self.known {
            Some(known) => known.add_parts(self.writer.dir(), parts.iter().filter(|part| part.table.is_some())),
            None => Ok(()),
        }
    }

    /// Takes no row and no object that another unit has already, as often as that has it.
    pub fn leave_out_parts_of(&mut self, source: &str, path: &[&str]) -> anyhow::Result<()> {
        let parts = self.writer.parts_of(&Self::name(source, path));
        if parts.is_empty() {
            return Ok(());
        }
        let mut known = Known::Again(HashMap::new());
        known.add_parts(self.writer.dir(), self.staying().chain(&parts))?;
        self.known = Some(known);
        Ok(())
    }

    /// What earlier tries kept and this one would write again; none where there is nothing.
    fn known(&mut self) -> anyhow::Result<Option<&mut Known>> {
        if self.known.is_none() && !self.earlier.is_empty() {
            let mut known = Known::Again(HashMap::new());
            known.add_parts(self.writer.dir(), self.staying())?;
            self.known = Some(known);
        }
        Ok(self.known.as_mut())
    }

    /// The parts of earlier tries that stay.
    fn staying(&self) -> impl Iterator<Item = &PartEntry> {
        self.earlier.iter().filter(|earlier| !earlier.is_replaced).map(|earlier| &earlier.entry)
    }

    /// Whether this unit goes on with a part, named by its path, that was cut off: with its end that is no gap any more.
    pub fn goes_on_with(&self, path: &str) -> bool {
        self.earlier.iter().any(|earlier| !earlier.is_journalled && earlier.entry.path == path)
    }

    /// Whether earlier tries kept something of it.
    pub fn is_tried_again(&self) -> bool {
        !self.earlier.is_empty()
    }

    /// Rows of all tables, those of earlier tries that stay included.
    pub fn all_rows(&self) -> u64 {
        let kept: u64 = self.staying().filter(|part| part.table.is_some()).map(|part| part.rows).sum();
        let new = self.parts.iter().filter(|open| open.label.table().is_some());
        kept + new.map(|open| open.part.rows()).sum::<u64>()
    }

    /// The rows of a table that earlier tries kept, in the order in which they were written. False when there are none.
    pub fn kept(&self, table: &'static Table, visit: &mut dyn FnMut(&[u8])) -> anyhow::Result<bool> {
        let parts = self.kept_parts(Label::Table(table.name));
        parts.iter().try_for_each(|part| visit_lines(self.writer.dir(), part, visit))?;
        Ok(!parts.is_empty())
    }

    /// The files that hold those rows, in the same order.
    pub fn kept_files(&self, table: &'static Table) -> Vec<PathBuf> {
        let parts = self.kept_parts(Label::Table(table.name));
        parts.iter().map(|part| self.writer.dir().join(&part.path)).collect()
    }

    /// The objects of a kind that earlier tries kept, those of the latest try first.
    pub fn kept_objects(&self, kind: &'static str, visit: &mut dyn FnMut(&[u8])) -> anyhow::Result<()> {
        let parts = self.kept_parts(Label::Objects(kind));
        parts.iter().rev().try_for_each(|part| visit_lines(self.writer.dir(), part, visit))
    }

    fn kept_parts(&self, label: Label) -> Vec<PartEntry> {
        let place = label.place(&self.name);
        known::in_order(self.staying().filter(|part| place.has(&part.path)))
    }

    /// The rows of a table that were written so far, in this try and in earlier ones, for reading on after a break.
    pub fn written(&mut self, table: &'static Table, visit: &mut dyn FnMut(&[u8])) -> anyhow::Result<()> {
        self.kept(table, visit)?;
        let label = Label::Table(table.name);
        let Some(open) = self.parts.iter_mut().find(|open| open.label == label) else { return Ok(()) };
        visit_lines(self.writer.dir(), &open.part.so_far()?, visit)
    }

    /// Begins the unit again (a list whose pages expired). What was written so far stays, and is not written again.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        for open in std::mem::take(&mut self.parts) {
            let entry = open.part.finish()?;
            self.earlier.push(Earlier { entry, is_journalled: false, is_replaced: false });
        }
        self.known = None;
        Ok(())
    }

    /// What this try writes takes the place of what earlier ones wrote: it is derived, and derived anew. Nothing is removed before this
    /// try has ended.
    pub fn replace_earlier(&mut self) -> anyhow::Result<()> {
        self.replace_parts_without(&|_| false)
    }

    /// What this try writes takes the place of those parts of rows of earlier tries in which no row matters.
    pub fn replace_parts_without(&mut self, matters: &dyn Fn(&[u8]) -> bool) -> anyhow::Result<()> {
        for earlier in self.earlier.iter_mut().filter(|earlier| earlier.entry.table.is_some()) {
            let mut has_any = false;
            visit_lines(self.writer.dir(), &earlier.entry, &mut |row| has_any |= matters(row))?;
            earlier.is_replaced = !has_any;
        }
        self.known = None;
        Ok(())
    }

    /// Takes out of a table those parts of earlier tries of which any row `is_other`: is of another thing. Their rows stay in the bundle as
    /// lines of a kind.
    pub fn withdraw(
        &mut self,
        table: &'static Table,
        kind: &'static str,
        is_other: &dyn Fn(&[u8]) -> bool,
    ) -> anyhow::Result<()> {
        let writer = self.writer.clone();
        for part in self.kept_parts(Label::Table(table.name)) {
            let mut has_any = false;
            visit_lines(writer.dir(), &part, &mut |row| has_any |= is_other(row))?;
            if !has_any {
                continue;
            }
            let mut moved = Ok(());
            visit_lines(writer.dir(), &part, &mut |row| {
                if moved.is_ok() {
                    moved = self.raw_line(kind, row.strip_suffix(b"\n").unwrap_or(row));
                }
            })?;
            moved?;
            let of_part = self.earlier.iter_mut().filter(|earlier| earlier.entry.path == part.path);
            of_part.for_each(|earlier| earlier.is_replaced = true);
        }
        self.known = None;
        // Rows, if only none, have to take the place of others.
        self.append(table, &[], 0)
    }

    /// Ends the unit and hands it to the journal.
    pub async fn finish(self, outcome: Outcome) -> anyhow::Result<()> {
        let all_rows = self.all_rows();
        let name = format!("{}/{}", self.source, self.name);
        let written = self.parts.into_iter().map(|open| open.part.finish());
        let written: Vec<PartEntry> = written.collect::<std::io::Result<_>>()?;
        let takes_their_place = written.iter().any(|part| part.table.is_some());
        let is_gone = |earlier: &Earlier| earlier.is_replaced && takes_their_place;
        let gone = self.earlier.iter().filter(|earlier| is_gone(earlier));
        let superseded: Vec<String> = gone.map(|earlier| earlier.entry.path.clone()).collect();
        let found = self.earlier.iter().filter(|earlier| !earlier.is_journalled && !is_gone(earlier));
        let parts = found.map(|earlier| earlier.entry.clone()).chain(written).collect();
        let state = if outcome.state == State::Complete && all_rows == 0 { State::Empty } else { outcome.state };
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
            superseded,
            coverage: outcome.coverage,
        };
        self.writer.commit(line).await
    }

    /// The part for something, made when it is asked for the first time.
    fn part(&mut self, label: Label) -> anyhow::Result<&mut PartWriter> {
        let at = match self.parts.iter().position(|open| open.label == label) {
            Some(at) => at,
            None => {
                let part = self.writer.new_part(&label.place(&self.name), label.table())?;
                self.parts.push(OpenPart { label, part });
                self.parts.len() - 1
            }
        };
        Ok(&mut self.parts.get_mut(at).context("a part that was just made is gone")?.part)
    }
}

fn joined(path: &[&str]) -> String {
    path.iter().map(|text| component(text)).collect::<Vec<_>>().join("/")
}
