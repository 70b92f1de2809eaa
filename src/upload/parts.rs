//! The reading end: the parts of a table as one stream of rows, gathered into batches that span parts.
//!
//! A part is digested before its first row is handed on, so that nothing of a file that differs from the manifest is sent,
//! and again while its rows are read, so that a change in between does not go unnoticed. Memory: one batch and one row.

use std::{
    io::{BufRead, Read as _},
    sync::Arc,
};

use serde::de::IgnoredAny;
use sha2::{Digest as _, Sha256};

use super::{
    batch::{BODY_LIMIT, Batch, Batcher, TooLarge},
    ledger::{Dealt, PartKey, Segment},
};
use crate::{
    bundle::{Bundle, FileEntry},
    failure::{ExitStatus, Failure},
    ui::printable,
};

/// The longest line that is read, in bytes. Rows are at most some hundred KB long; a longer line is not ours.
const LONGEST_LINE: u64 = 16 * 1024 * 1024;

/// A part, and what of it need not be sent any more.
#[derive(Clone, Debug)]
pub(super) struct PartWork {
    pub(super) file: FileEntry,
    pub(super) key: Arc<PartKey>,
    pub(super) dealt: Dealt,
}

/// What is read from a table.
#[derive(Debug)]
pub(super) enum Item {
    /// Rows to send.
    Batch(Batch),
    /// A row that the service cannot take, and why.
    Unsendable { place: Segment, row: Vec<u8>, reason: String },
}

/// Reads the rows of a table that are still to be sent, in order, and hands them to `emit`. Errors name the file; an error
/// of `emit` ends the reading.
pub(super) fn read_table(
    bundle: &Bundle,
    parts: &[PartWork],
    emit: &mut dyn FnMut(Item) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut batcher = Batcher::new(BODY_LIMIT);
    for part in parts {
        if part.dealt.acknowledged() + part.dealt.spooled() < part.file.rows {
            if let Err(error) = check_digest(bundle, &part.file) {
                // The parts before the damaged one are sound: their rows go out.
                batcher.close().map_or(Ok(()), |batch| emit(Item::Batch(batch)))?;
                return Err(error);
            }
            read_part(bundle, part, &mut batcher, emit)?;
        }
    }
    batcher.close().map_or(Ok(()), |batch| emit(Item::Batch(batch)))
}

fn read_part(
    bundle: &Bundle,
    part: &PartWork,
    batcher: &mut Batcher,
    emit: &mut dyn FnMut(Item) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut reader = open(bundle, &part.file)?;
    let (mut digest, mut line, mut number) = (Sha256::new(), Vec::new(), 0);
    while reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? > 0 {
        digest.update(&line);
        if line.len() as u64 >= LONGEST_LINE {
            return Err(differs(bundle, &part.file, &format!("line {} is too long to be a row", number + 1)));
        }
        let row = line.trim_ascii_end();
        if !part.dealt.contains(number) {
            let closed = batch_row(row, part, number, batcher);
            closed.map_or(Ok(()), &mut *emit)?;
        }
        number += 1;
        line.clear();
    }
    if hex(&digest.finalize()) != part.file.sha256 {
        return Err(differs(bundle, &part.file, "it changed while it was read"));
    }
    if number != part.file.rows {
        let reason = format!("it has {number} rows and the manifest says {}", part.file.rows);
        return Err(differs(bundle, &part.file, &reason));
    }
    Ok(())
}

/// Adds a row to the open batch; returns what is to be handed on because of it.
fn batch_row(row: &[u8], part: &PartWork, number: u64, batcher: &mut Batcher) -> Option<Item> {
    let unsendable = |reason: String| {
        let place = Segment { part: Arc::clone(&part.key), rows: number..number + 1 };
        Some(Item::Unsendable { place, row: row.to_vec(), reason })
    };
    if !is_json_object(row) {
        return unsendable("not sent: the row is no JSON object".to_owned());
    }
    match batcher.push(row, &part.key, number) {
        Ok(closed) => closed.map(Item::Batch),
        Err(TooLarge) => unsendable(format!("not sent: the row has {} bytes, the service takes 1 MB", row.len())),
    }
}

/// One row that is not an object would make the service refuse the whole body.
fn is_json_object(row: &[u8]) -> bool {
    row.starts_with(b"{") && std::str::from_utf8(row).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

fn check_digest(bundle: &Bundle, file: &FileEntry) -> anyhow::Result<()> {
    let mut reader = open(bundle, file)?;
    let mut digest = Sha256::new();
    loop {
        let block = reader.fill_buf()?;
        if block.is_empty() {
            break;
        }
        digest.update(block);
        let count = block.len();
        reader.consume(count);
    }
    let found = hex(&digest.finalize());
    if found == file.sha256 {
        return Ok(());
    }
    Err(differs(bundle, file, &format!("its SHA-256 is {found}, {} was collected", file.sha256)))
}

fn open(bundle: &Bundle, file: &FileEntry) -> anyhow::Result<Box<dyn BufRead + Send>> {
    bundle.read_part(file).map_err(|error| match error.downcast::<std::io::Error>() {
        Ok(error) => differs(bundle, file, &error.to_string()),
        Err(other) => other,
    })
}

fn differs(bundle: &Bundle, file: &FileEntry, reason: &str) -> anyhow::Error {
    Failure::new(
        format!("`{}` is not what was sealed: {}", printable(&file.path), printable(reason)),
        format!(
            "run `kubectl forensys verify {}` for all differences and get the bundle again from where it was collected",
            bundle.dir.display()
        ),
    )
    .with_status(ExitStatus::VerificationFailed)
    .into()
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::is_json_object;

    #[test]
    fn only_whole_objects_are_rows() {
        assert!(is_json_object(br#"{"a":"b"}"#));
        for broken in [&b"[]"[..], b"", b"{", b"{}{}", br#"{"a":1},{"b":2}"#, b"{\"a\":\"\xff\"}"] {
            assert!(!is_json_object(broken), "{}", String::from_utf8_lossy(broken));
        }
    }
}
