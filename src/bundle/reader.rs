//! The reading side of a sealed bundle.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::{
    digest,
    manifest::{FileEntry, Manifest},
    run::RunFile,
};
use crate::failure::{ExitStatus, Failure};

/// A sealed bundle.
#[derive(Debug)]
pub struct Bundle {
    /// Its folder.
    pub dir: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    /// SHA-256 of `manifest.json`, in hexadecimal: the identity of the bundle.
    pub manifest_sha256: String,
}

impl Bundle {
    /// Opens a sealed bundle. Digests are not checked here (see [`super::verify`]).
    /// Errors when the folder is no bundle, is not sealed, or is of another format version.
    pub fn open(dir: &Path) -> anyhow::Result<Self> {
        RunFile::read(dir)?;
        let path = dir.join("manifest.json");
        let text = fs_err::read(&path).map_err(|error| {
            Failure::new(
                format!("the bundle `{}` is not sealed: {error}", dir.display()),
                format!("go on with `collect --resume {}`; it seals the bundle when it ends", dir.display()),
            )
            .with_status(ExitStatus::VerificationFailed)
        })?;
        let manifest = serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))?;
        let mut hasher = digest::Hasher::default();
        hasher.update(&text);
        Ok(Self { dir: dir.to_owned(), manifest, manifest_sha256: hasher.finish().1 })
    }

    /// Names of the tables that have rows, in order.
    pub fn tables(&self) -> Vec<String> {
        self.manifest.tables.iter().filter(|(_, total)| total.rows > 0).map(|(name, _)| name.clone()).collect()
    }

    /// The parts of a table in the order of the manifest.
    pub fn parts<'a>(&'a self, table: &'a str) -> impl Iterator<Item = &'a FileEntry> {
        self.manifest.files.iter().filter(move |file| file.table.as_deref() == Some(table))
    }

    /// Opens a file of the manifest for reading, decompressed. Errors when its path leads out of the folder.
    pub fn read_part(&self, file: &FileEntry) -> anyhow::Result<Box<dyn BufRead + Send>> {
        read_part(&self.dir, file)
    }
}

/// Opens a file of the bundle in `dir` for reading, decompressed. Errors when its path leads out of the folder.
pub fn read_part(dir: &Path, file: &FileEntry) -> anyhow::Result<Box<dyn BufRead + Send>> {
    let path = inside(dir, &file.path)?;
    let plain = fs_err::File::open(&path)?;
    if file.path.ends_with(".zst") {
        let decoder = zstd::Decoder::new(plain).with_context(|| format!("reading {}", path.display()))?;
        return Ok(Box::new(BufReader::new(decoder)));
    }
    Ok(Box::new(BufReader::with_capacity(256 * 1024, plain)))
}

/// A path of a manifest as a path on disk; a manifest may come from anywhere, so it may not lead elsewhere.
pub(super) fn inside(dir: &Path, path: &str) -> anyhow::Result<PathBuf> {
    let harmless = path.split('/').all(|name| !matches!(name, "" | "." | "..") && !name.contains(['\\', ':', '\0']));
    if !harmless {
        return Err(Failure::new(
            format!("the manifest of `{}` names the path `{}`", dir.display(), crate::ui::printable(path)),
            "the manifest is damaged or forged: get the bundle again from where it was collected",
        )
        .with_status(ExitStatus::VerificationFailed)
        .into());
    }
    Ok(dir.join(path))
}

/// Every file below a folder, as paths with `/`. Symbolic links are listed, not followed.
pub(super) fn files_below(dir: &Path) -> anyhow::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut folders = vec![(dir.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        for entry in fs_err::read_dir(folder)? {
            let entry = entry?;
            let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                folders.push((entry.path(), format!("{path}/")));
            } else {
                found.insert(path);
            }
        }
    }
    Ok(found)
}
