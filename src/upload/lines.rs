//! A JSONL file that only grows: the shape of the ledger, the receipts and the spool.

use std::{
    io::{BufRead as _, BufReader, Read, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use serde::Serialize;

/// How much is read or written at once.
const BLOCK: u64 = 64 * 1024;

/// The file, open for appending.
#[derive(Debug)]
pub(super) struct LinesFile {
    file: fs_err::File,
    path: PathBuf,
    /// Raw lines that are not written yet.
    waiting: Vec<u8>,
}

impl LinesFile {
    /// Opens or creates the file. What a kill left after the last newline is cut off: a line counts when it is whole.
    pub(super) fn open(path: &Path) -> std::io::Result<Self> {
        let mut file = fs_err::OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let whole = end_of_last_line(&mut file)?;
        if file.metadata()?.len() > whole {
            file.set_len(whole)?;
        }
        Ok(Self { file, path: path.to_owned(), waiting: Vec::new() })
    }

    /// Appends values, one a line, in one write. They survive the end of this process at once, and the end of the
    /// machine after [`LinesFile::sync`].
    pub(super) fn append(&mut self, values: &[impl Serialize]) -> anyhow::Result<()> {
        let mut text = Vec::new();
        for value in values {
            serde_json::to_writer(&mut text, value)?;
            text.push(b'\n');
        }
        Ok(self.file.write_all(&text)?)
    }

    /// Appends a line that is JSON already, without its newline; it may wait in memory until [`LinesFile::flush`].
    pub(super) fn append_raw(&mut self, line: &[u8]) -> anyhow::Result<()> {
        self.waiting.extend_from_slice(line);
        self.waiting.push(b'\n');
        if self.waiting.len() as u64 >= BLOCK { self.flush() } else { Ok(()) }
    }

    /// Writes what waits.
    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        self.file.write_all(&self.waiting)?;
        self.waiting.clear();
        Ok(())
    }

    /// Makes durable what was appended.
    pub(super) fn sync(&self) -> std::io::Result<()> {
        self.file.sync_data()
    }

    /// Calls `visit` with the number (from 1) and the bytes of each line, from the beginning.
    pub(super) fn read(&self, visit: &mut dyn FnMut(u64, &[u8]) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let mut reader = BufReader::new(fs_err::File::open(&self.path)?);
        let (mut line, mut number) = (Vec::new(), 0);
        while reader.read_until(b'\n', &mut line)? > 0 {
            number += 1;
            visit(number, line.trim_ascii_end())?;
            line.clear();
        }
        Ok(())
    }
}

/// The offset after the last newline; reads from the end, so that the size of the file does not matter.
fn end_of_last_line(file: &mut fs_err::File) -> std::io::Result<u64> {
    let mut end = file.metadata()?.len();
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        file.seek(SeekFrom::Start(start))?;
        let mut block = Vec::new();
        Read::take(&mut *file, end - start).read_to_end(&mut block)?;
        if let Some(at) = block.iter().rposition(|&byte| byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn lines(file: &LinesFile) -> Vec<String> {
        let mut lines = Vec::new();
        file.read(&mut |_, line| {
            lines.push(String::from_utf8(line.to_vec()).unwrap());
            Ok(())
        })
        .unwrap();
        lines
    }

    #[test]
    fn a_line_that_a_kill_cut_off_never_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines.jsonl");
        for torn in ["[2", &"x".repeat(200_000)] {
            fs_err::write(&path, format!("[1]\n{torn}")).unwrap();
            let mut file = LinesFile::open(&path).unwrap();
            assert_eq!(lines(&file), ["[1]"]);
            file.append(&[3]).unwrap();
            assert_eq!(lines(&file), ["[1]", "3"]);
        }
    }
}
