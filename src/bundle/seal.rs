//! Derives the manifest from the journal and writes it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::{
    commit::sync_folder,
    digest,
    journal::Units,
    manifest::{FileEntry, GapEntry, Manifest, SealStatus, TableTotal},
    run::{FORMAT, RunFile},
    writer::write_durably,
};

/// Removes the files of parts that were superseded.
pub(super) fn remove_superseded(dir: &Path, units: &Units) -> anyhow::Result<()> {
    let mut folders = BTreeSet::new();
    for path in units.superseded() {
        let path = dir.join(path);
        match fs_err::remove_file(&path) {
            Ok(()) => folders.extend(path.parent().map(Path::to_owned)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    folders.iter().try_for_each(|folder| sync_folder(folder))
}

/// What is missing and what is to be noted, in a stable order.
pub(super) fn gaps(units: &Units) -> Vec<GapEntry> {
    let mut gaps: Vec<GapEntry> = units
        .all()
        .filter(|line| line.state.is_notable())
        .map(|line| GapEntry {
            source: line.source.clone(),
            object: line.object.clone(),
            state: line.state,
            reason: line.reason.clone().unwrap_or_default(),
        })
        .collect();
    gaps.sort();
    gaps
}

/// Writes `manifest.json`. Returns the manifest and the SHA-256 of its text.
pub(super) fn write(
    dir: &Path,
    run: &RunFile,
    units: &Units,
    attempt: u32,
    status: SealStatus,
) -> anyhow::Result<(Manifest, String)> {
    let mut files = Vec::new();
    for name in other_files(dir)? {
        let (bytes, sha256) = digest::of_file(&dir.join(&name))?;
        files.push(FileEntry { path: name, bytes, sha256, table: None, rows: 0 });
    }
    let mut tables: BTreeMap<String, TableTotal> = BTreeMap::new();
    let mut states: BTreeMap<String, BTreeMap<_, u64>> = BTreeMap::new();
    for line in units.all() {
        *states.entry(line.source.clone()).or_default().entry(line.state).or_default() += 1;
        for part in &line.parts {
            if let Some(table) = &part.table {
                let total = tables.entry(table.clone()).or_default();
                *total = TableTotal {
                    rows: total.rows + part.rows,
                    parts: total.parts + 1,
                    bytes: total.bytes + part.bytes,
                };
            }
            files.push(FileEntry {
                path: part.path.clone(),
                bytes: part.bytes,
                sha256: part.sha256.clone(),
                table: part.table.clone(),
                rows: part.rows,
            });
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    let manifest = Manifest {
        format: FORMAT,
        generation: attempt,
        run_id: run.run_id.clone(),
        demo: run.demo,
        status,
        sealed: Timestamp::now(),
        run: run.clone(),
        tables,
        units: states,
        gaps: gaps(units),
        files,
    };
    let mut text = serde_json::to_vec_pretty(&manifest)?;
    text.push(b'\n');
    write_durably(dir, "manifest.json", &text, false)?;
    let mut hasher = digest::Hasher::default();
    hasher.update(&text);
    Ok((manifest, hasher.finish().1))
}

/// The files beside tables and raw objects, in order; the manifest itself cannot be among them.
fn other_files(dir: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs_err::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_file() && name != "manifest.json" && !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Keeps the seal of an earlier attempt under the name of its generation, which is returned where there was one.
pub(super) fn keep_old_seal(dir: &Path) -> anyhow::Result<Option<PathBuf>> {
    let path = dir.join("manifest.json");
    if !path.exists() {
        return Ok(None);
    }
    let manifest: serde_json::Value = serde_json::from_slice(&fs_err::read(&path)?)?;
    let generation = manifest.get("generation").and_then(serde_json::Value::as_u64).unwrap_or_default();
    let kept = dir.join(format!("manifest.{generation}.json"));
    fs_err::rename(&path, &kept)?;
    sync_folder(dir)?;
    Ok(Some(kept))
}

/// The generations of the seals that were kept.
pub(super) fn generations(dir: &Path) -> anyhow::Result<Vec<u32>> {
    let generation = |name: String| name.strip_prefix("manifest.")?.strip_suffix(".json")?.parse().ok();
    Ok(other_files(dir)?.into_iter().filter_map(generation).collect())
}
