//! Reading on after a break: which lines of the repeated stretch are known already. Pure.
//!
//! Limits: a line is known by its identity while it is among the last [`REMEMBERED`] lines of the last seconds; what is older than those
//! is known by its time, so that a log that says any amount in a second takes no more memory.

use std::collections::{HashSet, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

/// The lines of the last moments that were kept, by `RecordId`.
#[derive(Debug, Default)]
pub struct Overlap {
    /// In the order of the log. Every line enters and leaves it once.
    recent: VecDeque<(Timestamp, String)>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    newest: Option<Timestamp>,
    /// Time up to which lines were forgotten for want of room: all of those are kept.
    forgotten: Option<Timestamp>,
}

/// The server is asked for the second before the last line; a second more does no harm.
const STRETCH: SignedDuration = SignedDuration::from_secs(3);
/// Lines that are remembered one by one.
const REMEMBERED: usize = 32 * 1024;
/// Two streams of a container may be written out of order by less than this; the server is asked for as much before the last line.
const JITTER: SignedDuration = SignedDuration::from_secs(1);

#[derive(Deserialize)]
struct Kept {
    /// The line's own time; none for one that came before the first: reading cannot go on from there.
    #[serde(rename = "EventTime")]
    time: Option<Timestamp>,
    #[serde(rename = "RecordId")]
    record: String,
}

/// The time of a row as it was written; none where it has none, or is no row.
pub fn time_of(row: &[u8]) -> Option<Timestamp> {
    serde_json::from_slice::<Kept>(row).ok()?.time
}

impl Overlap {
    /// Takes a row that was kept, in the order of the log.
    pub fn add(&mut self, row: &[u8]) {
        let Ok(Kept { time: Some(time), record }) = serde_json::from_slice::<Kept>(row) else { return };
        let last = self.last.map_or(time, |last| last.max(time));
        self.first.get_or_insert(time);
        (self.last, self.newest) = (Some(last), Some(time));
        self.recent.push_back((time, record));
        while let Some((oldest, _)) = self.recent.front() {
            let (oldest, is_old) = (*oldest, last.duration_since(*oldest) > STRETCH);
            // Lines of one moment are told apart by their identity only: those of the last are never forgotten.
            if !is_old && (self.recent.len() <= REMEMBERED || oldest == last) {
                break;
            }
            if !is_old {
                self.forgotten = self.forgotten.max(Some(oldest));
            }
            self.recent.pop_front();
        }
    }

    /// Time of the first line kept.
    pub fn first(&self) -> Option<Timestamp> {
        self.first
    }

    /// Time of the youngest line kept: reading goes on from there.
    pub fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// The moment up to which every line is kept although it is not among the known: to be left out when it comes again.
    pub fn kept_until(&self) -> Option<Timestamp> {
        self.forgotten
    }

    /// By how much the node's clock went back before the end, where it did: lines between would not come again.
    pub fn went_back(&self) -> Option<SignedDuration> {
        let back = self.last?.duration_since(self.newest?);
        (back > JITTER).then_some(back)
    }

    /// The ids of the lines that will come again.
    pub fn into_known(self) -> HashSet<String> {
        self.recent.into_iter().map(|(_, record)| record).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(micros: i64, record: &str) -> String {
        let time = Timestamp::from_microsecond(micros).unwrap();
        format!(r#"{{"EventTime":"{time}","RecordId":"{record}"}}"#)
    }

    /// An overlap after so many lines that are so many microseconds apart, and the most that it ever held.
    fn after(lines: i64, apart: i64) -> (Overlap, usize) {
        let (mut overlap, mut most) = (Overlap::default(), 0);
        for line in 0..lines {
            overlap.add(row(line * apart, &line.to_string()).as_bytes());
            most = most.max(overlap.recent.len());
        }
        (overlap, most)
    }

    #[test]
    fn any_amount_of_lines_within_the_stretch_takes_bounded_memory_and_none_of_them_is_unknown() {
        let (overlap, most) = after(300_000, 1);
        assert!(most <= REMEMBERED + 1, "{most} held; each line enters and leaves once, so the work is linear");
        let forgotten = overlap.kept_until().unwrap().as_microsecond();
        let known = overlap.into_known();
        for line in 0..300_000 {
            assert!(line <= forgotten || known.contains(&line.to_string()), "line {line}");
        }
    }

    #[test]
    fn lines_of_the_last_moment_are_all_told_apart_and_old_ones_are_dropped() {
        let (overlap, _) = after(40_000, 0);
        assert_eq!(overlap.kept_until(), None);
        assert_eq!(overlap.into_known().len(), 40_000);
        let (overlap, most) = after(100, 500_000);
        assert!(most <= 8, "{most}");
        assert_eq!((overlap.first(), overlap.kept_until()), (Some(Timestamp::UNIX_EPOCH), None));
    }

    #[test]
    fn a_clock_that_went_back_is_told_and_two_streams_out_of_order_are_not() {
        let mut overlap = Overlap::default();
        for (micros, record) in [(10_000_000, "a"), (9_999_000, "b")] {
            overlap.add(row(micros, record).as_bytes());
        }
        assert_eq!(overlap.went_back(), None);
        overlap.add(row(5_000_000, "c").as_bytes());
        assert_eq!(overlap.went_back(), Some(SignedDuration::from_secs(5)));
        overlap.add(row(11_000_000, "d").as_bytes());
        assert_eq!(overlap.went_back(), None, "the clock has caught up");
    }
}
