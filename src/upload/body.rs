//! Rows to bodies: a body is a JSON array of rows of one table, compressed while it grows and closed before it reaches the
//! service's limit.
//!
//! Pure: no files, no network. A [`Body`] keeps its rows compressed only, and remembers which rows of which parts they are,
//! so that what the service acknowledged can be recorded, and what it found too large can be halved.

use std::{
    io::{self, Read as _, Write as _},
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use flate2::{Compression, read::GzDecoder, write::GzEncoder};

use super::{
    ledger::{PartKey, Segment},
    row::object_end,
};

/// Every body is smaller than this many bytes after compression, and in documented mode before it, too. The documented limit
/// is 1 MB for both (<https://learn.microsoft.com/azure/azure-monitor/fundamentals/service-limits#logs-ingestion-api>); 1,000,000
/// is the smaller reading of it.
pub const BODY_LIMIT: usize = 1_000_000;
/// What a body may have before compression when only its size on the wire counts. Users saw the service refuse more than
/// 50 MiB; no documentation names a limit.
const PLAIN_LIMIT: usize = 32 << 20;

/// Level 2 by measurement on log rows: twice as fast as level 6 for 7 % more bytes; level 1 is another 1.4 times faster, but
/// makes bodies half as large again, which a line to the cloud feels more.
const LEVEL: Compression = Compression::new(2);
/// Header, trailer and the last block of gzip, with room to spare.
const FRAME: usize = 64;

/// Which size of a body the service limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum BodyLimit {
    /// 1 MB before and after compression, as documented
    #[default]
    Documented,
    /// 1 MB after compression, as the service was seen to enforce
    Wire,
}

/// The sizes that bodies stay below. The plain one shrinks when the service refuses a body for its size.
#[derive(Debug)]
pub(super) struct Limits {
    wire: usize,
    plain: AtomicUsize,
    /// What the plain limit never shrinks below.
    least: usize,
}

impl Limits {
    /// The limits of a mode, for bodies below `bytes`.
    pub(super) fn of(mode: BodyLimit, bytes: usize) -> Self {
        let plain = match mode {
            BodyLimit::Documented => bytes,
            BodyLimit::Wire => PLAIN_LIMIT.max(bytes),
        };
        Self { wire: bytes, plain: AtomicUsize::new(plain), least: bytes }
    }

    /// How long a block of lines may be, so that it becomes one body in documented mode.
    pub(super) fn block(&self) -> usize {
        self.least.saturating_sub(2).max(1)
    }

    /// What a body stays below before compression.
    pub(super) fn plain(&self) -> usize {
        self.plain.load(Ordering::Relaxed)
    }

    /// Learns from a refusal: bodies of half the refused size from now on, but never below the smaller limit. Returns the new
    /// limit when it changed.
    pub(super) fn shrink(&self, refused: usize) -> Option<usize> {
        let wanted = (refused / 2).max(self.least);
        (self.plain.fetch_min(wanted, Ordering::Relaxed) > wanted).then_some(wanted)
    }
}

/// Rows of one table on their way to the service: `[row,row]`, gzip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) gzip: Bytes,
    pub(super) rows: u64,
    /// Bytes before compression.
    pub(super) plain_bytes: usize,
    /// Where the rows come from, in order.
    pub(super) segments: Vec<Segment>,
}

impl Body {
    /// Two bodies that together hold the same rows in the same order; none when there is only one row left.
    pub(super) fn halve(&self) -> io::Result<Option<(Self, Self)>> {
        let middle = self.rows / 2;
        if middle == 0 {
            return Ok(None);
        }
        let mut segments = self.segments.clone();
        let rest = split_segments(&mut segments, middle);
        let mut rows = RowReader::new(&self.gzip);
        let mut half = |count: u64, segments: Vec<Segment>| {
            let mut gzip = Growing::new();
            for _ in 0..count {
                gzip.push(rows.next_row()?.ok_or(io::ErrorKind::UnexpectedEof)?)?;
            }
            gzip.finish(count, segments)
        };
        let first = half(middle, segments)?;
        Ok(Some((first, half(self.rows - middle, rest)?)))
    }

    /// Calls `visit` with each row, in order.
    pub(super) fn each_row(&self, visit: &mut dyn FnMut(&[u8]) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let mut rows = RowReader::new(&self.gzip);
        while let Some(row) = rows.next_row()? {
            visit(row)?;
        }
        Ok(())
    }
}

/// Leaves the first `count` rows in `segments` and returns the rest.
fn split_segments(segments: &mut Vec<Segment>, count: u64) -> Vec<Segment> {
    let mut left = count;
    let mut rest = Vec::new();
    for Segment { part, rows } in std::mem::take(segments) {
        let cut = rows.start + left.min(rows.end - rows.start);
        left -= cut - rows.start;
        let keep = |to: &mut Vec<Segment>, rows: Range<u64>| {
            if !rows.is_empty() {
                to.push(Segment { part: Arc::clone(&part), rows });
            }
        };
        keep(segments, rows.start..cut);
        keep(&mut rest, cut..rows.end);
    }
    rest
}

/// Reads the rows of a body one by one, in the memory of one row.
struct RowReader<'a> {
    plain: GzDecoder<&'a [u8]>,
    buffer: Vec<u8>,
    /// Where the next row begins, after a bracket or comma.
    at: usize,
}

