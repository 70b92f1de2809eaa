//! What is uploaded: the parts of a bundle, sealed or still being written.

use std::{collections::BTreeMap, path::PathBuf};

use crate::bundle::{Bundle, FileEntry, Growing, RunFile};

/// The rows of a bundle, by table.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// The bundle's folder.
    pub(super) dir: PathBuf,
    pub(super) run_id: String,
    /// The embedded demonstration, which may not leave this machine.
    pub(super) is_demo: bool,
    /// SHA-256 of the manifest; none before the bundle is sealed.
    pub(super) manifest_sha256: Option<String>,
    /// The parts of each table that has rows, in order.
    pub(super) tables: BTreeMap<String, Vec<FileEntry>>,
}

impl Origin {
    /// All of a sealed bundle.
    pub(super) fn sealed(bundle: &Bundle) -> anyhow::Result<Self> {
        let is_demo = bundle.manifest.demo || bundle.manifest.run.demo || RunFile::read(&bundle.dir)?.demo;
        let parts = |table: String| (table.clone(), bundle.parts(&table).cloned().collect());
        Ok(Self {
            dir: bundle.dir.clone(),
            run_id: bundle.manifest.run_id.clone(),
            is_demo,
            manifest_sha256: Some(bundle.manifest_sha256.clone()),
            tables: bundle.tables().into_iter().map(parts).collect(),
        })
    }

    /// What is finished of a bundle that is being written.
    pub(super) fn growing(bundle: &Growing) -> anyhow::Result<Self> {
        let mut tables = BTreeMap::<_, Vec<_>>::new();
        for part in bundle.parts()? {
            tables.entry(part.table.clone().unwrap_or_default()).or_default().push(part);
        }
        Ok(Self {
            dir: bundle.dir.clone(),
            run_id: bundle.run.run_id.clone(),
            is_demo: bundle.run.demo,
            manifest_sha256: None,
            tables,
        })
    }

    /// Whether every part of another state of the same bundle is one of this, too.
    pub(super) fn has_all_of(&self, other: &Self) -> bool {
        let is_here =
            |(table, part): (&String, &FileEntry)| self.tables.get(table).is_some_and(|parts| parts.contains(part));
        other.tables.iter().flat_map(|(table, parts)| parts.iter().map(move |part| (table, part))).all(is_here)
    }
}
