//! The writing side of a bundle: made once by `collect`, shared by all its units.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;

use super::{
    GapEntry,
    commit::{Committer, sync_folder},
    journal::{self, Coverage, JournalLine, PartEntry, State},
    lock,
    manifest::Manifest,
    name::component,
    resume,
    run::RunFile,
    seal,
    unit::Unit,
};
use crate::{failure::Failure, table::Envelope};

/// Writes a bundle. Cheap to clone; all clones write the same one.
#[derive(Clone)]
pub struct BundleWriter(Arc<Inner>);

struct Inner {
    dir: PathBuf,
    run: RunFile,
    envelope: Envelope,
    attempt: u32,
    /// Units as the journal knows them, earlier attempts included.
    units: Mutex<BTreeMap<String, JournalLine>>,
    /// Parts that earlier attempts left unfinished, by path.
    interrupted: BTreeMap<String, PartEntry>,
    committer: tokio::sync::Mutex<Option<Committer>>,
    /// Holds the lock that keeps a second collector out.
    _lock: fs_err::File,
}

impl BundleWriter {
    /// Makes the folder of a bundle, which must be new or empty.
    pub fn prepare(dir: &Path) -> anyhow::Result<()> {
        fs_err::create_dir_all(dir)?;
        if fs_err::read_dir(dir)?.next().is_some() {
            return Err(Failure::usage(
                format!("the output folder `{}` is not empty", dir.display()),
                "name a new folder with --output-dir, or go on with an interrupted run with `collect --resume DIR`",
            )
            .into());
        }
        Ok(())
    }

    /// Begins a bundle in a folder that [`Self::prepare`] checked, or that does not exist. Must be called inside a tokio runtime.
    pub fn create(dir: &Path, run: RunFile) -> anyhow::Result<Self> {
        fs_err::create_dir_all(dir)?;
        let lock = write_durably(dir, "run.json", &serde_json::to_vec_pretty(&run)?, true)?;
        Self::open(dir, run, lock, BTreeMap::new(), BTreeMap::new(), 1)
    }

    /// Goes on with a bundle that a run left. Units that ended well stay; what was cut off is kept and read on.
    /// Errors when the folder is no bundle or another process writes it.
    pub fn resume(dir: &Path) -> anyhow::Result<Self> {
        let run = RunFile::read(dir)?;
        let lock = lock::take(dir)?;
        let mut units = journal::read(&dir.join("journal.jsonl"))?;
        let attempt = units.values().map(|line| line.attempt).max().unwrap_or(1) + 1;
        let adopted = resume::adopt(dir, &units, attempt)?;
        let interrupted = resume::interrupted_parts(units.values().chain(&adopted));
        if !adopted.is_empty() {
            let (mut file, _) = journal::open_lines(&dir.join("journal.jsonl"))?;
            journal::append(&mut file, &adopted)?;
        }
        units.extend(adopted.into_iter().map(|line| (line.unit.clone(), line)));
        seal::keep_old_seal(dir)?;
        Self::open(dir, run, lock, units, interrupted, attempt)
    }

    fn open(
        dir: &Path,
        run: RunFile,
        lock: fs_err::File,
        units: BTreeMap<String, JournalLine>,
        interrupted: BTreeMap<String, PartEntry>,
        attempt: u32,
    ) -> anyhow::Result<Self> {
        let (file, _) = journal::open_lines(&dir.join("journal.jsonl"))?;
        sync_folder(dir)?;
        let envelope = Envelope { case_id: run.case_id.clone(), run_id: run.run_id.clone() };
        let committer = Committer::start(dir.to_owned(), file);
        Ok(Self(Arc::new(Inner {
            dir: dir.to_owned(),
            run,
            envelope,
            attempt,
            units: Mutex::new(units),
            interrupted,
            committer: tokio::sync::Mutex::new(Some(committer)),
            _lock: lock,
        })))
    }

    /// The bundle's folder.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// What was asked of the run.
    pub fn run(&self) -> &RunFile {
        &self.0.run
    }

    /// The envelope of the run's rows.
    pub fn envelope(&self) -> &Envelope {
        &self.0.envelope
    }

    /// Number of this attempt, from 1.
    pub fn attempt(&self) -> u32 {
        self.0.attempt
    }

    /// Begins a unit: of a source, about a thing, with its place in the folders of the tables.
    pub fn unit(&self, source: &'static str, object: impl Into<String>, path: &[&str]) -> Unit {
        Unit::new(self.clone(), source, object.into(), path)
    }

