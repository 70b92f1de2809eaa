//! Blocks of lines to bodies, on as many threads as the machine has cores.
//!
//! One thread reads, the others judge the rows and compress them; each has a body of its own open, so rows that are neighbours
//! in a part may travel in different bodies. Memory: per thread two blocks and one body.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
};

use anyhow::Context as _;

use super::{
    TableWork,
    body::{Body, Builder, Limits},
    ledger::{PartKey, Segment},
    parts::{Block, Piece, Reader},
    row::Judge,
};

/// More threads than this are not faster than the reading one.
const MOST_THREADS: usize = 4;

/// What the packing hands over, with the number of its table.
#[derive(Debug)]
pub(super) enum Item {
    /// Rows to send.
    Body(Body),
    /// A row that the service cannot take, and why.
    Unsendable { place: Segment, row: Vec<u8>, reason: String },
}

/// Takes what was packed; an error ends the packing.
pub(super) type Take<'a> = &'a (dyn Fn(usize, Item) -> anyhow::Result<()> + Sync);

/// Reads and packs the rows of all tables that are still to be sent. A file that differs ends it after everything before it has
/// been handed over; so does an error of `take`.
pub(super) fn pack(dir: &Path, tables: &[TableWork], limits: &Arc<Limits>, take: Take<'_>) -> anyhow::Result<()> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from).min(MOST_THREADS);
    let (sender, receiver) = sync_channel(threads);
    let blocks = Arc::new(Mutex::new(receiver));
    std::thread::scope(|scope| {
        let packers: Vec<_> = (0..threads)
            .map(|_| {
                let (blocks, limits) = (Arc::clone(&blocks), Arc::clone(limits));
                scope.spawn(move || Packer::new(tables, limits, take).run(&blocks))
            })
            .collect();
        drop(blocks);
        let read = read(dir, tables, limits.block(), sender);
        let packed: Vec<_> = packers.into_iter().map(|packer| packer.join()).collect();
        for result in packed {
            result.map_err(|_| anyhow::anyhow!("compressing rows ended"))??;
        }
        read
    })
}

fn read(dir: &Path, tables: &[TableWork], block: usize, sender: SyncSender<(usize, Block)>) -> anyhow::Result<()> {
    for (number, table) in tables.iter().enumerate() {
        let mut emit = |block| sender.send((number, block)).map_err(|_| anyhow::anyhow!("the upload has stopped"));
        Reader::new(dir.to_owned(), block, &mut emit).read_table(&table.parts)?;
    }
    Ok(())
}

/// One of the threads.
struct Packer<'a> {
    tables: &'a [TableWork],
    take: Take<'a>,
    /// The table of the open body.
    table: usize,
    judge: Judge,
    builder: Builder,
}

/// Rows that follow each other in a block and can be sent.
#[derive(Default)]
struct Run {
    /// Where the first begins in the text.
    from: usize,
    /// Number of the first in its part.
    number: u64,
    /// Where each ends in the text, without its newline.
    ends: Vec<usize>,
}

impl<'a> Packer<'a> {
    fn new(tables: &'a [TableWork], limits: Arc<Limits>, take: Take<'a>) -> Self {
        Self { tables, take, table: usize::MAX, judge: Judge::default(), builder: Builder::new(limits) }
    }

    fn run(mut self, blocks: &Mutex<Receiver<(usize, Block)>>) -> anyhow::Result<()> {
        loop {
            let received = blocks.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok((table, block)) = received else { return self.close() };
            if table != self.table {
                self.close()?;
                self.table = table;
                self.judge = Judge::of(self.tables.get(table).and_then(|table| table.route.columns.as_deref()));
            }
            self.pack_block(block)?;
        }
    }

    fn close(&mut self) -> anyhow::Result<()> {
        match self.builder.close().context("compressing rows")? {
            Some(body) => (self.take)(self.table, Item::Body(body)),
            None => Ok(()),
        }
    }

    fn pack_block(&mut self, mut block: Block) -> anyhow::Result<()> {
        let is_utf8 = std::str::from_utf8(&block.text).is_ok();
        for piece in std::mem::take(&mut block.pieces) {
            let mut run = Run { from: piece.text.start, number: piece.rows.start, ends: Vec::new() };
            let mut start = piece.text.start;
            for number in piece.rows.clone() {
                let rest = block.text.get(start..piece.text.end).unwrap_or_default();
                let end = start + memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                let reason = self.reason(&piece, number, block.text.get(start..end).unwrap_or_default(), is_utf8);
                match reason {
                    None => run.ends.push(end),
                    Some(reason) => {
                        self.pack_run(&mut block.text, &piece.part, run)?;
                        run = Run { from: end + 1, number: number + 1, ends: Vec::new() };
                        if let Some(reason) = reason {
                            self.refuse(&piece.part, number, block.text.get(start..end).unwrap_or_default(), reason)?;
                        }
                    }
                }
                start = end + 1;
            }
            self.pack_run(&mut block.text, &piece.part, run)?;
        }
        Ok(())
    }

    /// Why a row is left out: it has been dealt with (no words are needed), or it cannot be sent.
    fn reason(&mut self, piece: &Piece, number: u64, row: &[u8], is_utf8: bool) -> Option<Option<String>> {
        if piece.dealt.contains(number) {
            return Some(None);
        }
        if !is_utf8 && std::str::from_utf8(row).is_err() {
            return Some(Some("the row is not UTF-8".to_owned()));
        }
        self.judge.check(row).err().map(Some)
    }

    /// Packs rows that follow each other; they are joined by turning their newlines into commas.
    fn pack_run(&mut self, text: &mut [u8], part: &Arc<PartKey>, run: Run) -> anyhow::Result<()> {
        for end in run.ends.iter().take(run.ends.len().saturating_sub(1)) {
            if let Some(newline) = text.get_mut(*end) {
                *newline = b',';
            }
        }
        let (mut from, mut packed) = (run.from, 0);
        while let Some(rows) = run.ends.get(packed..).filter(|rows| !rows.is_empty()) {
            let wanted = rows.last().map_or(0, |end| end - from);
            let room = self.builder.room(wanted).context("compressing rows")?;
            let count = rows.partition_point(|end| end - from <= room);
            let number = run.number + packed as u64;
            match count.checked_sub(1).and_then(|last| rows.get(last)) {
                Some(&end) => {
                    let joined = text.get(from..end).unwrap_or_default();
                    self.builder.push(joined, part, number..number + count as u64).context("compressing rows")?;
                    (from, packed) = (end + 1, packed + count);
                }
                None if self.builder.is_empty() => {
                    let end = rows.first().copied().unwrap_or(from);
                    self.pack_alone(text.get(from..end).unwrap_or_default(), part, number)?;
                    (from, packed) = (end + 1, packed + 1);
                }
                None => self.close()?,
            }
        }
        Ok(())
    }

    /// A row that is as large as a body.
    fn pack_alone(&mut self, row: &[u8], part: &Arc<PartKey>, number: u64) -> anyhow::Result<()> {
        match self.builder.alone(row, part, number).context("compressing a row")? {
            Some(body) => (self.take)(self.table, Item::Body(body)),
            None => {
                let reason = format!("the row has {} bytes, the service takes 1 MB", row.len());
                self.refuse(part, number, row, reason)
            }
        }
    }

    fn refuse(&self, part: &Arc<PartKey>, number: u64, row: &[u8], reason: String) -> anyhow::Result<()> {
        let place = Segment { part: Arc::clone(part), rows: number..number + 1 };
        let item = Item::Unsendable { place, row: row.to_vec(), reason: format!("not sent: {reason}") };
        (self.take)(self.table, item)
    }
}
