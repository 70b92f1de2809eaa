//! A bundle that may still be written: what its journal names so far.

use std::path::{Path, PathBuf};

use super::{journal, lock, manifest::FileEntry, reader::Bundle, run::RunFile};

/// A bundle that has been begun. Only what stands in the journal counts: those parts are on stable storage and change no more.
#[derive(Debug)]
pub struct Growing {
    /// Its folder.
    pub dir: PathBuf,
    /// What was asked.
    pub run: RunFile,
}

impl Growing {
    /// Opens a bundle that has been begun; none when there is no `run.json` yet. Errors when that is damaged.
    pub fn open(dir: &Path) -> anyhow::Result<Option<Self>> {
        if !dir.join("run.json").exists() {
            return Ok(None);
        }
        Ok(Some(Self { dir: dir.to_owned(), run: RunFile::read(dir)? }))
    }

    /// The parts with rows that are finished, in order of their paths. Errors when the journal is damaged.
    pub fn parts(&self) -> anyhow::Result<Vec<FileEntry>> {
        let units = journal::read(&self.dir.join("journal.jsonl"))?;
        let parts = units.all().flat_map(|line| &line.parts);
        let mut files: Vec<_> = parts
            .filter(|part| part.table.is_some() && part.rows > 0)
            .map(|part| FileEntry {
                path: part.path.clone(),
                bytes: part.bytes,
                sha256: part.sha256.clone(),
                table: part.table.clone(),
                rows: part.rows,
            })
            .collect();
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(files)
    }

    /// Whether a collector is still writing it. Ask before reading the journal: what was written last is in it then.
    pub fn is_being_written(&self) -> anyhow::Result<bool> {
        lock::is_taken(&self.dir)
    }

    /// The bundle, once it is sealed.
    pub fn sealed(&self) -> anyhow::Result<Option<Bundle>> {
        if self.dir.join("manifest.json").exists() { Bundle::open(&self.dir).map(Some) } else { Ok(None) }
    }
}