    /// Whether an earlier attempt brought the unit to an end that needs no repetition.
    pub fn is_done(&self, source: &str, path: &[&str]) -> bool {
        self.state(source, path).is_some_and(State::is_final)
    }

    /// How a unit last ended, where it ever did.
    pub fn state(&self, source: &str, path: &[&str]) -> Option<State> {
        self.with_units(|units| units.get(&Unit::name(source, path)).map(|line| line.state))
    }

    /// How much of a unit was seen when it last ended, where it ever did.
    pub fn coverage(&self, source: &str, path: &[&str]) -> Option<Coverage> {
        self.with_units(|units| units.get(&Unit::name(source, path)).map(|line| line.coverage.clone()))
    }

    /// Whether any unit whose name begins with `prefix`, but for the one called `except`, came to an end that needs no repetition.
    pub fn any_done_below(&self, prefix: &str, except: &str) -> bool {
        self.with_units(|units| {
            let mut below = units.range(prefix.to_owned()..).take_while(|(name, _)| name.starts_with(prefix));
            below.any(|(name, line)| name != except && line.state.is_final())
        })
    }

    /// Looks at the units without copying them: there may be as many as the cluster has containers.
    pub(super) fn with_units<T>(&self, look: impl FnOnce(&BTreeMap<String, JournalLine>) -> T) -> T {
        look(&self.0.units.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Seals the bundle: journals what is left, then derives and writes the manifest. Returns it with its own SHA-256.
    pub async fn seal(&self, status: super::SealStatus) -> anyhow::Result<(Manifest, String)> {
        if let Some(committer) = self.0.committer.lock().await.take() {
            committer.close().await.context("the journal could not be written")?;
        }
        self.with_units(|units| seal::write(&self.0.dir, &self.0.run, units, self.0.attempt, status))
    }

    /// What is missing so far, and what is to be noted.
    pub fn gaps(&self) -> Vec<GapEntry> {
        self.with_units(|units| seal::gaps(&seal::effective(units)))
    }

    /// The raw objects that a finished unit kept, one by one. Errors when the file cannot be read.
    pub fn raw_objects(&self, kind: &str, path: &[&str]) -> anyhow::Result<Vec<String>> {
        let path: Vec<_> = path.iter().map(|text| component(text)).collect();
        let file = self.0.dir.join(format!("raw/{}/{}.jsonl.zst", component(kind), path.join("/")));
        if !file.exists() {
            return Ok(Vec::new());
        }
        let text =
            zstd::decode_all(fs_err::File::open(&file)?).with_context(|| format!("reading {}", file.display()))?;
        Ok(String::from_utf8_lossy(&text).lines().map(str::to_owned).collect())
    }

    /// The part at a path that a unit may go on in, however it ended before, in this attempt or an earlier one.
    pub(super) fn part_to_go_on(&self, unit: &str, path: &str) -> Option<PartEntry> {
        let own = |units: &BTreeMap<String, JournalLine>| {
            units.get(unit).and_then(|line| line.parts.iter().find(|part| part.path == path).cloned())
        };
        self.with_units(own).or_else(|| self.0.interrupted.get(path).cloned())
    }

    /// The parts of a unit that ended with something missing.
    pub(super) fn earlier_parts(&self, unit: &str) -> Vec<PartEntry> {
        self.with_units(|units| {
            units.get(unit).filter(|line| line.state.is_gap()).map(|line| line.parts.clone()).unwrap_or_default()
        })
    }

    pub(super) async fn commit(&self, line: JournalLine) -> anyhow::Result<()> {
        self.0.units.lock().unwrap_or_else(PoisonError::into_inner).insert(line.unit.clone(), line.clone());
        match self.0.committer.lock().await.as_ref() {
            Some(committer) => committer.push(line).await.context("the journal could not be written"),
            None => anyhow::bail!("the bundle is sealed already"),
        }
    }
}

/// Writes a file so that after a crash it is either whole or absent. Returns it open; where it is to be locked, it is so from the
/// moment that it has its name.
pub(super) fn write_durably(dir: &Path, name: &str, text: &[u8], locked: bool) -> anyhow::Result<fs_err::File> {
    let temporary = dir.join(format!(".{name}.new"));
    let mut file = fs_err::File::create(&temporary)?;
    if locked {
        file.file().lock().with_context(|| format!("locking {}", temporary.display()))?;
    }
    file.write_all(text)?;
    file.sync_all()?;
    fs_err::rename(&temporary, dir.join(name))?;
    sync_folder(dir)?;
    Ok(file)
}