impl<'a> RowReader<'a> {
    fn new(gzip: &'a [u8]) -> Self {
        Self { plain: GzDecoder::new(gzip), buffer: Vec::new(), at: 1 }
    }

    fn next_row(&mut self) -> io::Result<Option<&[u8]>> {
        let length = loop {
            if let Some(length) = self.buffer.get(self.at..).and_then(object_end) {
                break length;
            }
            let gone = self.at.min(self.buffer.len());
            self.buffer.drain(..gone);
            self.at -= gone;
            if self.plain.by_ref().take(64 * 1024).read_to_end(&mut self.buffer)? == 0 {
                return Ok(None);
            }
        };
        let row = self.at..self.at + length;
        self.at = row.end + 1;
        Ok(self.buffer.get(row))
    }
}

/// The array under compression.
#[derive(Debug)]
struct Growing {
    encoder: GzEncoder<Vec<u8>>,
    plain: usize,
    /// Bytes of it that are compressed for certain.
    flushed: usize,
    /// Bytes before compression since then.
    unflushed: usize,
}

impl Growing {
    fn new() -> Self {
        Self {
            encoder: GzEncoder::new(Vec::with_capacity(BODY_LIMIT / 4), LEVEL),
            plain: 0,
            flushed: FRAME,
            unflushed: 0,
        }
    }

    /// Adds rows that are joined by commas.
    fn push(&mut self, rows: &[u8]) -> io::Result<()> {
        self.encoder.write_all(if self.plain == 0 { b"[" } else { b"," })?;
        self.encoder.write_all(rows)?;
        self.plain += rows.len() + 1;
        self.unflushed += rows.len() + 1;
        Ok(())
    }

    /// Writes out what the encoder holds back, so that the compressed size is known.
    fn flush(&mut self) -> io::Result<()> {
        self.encoder.flush()?;
        self.flushed = self.encoder.get_ref().len() + FRAME;
        self.unflushed = 0;
        Ok(())
    }

    /// How many more bytes before compression certainly stay below `wire` after it. A byte takes nine bits at the most.
    fn room(&self, wire: usize) -> usize {
        (wire.saturating_sub(self.flushed) / 9 * 8).saturating_sub(self.unflushed + FRAME)
    }

    fn finish(mut self, rows: u64, segments: Vec<Segment>) -> io::Result<Body> {
        self.encoder.write_all(b"]")?;
        let gzip = Bytes::from(self.encoder.finish()?);
        Ok(Body { gzip, rows, plain_bytes: self.plain + 1, segments })
    }
}

/// Gathers rows into bodies.
#[derive(Debug)]
pub(super) struct Builder {
    limits: Arc<Limits>,
    open: Option<Growing>,
    rows: u64,
    segments: Vec<Segment>,
}

impl Builder {
    /// A builder whose bodies stay below the limits.
    pub(super) fn new(limits: Arc<Limits>) -> Self {
        Self { limits, open: None, rows: 0, segments: Vec::new() }
    }

    /// How many bytes of rows, joined by commas, fit into the open body; below `wanted` only when that is certain.
    pub(super) fn room(&mut self, wanted: usize) -> io::Result<usize> {
        let (wire, plain) = (self.limits.wire, self.limits.plain());
        let open = self.open.get_or_insert_with(Growing::new);
        // A bracket or comma before the rows, a bracket after them, and one byte to stay below.
        let in_plain = plain.saturating_sub(open.plain + 3);
        // Filling the last bytes would cost more than they carry.
        let least = wire / 32;
        if open.room(wire) < wanted.min(in_plain).max(least) && open.unflushed > 0 {
            open.flush()?;
        }
        let in_wire = open.room(wire);
        Ok(if self.rows > 0 && in_wire < least { 0 } else { in_wire.min(in_plain) })
    }

    /// Adds rows that are joined by commas; they fit.
    pub(super) fn push(&mut self, rows: &[u8], part: &Arc<PartKey>, numbers: Range<u64>) -> io::Result<()> {
        self.open.get_or_insert_with(Growing::new).push(rows)?;
        self.rows += numbers.end - numbers.start;
        match self.segments.last_mut() {
            Some(last) if last.part == *part && last.rows.end == numbers.start => last.rows.end = numbers.end,
            _ => self.segments.push(Segment { part: Arc::clone(part), rows: numbers }),
        }
        Ok(())
    }

    /// Whether there is no row in the open body.
    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Closes the open body, if there is anything in it.
    pub(super) fn close(&mut self) -> io::Result<Option<Body>> {
        let open = self.open.take().filter(|_| self.rows > 0);
        let (rows, segments) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.segments));
        open.map(|open| open.finish(rows, segments)).transpose()
    }

    /// A body of one row of which it is not certain that it fits; none when it does not.
    pub(super) fn alone(&self, row: &[u8], part: &Arc<PartKey>, number: u64) -> io::Result<Option<Body>> {
        if row.len() + 2 >= self.limits.plain() {
            return Ok(None);
        }
        let mut gzip = Growing::new();
        gzip.push(row)?;
        let body = gzip.finish(1, vec![Segment { part: Arc::clone(part), rows: number..number + 1 }])?;
        Ok((body.gzip.len() < self.limits.wire).then_some(body))
    }
}

#[cfg(test)]
mod tests;
