//! What an upload came to, and how it tells while it runs.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::Serialize;

/// The result of an upload. In every table, `rows` = `acknowledged` + `spooled`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// By table.
    pub tables: BTreeMap<String, TableSummary>,
    /// Requests sent this time, repetitions included.
    pub requests: u64,
    /// Bytes of bodies sent this time, compressed, repetitions included.
    pub wire_bytes: u64,
    /// How long it took this time.
    pub seconds: f64,
    /// The folder with ledger, receipts and spool.
    pub state_dir: PathBuf,
}

impl Summary {
    /// Rows that the service refused for good, in all tables.
    pub fn spooled(&self) -> u64 {
        self.tables.values().map(|table| table.spooled).sum()
    }

    /// Whether the service took every row, and, where that was asked for, a query found them.
    pub fn is_whole(&self) -> bool {
        let has_arrived = |table: &TableSummary| table.arrived.is_none_or(|rows| rows >= table.acknowledged);
        self.spooled() == 0 && self.tables.values().all(has_arrived)
    }
}

/// What became of the rows of a table, in this upload and in those that it went on from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TableSummary {
    /// Rows in the bundle.
    pub rows: u64,
    /// Rows that the service took.
    pub acknowledged: u64,
    /// Rows that it refused for good; they are in the spool.
    pub spooled: u64,
    /// Rows of this run that the workspace answered a query with, where that was asked for. A row that came twice counts twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrived: Option<u64>,
}

/// A pause in an upload.
#[derive(Clone, Copy, Debug)]
pub struct Waiting<'a> {
    /// The table that waits, or what does.
    pub subject: &'a str,
    /// Why.
    pub reason: &'a str,
    /// How long until the next attempt.
    pub pause: Duration,
    /// How long it will go on trying, pauses included, where that has an end.
    pub left: Option<Duration>,
}

/// Told what happens while an upload runs.
pub trait Progress: Send + Sync {
    /// Once, at the beginning: rows in the bundle, and how many of them an earlier upload has dealt with.
    fn started(&self, _rows: u64, _dealt: u64) {}
    /// How many rows the bundle has by now; a bundle that is being written grows.
    fn expected(&self, _rows: u64) {}
    /// The upload waits.
    fn waiting(&self, _waiting: &Waiting<'_>) {}
    /// Rows were acknowledged or spooled.
    fn advanced(&self, _table: &str, _rows: u64) {}
    /// Something that the responder should know, in one line that is safe for a terminal.
    fn note(&self, _text: &str) {}
}

/// Says nothing.
impl Progress for () {}
