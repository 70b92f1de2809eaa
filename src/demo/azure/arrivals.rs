//! The rows that were accepted: how many and which per table, and the rows themselves if they are to be kept.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A row as the workspace would hold it.
pub type StoredRow = Map<String, Value>;

/// What one upload brings to a table.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) rows: usize,
    pub(super) record_ids: Vec<RecordId>,
    pub(super) kept: Vec<StoredRow>,
    /// How many rows came of each run.
    pub(super) runs: BTreeMap<String, usize>,
    /// What Azure would have changed without a word, with how often, for example a column that the stream does not declare.
    pub(super) losses: BTreeMap<String, usize>,
}

/// A RecordId; the usual 32 hexadecimal digits take 16 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RecordId {
    Digits(u128),
    Other(Box<str>),
}

/// The rows of all tables, keyed by the table's name.
#[derive(Debug, Default)]
pub(super) struct Arrivals(BTreeMap<String, Batch>);

impl RecordId {
    pub(super) fn parse(text: &str) -> Self {
        let usual = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        match u128::from_str_radix(text, 16) {
            Ok(number) if usual => Self::Digits(number),
            _ => Self::Other(text.into()),
        }
    }
}

impl std::fmt::Display for RecordId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Digits(number) => write!(f, "{number:032x}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl Arrivals {
    pub(super) fn add(&mut self, table: &str, batch: Batch) {
        let all = self.0.entry(table.to_owned()).or_default();
        all.rows += batch.rows;
        all.record_ids.extend(batch.record_ids);
        all.kept.extend(batch.kept);
        for (run_id, rows) in batch.runs {
            *all.runs.entry(run_id).or_default() += rows;
        }
        for (loss, times) in batch.losses {
            *all.losses.entry(loss).or_default() += times;
        }
    }

    pub(super) fn counts(&self) -> BTreeMap<String, usize> {
        self.0.iter().map(|(table, batch)| (table.clone(), batch.rows)).collect()
    }

    /// The RecordIds of a table in ascending order, each as often as it came.
    pub(super) fn record_ids(&self, table: &str) -> Vec<String> {
        let mut ids: Vec<_> = self.0.get(table).map_or_else(Vec::new, |batch| batch.record_ids.iter().collect());
        ids.sort_unstable();
        ids.into_iter().map(ToString::to_string).collect()
    }

    pub(super) fn rows(&self, table: &str) -> Vec<StoredRow> {
        self.0.get(table).map_or_else(Vec::new, |batch| batch.kept.clone())
    }

    /// The rows of a table that a run collected.
    pub(super) fn of_run(&self, table: &str, run_id: &str) -> usize {
        self.0.get(table).and_then(|batch| batch.runs.get(run_id)).copied().unwrap_or_default()
    }

    pub(super) fn losses(&self) -> BTreeMap<String, BTreeMap<String, usize>> {
        let some = self.0.iter().filter(|(_, batch)| !batch.losses.is_empty());
        some.map(|(table, batch)| (table.clone(), batch.losses.clone())).collect()
    }
}
