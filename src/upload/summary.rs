//! What an upload came to, and how it tells while it runs.

use std::{collections::BTreeMap, path::PathBuf};

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
}

/// Told what happens while an upload runs.
pub trait Progress: Send + Sync {
    /// Once, at the beginning: rows in the bundle, and how many of them an earlier upload has dealt with.
    fn started(&self, _rows: u64, _dealt: u64) {}
    /// Rows were acknowledged or spooled.
    fn advanced(&self, _table: &str, _rows: u64) {}
    /// Something that the responder should know, in one line that is safe for a terminal.
    fn note(&self, _text: &str) {}
}

/// Says nothing.
impl Progress for () {}
