//! Is the bundle still exactly what was collected? Names every file that differs, is missing or is extra.

use std::{collections::BTreeMap, path::Path};

use serde::Serialize;

use super::{
    digest, journal,
    manifest::SealStatus,
    reader::{Bundle, files_below, inside},
    run::RunFile,
};

/// Something wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Path in the bundle.
    pub path: String,
    /// What is wrong with it.
    pub problem: String,
}

/// What verifying found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// True when there is no problem.
    pub ok: bool,
    /// What the run came to, as sealed; none when it is not sealed.
    pub status: Option<SealStatus>,
    /// SHA-256 of `manifest.json`; compare it with the one that was printed when the bundle was sealed.
    pub manifest_sha256: Option<String>,
    /// Files that were checked.
    pub files: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Everything that is wrong.
    pub problems: Vec<Problem>,
}

/// Checks every file against the manifest, or, in a bundle that was never sealed, against the journal.
/// Errors only when the folder is no bundle at all.
pub fn verify(dir: &Path) -> anyhow::Result<Verification> {
    RunFile::read(dir)?;
    let mut problems = Vec::new();
    let (status, sha256, expected) = match Bundle::open(dir) {
        Ok(bundle) => {
            let files = bundle.manifest.files.iter().map(|file| (file.path.clone(), (file.bytes, file.sha256.clone())));
            (Some(bundle.manifest.status), Some(bundle.manifest_sha256), files.collect())
        }
        Err(error) => {
            problems.push(Problem { path: "manifest.json".to_owned(), problem: format!("{error:#}") });
            (None, None, journalled(dir, &mut problems))
        }
    };
    let mut checked = Verification { ok: false, status, manifest_sha256: sha256, files: 0, bytes: 0, problems };
    check_files(dir, &expected, &mut checked)?;
    if checked.status.is_some() {
        check_extra(dir, &expected, &mut checked)?;
    }
    checked.ok = checked.problems.is_empty();
    Ok(checked)
}

type Expected = BTreeMap<String, (u64, String)>;

/// What the journal of a bundle without a seal knows.
fn journalled(dir: &Path, problems: &mut Vec<Problem>) -> Expected {
    match journal::read(&dir.join("journal.jsonl")) {
        Ok(units) => units
            .all()
            .flat_map(|line| &line.parts)
            .map(|part| (part.path.clone(), (part.bytes, part.sha256.clone())))
            .collect(),
        Err(error) => {
            problems.push(Problem { path: "journal.jsonl".to_owned(), problem: format!("{error:#}") });
            Expected::new()
        }
    }
}

fn check_files(dir: &Path, expected: &Expected, checked: &mut Verification) -> anyhow::Result<()> {
    for (path, (bytes, sha256)) in expected {
        let problem = match digest::of_file(&inside(dir, path)?) {
            Ok((found, digest)) => {
                checked.bytes += found;
                if found != *bytes {
                    Some(format!("differs: {found} bytes, {bytes} were collected"))
                } else if digest != *sha256 {
                    Some(format!("differs: SHA-256 is {digest}, {sha256} was collected"))
                } else {
                    None
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some("missing".to_owned()),
            Err(error) => Some(format!("cannot be read: {error}")),
        };
        checked.files += 1;
        checked.problems.extend(problem.map(|problem| Problem { path: path.clone(), problem }));
    }
    Ok(())
}

fn check_extra(dir: &Path, expected: &Expected, checked: &mut Verification) -> anyhow::Result<()> {
    for path in files_below(dir)? {
        if path != "manifest.json" && !expected.contains_key(&path) {
            checked
                .problems
                .push(Problem { path, problem: "extra: it was not there when the bundle was sealed".into() });
        }
    }
    Ok(())
}
