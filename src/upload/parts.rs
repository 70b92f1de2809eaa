//! The reading end: the parts of a table as blocks of whole lines, which span parts.
//!
//! A part is digested before its first row is handed on, so that nothing of a file that differs from the manifest is sent. It is
//! read a second time for its rows; a checksum tells whether it changed in between. Memory: one block.

use std::{
    io::{BufRead, Read as _},
    ops::Range,
    path::PathBuf,
    sync::Arc,
};

use flate2::Crc;
use sha2::{Digest as _, Sha256};

use super::ledger::{Dealt, PartKey};
use crate::{
    bundle::{FileEntry, read_part},
    failure::{ExitStatus, Failure},
    ui::printable,
};

/// The longest line that is read, in bytes. Rows are at most some hundred KB long; a longer line is not ours.
const LONGEST_LINE: usize = 16 * 1024 * 1024;

/// A part, and what of it need not be sent any more.
#[derive(Clone, Debug)]
pub(super) struct PartWork {
    pub(super) file: FileEntry,
    pub(super) key: Arc<PartKey>,
    pub(super) dealt: Arc<Dealt>,
}

/// Lines of one table.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// Whole lines, each ended by a newline.
    pub(super) text: Vec<u8>,
    /// Which lines of which parts they are, in order.
    pub(super) pieces: Vec<Piece>,
}

/// Consecutive lines of one part.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) part: Arc<PartKey>,
    pub(super) dealt: Arc<Dealt>,
    /// Numbers of the lines in the part, from 0.
    pub(super) rows: Range<u64>,
    /// Where they stand in the block's text.
    pub(super) text: Range<usize>,
}

/// Takes blocks; an error ends the reading.
pub(super) type Emit<'a> = &'a mut dyn FnMut(Block) -> anyhow::Result<()>;

/// Reads parts of a table one after another.
pub(super) struct Reader<'a> {
    dir: PathBuf,
    /// How long a block may be, unless a single line is longer.
    block_limit: usize,
    open: Block,
    emit: Emit<'a>,
}

/// How far a part has been read.
struct Position<'a> {
    part: &'a PartWork,
    number: u64,
    sum: Crc,
}

impl<'a> Reader<'a> {
    /// A reader for the bundle in `dir`.
    pub(super) fn new(dir: PathBuf, block_limit: usize, emit: Emit<'a>) -> Self {
        Self { dir, block_limit, open: Block::default(), emit }
    }

    /// Reads the rows of a table that are still to be sent, in order. Errors name the file.
    pub(super) fn read_table(&mut self, parts: &[PartWork]) -> anyhow::Result<()> {
        for part in parts {
            if part.dealt.acknowledged() + part.dealt.spooled() >= part.file.rows {
                continue;
            }
            match self.digest(&part.file) {
                Ok(sum) => self.read_part(part, sum)?,
                Err(error) => {
                    // The parts before the damaged one are sound: their rows go out.
                    self.close()?;
                    return Err(error);
                }
            }
        }
        self.close()
    }

    fn close(&mut self) -> anyhow::Result<()> {
        let block = std::mem::take(&mut self.open);
        if block.pieces.is_empty() { Ok(()) } else { (self.emit)(block) }
    }

    fn read_part(&mut self, part: &PartWork, expected: u32) -> anyhow::Result<()> {
        let mut reader = self.open_file(&part.file)?;
        let mut position = Position { part, number: 0, sum: Crc::new() };
        let mut start = self.open.text.len();
        loop {
            let from = self.open.text.len();
            // A line that is longer than a block becomes a block of its own.
            let room = if from < self.block_limit { self.block_limit - from } else { self.block_limit };
            self.open.text.reserve(room.min(self.block_limit));
            let count = reader.by_ref().take(room as u64).read_to_end(&mut self.open.text)?;
            position.sum.update(self.open.text.get(from..).unwrap_or_default());
            if count == 0 {
                break;
            }
            if self.open.text.len() >= self.block_limit {
                start = self.cut(&mut position, start)?;
            }
        }
        if self.open.text.len() > start && self.open.text.last() != Some(&b'\n') {
            self.open.text.push(b'\n');
        }
        self.add_piece(&mut position, start..self.open.text.len());
        self.check_end(&position, expected)
    }

    /// Hands on the whole lines of a full block and keeps the rest of the last line, whose place is returned.
    fn cut(&mut self, position: &mut Position<'_>, start: usize) -> anyhow::Result<usize> {
        let lines = self.open.text.get(start..).unwrap_or_default();
        let end = match memchr::memrchr(b'\n', lines) {
            Some(at) => start + at + 1,
            None if lines.len() >= LONGEST_LINE => {
                let reason = format!("line {} is too long to be a row", position.number + 1);
                return Err(self.differs(&position.part.file, &reason));
            }
            None if self.open.pieces.is_empty() => return Ok(start),
            None => start,
        };
        let rest = self.open.text.split_off(end);
        self.add_piece(position, start..end);
        self.close()?;
        self.open.text = rest;
        Ok(0)
    }

    fn add_piece(&mut self, position: &mut Position<'_>, text: Range<usize>) {
        let lines = self.open.text.get(text.clone()).unwrap_or_default();
        let count = memchr::memchr_iter(b'\n', lines).count() as u64;
        if count > 0 {
            let rows = position.number..position.number + count;
            position.number = rows.end;
            let (key, dealt) = (Arc::clone(&position.part.key), Arc::clone(&position.part.dealt));
            self.open.pieces.push(Piece { part: key, dealt, rows, text });
        }
    }

    fn check_end(&self, position: &Position<'_>, expected: u32) -> anyhow::Result<()> {
        let file = &position.part.file;
        if position.sum.sum() != expected {
            return Err(self.differs(file, "it changed while it was read"));
        }
        if position.number != file.rows {
            let reason = format!("it has {} rows and the manifest says {}", position.number, file.rows);
            return Err(self.differs(file, &reason));
        }
        Ok(())
    }

    /// Compares the digest with the manifest's, and returns a checksum for the second reading.
    fn digest(&self, file: &FileEntry) -> anyhow::Result<u32> {
        let mut reader = self.open_file(file)?;
        let (mut digest, mut sum) = (Sha256::new(), Crc::new());
        loop {
            let block = reader.fill_buf()?;
            if block.is_empty() {
                break;
            }
            digest.update(block);
            sum.update(block);
            let count = block.len();
            reader.consume(count);
        }
        let found = crate::table::hex_text(digest.finalize().iter());
        if found == file.sha256 {
            return Ok(sum.sum());
        }
        Err(self.differs(file, &format!("its SHA-256 is {found}, {} was collected", file.sha256)))
    }

    fn open_file(&self, file: &FileEntry) -> anyhow::Result<Box<dyn BufRead + Send>> {
        read_part(&self.dir, file).map_err(|error| match error.downcast::<std::io::Error>() {
            Ok(error) => self.differs(file, &error.to_string()),
            Err(other) => other,
        })
    }

    fn differs(&self, file: &FileEntry, reason: &str) -> anyhow::Error {
        Failure::new(
            format!("`{}` is not what was sealed: {}", printable(&file.path), printable(reason)),
            format!(
                "run `kubectl forensys verify {}` for all differences and get the bundle again from where it was collected",
                self.dir.display()
            ),
        )
        .with_status(ExitStatus::VerificationFailed)
        .into()
    }
}
