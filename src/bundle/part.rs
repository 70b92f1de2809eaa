//! A part: one file of rows or of raw objects, created when its first byte comes, digested as it is written.

use std::{
    io::{BufWriter, Write},
    path::Path,
};

use super::{digest::Hasher, journal::PartEntry};

/// How many bytes are gathered before they are written.
const BUFFER: usize = 64 * 1024;

/// Digests what reaches the file, after compression.
struct Digesting {
    file: fs_err::File,
    hasher: Hasher,
}

impl Write for Digesting {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

enum Encoder {
    Plain(BufWriter<Digesting>),
    Zstd(Box<zstd::Encoder<'static, BufWriter<Digesting>>>),
}

/// A file being written.
pub(super) struct PartWriter {
    entry: PartEntry,
    encoder: Encoder,
}

impl PartWriter {
    /// Creates a file of its own in `dir` under the first of `names` that is free: what is there already stays as it is.
    pub(super) fn create(
        dir: &Path,
        names: impl Iterator<Item = String>,
        table: Option<String>,
    ) -> std::io::Result<Self> {
        for path in names {
            let full = dir.join(&path);
            if let Some(parent) = full.parent() {
                fs_err::create_dir_all(parent)?;
            }
            match fs_err::OpenOptions::new().write(true).create_new(true).open(&full) {
                Ok(file) => {
                    let file = Digesting { file, hasher: Hasher::default() };
                    return Self::over(file, PartEntry { path, table, bytes: 0, rows: 0, sha256: String::new() });
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(std::io::Error::other("no name is left for a part"))
    }

    fn over(file: Digesting, entry: PartEntry) -> std::io::Result<Self> {
        let buffer = BufWriter::with_capacity(BUFFER, file);
        let encoder = if entry.path.ends_with(".zst") {
            Encoder::Zstd(Box::new(zstd::Encoder::new(buffer, 1)?))
        } else {
            Encoder::Plain(buffer)
        };
        Ok(Self { entry, encoder })
    }

    pub(super) fn write(&mut self, bytes: &[u8], rows: u64) -> std::io::Result<()> {
        self.entry.rows += rows;
        match &mut self.encoder {
            Encoder::Plain(file) => file.write_all(bytes),
            Encoder::Zstd(file) => file.write_all(bytes),
        }
    }

    /// Hands what is buffered to the system, so that it survives the end of this process. What is compressed stays behind.
    pub(super) fn flush(&mut self) -> std::io::Result<()> {
        match &mut self.encoder {
            Encoder::Plain(file) => file.flush(),
            Encoder::Zstd(_) => Ok(()),
        }
    }

    /// The part as far as it is written, all of which is handed to the system. For lines that are not compressed.
    pub(super) fn so_far(&mut self) -> std::io::Result<PartEntry> {
        self.flush()?;
        Ok(self.entry.clone())
    }

    /// Rows written so far.
    pub(super) fn rows(&self) -> u64 {
        self.entry.rows
    }

    /// Writes out what is buffered and returns the entry with size and digest. Durability is the committer's.
    pub(super) fn finish(self) -> std::io::Result<PartEntry> {
        let buffer = match self.encoder {
            Encoder::Plain(buffer) => buffer,
            Encoder::Zstd(encoder) => encoder.finish()?,
        };
        let file = buffer.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        let (bytes, sha256) = file.hasher.finish();
        Ok(PartEntry { bytes, sha256, ..self.entry })
    }
}
