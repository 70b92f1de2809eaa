//! Reading on after a break: which lines of the repeated stretch are known already.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

/// The lines of the last moments that were kept, by `RecordId`.
#[derive(Debug, Default)]
pub struct Overlap {
    recent: Vec<(Timestamp, String)>,
    last: Option<Timestamp>,
}

/// The server is asked for the second before the last line; a second more does no harm.
const STRETCH: SignedDuration = SignedDuration::from_secs(3);

#[derive(Deserialize)]
struct Kept {
    /// The line's own time; none for one that came before the first: reading cannot go on from there.
    #[serde(rename = "EventTime")]
    time: Option<Timestamp>,
    #[serde(rename = "RecordId")]
    record: String,
}

impl Overlap {
    /// Takes a row that was kept, in the order of the log.
    pub fn add(&mut self, row: &[u8]) {
        let Ok(Kept { time: Some(time), record }) = serde_json::from_slice::<Kept>(row) else { return };
        let last = self.last.map_or(time, |last| last.max(time));
        if self.last.is_none_or(|before| last.duration_since(before) > SignedDuration::from_secs(1))
            || self.recent.len() > 100_000
        {
            self.recent.retain(|(time, _)| last.duration_since(*time) <= STRETCH);
        }
        self.last = Some(last);
        self.recent.push((time, record));
    }

    /// Time of the youngest line kept: reading goes on from there.
    pub fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// The ids of the lines that will come again.
    pub fn into_known(self) -> HashSet<String> {
        self.recent.into_iter().map(|(_, record)| record).collect()
    }
}
