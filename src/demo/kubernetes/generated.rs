//! A log of any size in constant memory: regular lines, each a function of its number.

use super::log::{self, LogOptions};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

/// When the first line was printed; the others follow a millisecond apart each.
const FIRST: i64 = 1_767_225_600;

/// Lines in one piece of the body.
const LINES: u64 = 512;

/// Bytes of a line without its prefix, with the end of line.
const LINE_BYTES: u64 = 100;

/// The body of a log of about `bytes` bytes (prefixes not counted); `sinceTime` and `limitBytes` apply, `tailLines` too.
pub(super) fn pieces(bytes: u64, options: &LogOptions) -> impl Iterator<Item = Bytes> + Send + 'static {
    let lines = bytes / LINE_BYTES;
    let first = options.tail.map_or(0, |tail| lines.saturating_sub(tail as u64)).max(first_since(options));
    let timestamps = options.timestamps;
    let starts = (first..lines).step_by(usize::try_from(LINES).unwrap_or(1));
    let whole = starts.map(move |start| piece(start, lines.min(start + LINES), timestamps));
    let mut left = options.limit.unwrap_or(u64::MAX);
    whole.map_while(move |mut piece| {
        piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        left -= piece.len() as u64;
        (!piece.is_empty()).then(|| Bytes::from(piece))
    })
}

fn first_since(options: &LogOptions) -> u64 {
    let passed = options.since.map_or(0, |since| since.as_millisecond() - FIRST * 1000);
    u64::try_from(passed).unwrap_or(0)
}

fn piece(start: u64, end: u64, timestamps: bool) -> Vec<u8> {
    let mut body = Vec::with_capacity(usize::try_from((end - start) * (LINE_BYTES + 31)).unwrap_or_default());
    for number in start..end {
        if timestamps {
            body.extend_from_slice(log::prefix(time(number)).as_bytes());
        }
        let text = format!("{number:012} GET /api/items/{} 200 {}ms ", number % 9973, number % 127);
        body.extend_from_slice(text.as_bytes());
        let filler = usize::try_from(LINE_BYTES).unwrap_or_default().saturating_sub(text.len() + 1);
        body.resize(body.len() + filler, b'.');
        body.push(b'\n');
    }
    body
}

fn time(number: u64) -> Timestamp {
    let start = Timestamp::from_second(FIRST).unwrap_or_default();
    start.checked_add(SignedDuration::from_millis(i64::try_from(number).unwrap_or_default())).unwrap_or(start)
}
