//! Rows to bodies: a body is a JSON array of rows of one table, closed before it reaches the service's limit.
//!
//! Pure: no files, no network. A [`Batch`] remembers which rows of which parts it holds, so that what the service
//! acknowledged can be recorded, and can be halved where the service found it too large.

use std::{io::Write as _, ops::Range, sync::Arc};

use flate2::{Compression, write::GzEncoder};

use super::ledger::{PartKey, Segment};

/// Every body is smaller than this many bytes, both before and after compression. The documented limit is 1 MB for both
/// (<https://learn.microsoft.com/azure/azure-monitor/fundamentals/service-limits#logs-ingestion-api>); 1,000,000 is the
/// smaller reading of it.
pub const BODY_LIMIT: usize = 1_000_000;

/// Rows of one table on their way to the service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    /// The rows, joined by commas.
    text: Vec<u8>,
    /// Where each row ends in `text`.
    ends: Vec<usize>,
    /// Where the rows come from, in order.
    segments: Vec<Segment>,
}

impl Batch {
    /// How many rows it holds.
    pub(super) fn rows(&self) -> u64 {
        self.ends.len() as u64
    }

    /// Bytes of the body before compression.
    pub(super) fn plain_bytes(&self) -> usize {
        self.text.len() + 2
    }

    /// Where its rows come from.
    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Its rows, in order.
    pub(super) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|end| end + 1));
        starts.zip(&self.ends).filter_map(|(start, end)| self.text.get(start..*end))
    }

    /// The body as it is sent: `[row,row]`, gzip.
    pub(super) fn compress(&self) -> std::io::Result<Vec<u8>> {
        let mut encoder = GzEncoder::new(Vec::with_capacity(self.text.len() / 8), Compression::default());
        encoder.write_all(b"[")?;
        encoder.write_all(&self.text)?;
        encoder.write_all(b"]")?;
        encoder.finish()
    }

    /// Two batches that together hold the same rows in the same order; none when there is only one row left.
    pub(super) fn halve(mut self) -> Result<(Self, Self), Self> {
        let middle = self.ends.len() / 2;
        let Some(&cut) = middle.checked_sub(1).and_then(|last| self.ends.get(last)) else { return Err(self) };
        let ends = self.ends.split_off(middle).into_iter().map(|end| end - cut - 1).collect();
        let text = self.text.split_off(cut + 1);
        self.text.truncate(cut);
        let segments = split_segments(&mut self.segments, middle as u64);
        Ok((self, Self { text, ends, segments }))
    }

    fn push(&mut self, row: &[u8], part: &Arc<PartKey>, number: u64) {
        if !self.ends.is_empty() {
            self.text.push(b',');
        }
        self.text.extend_from_slice(row);
        self.ends.push(self.text.len());
        match self.segments.last_mut() {
            Some(last) if last.part == *part && last.rows.end == number => last.rows.end += 1,
            _ => self.segments.push(Segment { part: Arc::clone(part), rows: number..number + 1 }),
        }
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

/// Gathers rows into batches.
#[derive(Debug)]
pub(super) struct Batcher {
    limit: usize,
    open: Batch,
}

/// A row that is too large to be sent even alone.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

impl Batcher {
    /// A batcher whose bodies stay below `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, open: Batch::default() }
    }

    /// Adds row number `number` of a part. Returns the batch that had to be closed to make room, if one had to be.
    /// Errors when the row fits into no body; then nothing has changed.
    pub(super) fn push(&mut self, row: &[u8], part: &Arc<PartKey>, number: u64) -> Result<Option<Batch>, TooLarge> {
        if row.len() + 2 >= self.limit {
            return Err(TooLarge);
        }
        let is_full = self.open.plain_bytes() + row.len() + 1 >= self.limit;
        let closed = if is_full { self.close() } else { None };
        self.open.push(row, part, number);
        Ok(closed)
    }

    /// Closes the open batch, if there is anything in it.
    pub(super) fn close(&mut self) -> Option<Batch> {
        let batch = std::mem::take(&mut self.open);
        (!batch.ends.is_empty()).then_some(batch)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
    use std::io::Read as _;

    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 64;

    fn part(number: usize) -> Arc<PartKey> {
        Arc::new(PartKey { path: format!("tables/T/{number}.jsonl"), sha256: String::new() })
    }

    fn row(length: usize) -> Vec<u8> {
        format!("{{{}}}", " ".repeat(length)).into_bytes()
    }

    /// Batches the rows of several parts, given by their lengths, as a table is batched.
    fn batches(parts: &[Vec<usize>]) -> (Vec<Batch>, u64) {
        let (mut batcher, mut closed, mut refused) = (Batcher::new(LIMIT), Vec::new(), 0);
        for (number, lengths) in parts.iter().enumerate() {
            for (index, length) in lengths.iter().enumerate() {
                match batcher.push(&row(*length), &part(number), index as u64) {
                    Ok(batch) => closed.extend(batch),
                    Err(TooLarge) => refused += 1,
                }
            }
        }
        closed.extend(batcher.close());
        (closed, refused)
    }

    /// Every (part, row number, row) of a batch.
    fn content(batch: &Batch) -> Vec<(String, u64, Vec<u8>)> {
        let places = batch
            .segments()
            .iter()
            .flat_map(|segment| segment.rows.clone().map(|row| (segment.part.path.clone(), row)));
        places.zip(batch.lines()).map(|((path, number), line)| (path, number, line.to_vec())).collect()
    }

    fn plain(batch: &Batch) -> Vec<u8> {
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(&batch.compress().unwrap()[..]).read_to_end(&mut text).unwrap();
        text
    }

    proptest! {
        #[test]
        fn every_row_is_sent_once_and_no_body_reaches_the_limit(
            parts in prop::collection::vec(prop::collection::vec(0usize..80, 0..20), 0..6)
        ) {
            let (batches, refused) = batches(&parts);
            let mut sent = Vec::new();
            for batch in &batches {
                let text = plain(batch);
                prop_assert!(text.len() < LIMIT);
                prop_assert_eq!(text.len(), batch.plain_bytes());
                let rows: Vec<serde_json::Value> = serde_json::from_slice(&text).unwrap();
                prop_assert_eq!(rows.len() as u64, batch.rows());
                sent.extend(content(batch));
            }
            let all: Vec<_> = parts.iter().enumerate().flat_map(|(number, lengths)| {
                let path = part(number).path.clone();
                lengths.iter().enumerate().map(move |(index, length)| (path.clone(), index as u64, row(*length)))
            }).collect();
            let fitting: Vec<_> = all.iter().filter(|(.., line)| line.len() + 2 < LIMIT).cloned().collect();
            prop_assert_eq!(all.len() as u64, fitting.len() as u64 + refused);
            prop_assert_eq!(sent, fitting);
        }

        #[test]
        fn halves_hold_the_same_rows(lengths in prop::collection::vec(0usize..8, 2..12)) {
            let (batches, _) = batches(&[lengths[..1].to_vec(), lengths[1..].to_vec()]);
            let batch = batches[0].clone();
            let before = content(&batch);
            match batch.halve() {
                Ok((first, second)) => {
                    prop_assert!(first.rows().abs_diff(second.rows()) <= 1);
                    let both: Vec<_> = content(&first).into_iter().chain(content(&second)).collect();
                    prop_assert_eq!(both, before);
                    prop_assert!(serde_json::from_slice::<Vec<serde_json::Value>>(&plain(&second)).is_ok());
                }
                Err(whole) => prop_assert_eq!(whole.rows(), 1),
            }
        }
    }
}
