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
    journal::{self, Coverage, JournalLine, PartEntry, State, Units},
    known::{self, visit_lines},
    lock,
    manifest::Manifest,
    part::PartWriter,
    place::Place,
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
    units: Mutex<Units>,
    /// Parts that no unit has finished, by the name of the unit below its source.
    cut_off: BTreeMap<String, Vec<PartEntry>>,
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
        Self::open(dir, lock, run, Units::default(), 1)
    }

    /// Goes on with a bundle that a run left. Units that ended well stay; what was cut off is kept and read on.
    /// Errors when the folder is no bundle or another process writes it.
    pub fn resume(dir: &Path) -> anyhow::Result<Self> {
        Held::new(dir)?.resume()
    }

    fn open(dir: &Path, lock: fs_err::File, run: RunFile, units: Units, attempt: u32) -> anyhow::Result<Self> {
        let file = journal::open_lines(&dir.join("journal.jsonl"))?;
        sync_folder(dir)?;
        let envelope = Envelope { case_id: run.case_id.clone(), run_id: run.run_id.clone() };
        let committer = Committer::start(dir.to_owned(), file);
        Ok(Self(Arc::new(Inner {
            dir: dir.to_owned(),
            run,
            envelope,
            attempt,
            cut_off: resume::cut_off(&units),
            units: Mutex::new(units),
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
        Unit::new(self.clone(), source, object.into(), path, &[""])
    }

    /// The same for a unit whose name another source uses, too: of what was cut off only that in these folders (`tables/kubelogs_CL/`)
    /// belongs to it.
    pub fn unit_in(&self, source: &'static str, object: impl Into<String>, path: &[&str], folders: &[&str]) -> Unit {
        Unit::new(self.clone(), source, object.into(), path, folders)
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

    /// Whether any unit whose name begins with `prefix` is as asked; it is given the rest of the name and the state.
    pub fn any_below(&self, prefix: &str, is_as_asked: impl Fn(&str, State) -> bool) -> bool {
        let rest =
            |line: &JournalLine| line.unit.strip_prefix(prefix).is_some_and(|rest| is_as_asked(rest, line.state));
        self.with_units(|units| units.below(prefix).any(rest))
    }

    /// Looks at the units without copying them: there may be as many as the cluster has containers.
    pub(super) fn with_units<T>(&self, look: impl FnOnce(&Units) -> T) -> T {
        look(&self.0.units.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Seals the bundle: journals what is left, then derives and writes the manifest. Returns it with its own SHA-256.
    pub async fn seal(&self, status: super::SealStatus) -> anyhow::Result<(Manifest, String)> {
        if let Some(committer) = self.0.committer.lock().await.take() {
            committer.close().await.context("the journal could not be written")?;
        }
        let mut units = self.0.units.lock().unwrap_or_else(PoisonError::into_inner);
        seal::remove_superseded(&self.0.dir, &units)?;
        // What a defect left behind is kept and told as well.
        adopt(&self.0.dir, &mut units, self.0.attempt)?;
        seal::write(&self.0.dir, &self.0.run, &units, self.0.attempt, status)
    }

    /// What is missing so far, and what is to be noted.
    pub fn gaps(&self) -> Vec<GapEntry> {
        self.with_units(seal::gaps)
    }

    /// The raw objects of a kind that a unit kept, one by one, those of the latest try first. Errors when a file cannot be read.
    pub fn raw_objects(
        &self,
        source: &str,
        kind: &str,
        path: &[&str],
        visit: &mut dyn FnMut(&[u8]),
    ) -> anyhow::Result<()> {
        let name = Unit::name(source, path);
        let place = Place::of_objects(kind, name.strip_prefix(source).unwrap_or_default().trim_start_matches('/'));
        let parts = self.parts_of(&name);
        let parts = known::in_order(parts.iter().filter(|part| place.has(&part.path)));
        parts.iter().rev().try_for_each(|part| visit_lines(&self.0.dir, part, visit))
    }

    /// The parts that a unit has.
    pub(super) fn parts_of(&self, unit: &str) -> Vec<PartEntry> {
        self.with_units(|units| units.get(unit).map(|line| line.parts.clone()).unwrap_or_default())
    }

    /// The parts in one of these folders that were cut off while a unit of this name was read, and belong to no unit yet.
    pub(super) fn cut_off(&self, name: &str, folders: &[&str]) -> Vec<PartEntry> {
        let Some(parts) = self.0.cut_off.get(name) else { return Vec::new() };
        let ours = parts.iter().filter(|part| folders.iter().any(|folder| part.path.starts_with(folder)));
        self.with_units(|units| ours.filter(|part| units.get(&resume::unit(&part.path)).is_some()).cloned().collect())
    }

    /// Begins a part in a file of its own.
    pub(super) fn new_part(&self, place: &Place, table: Option<&str>) -> anyhow::Result<PartWriter> {
        let is_free = |path: &String| self.with_units(|units| !units.superseded().contains(path));
        Ok(PartWriter::create(&self.0.dir, place.paths().filter(is_free), table.map(str::to_owned))?)
    }

    pub(super) async fn commit(&self, line: JournalLine) -> anyhow::Result<()> {
        self.0.units.lock().unwrap_or_else(PoisonError::into_inner).add(line.clone());
        match self.0.committer.lock().await.as_ref() {
            Some(committer) => committer.push(line).await.context("the journal could not be written"),
            None => anyhow::bail!("the bundle is sealed already"),
        }
    }
}

/// A bundle that nobody else can write any more, before anything of it is changed.
pub struct Held {
    dir: PathBuf,
    run: RunFile,
    lock: fs_err::File,
}

impl Held {
    /// Takes hold of a bundle. Errors when the folder is none or another process writes it.
    pub fn new(dir: &Path) -> anyhow::Result<Self> {
        let run = RunFile::read(dir)?;
        Ok(Self { dir: dir.to_owned(), run, lock: lock::take(dir)? })
    }

    /// What was asked of the run.
    pub fn run(&self) -> &RunFile {
        &self.run
    }

    /// Takes the seal off: from now on the bundle is one that is being written. Returns what [`Self::seal_again`] needs, where there was one.
    pub fn take_seal_off(&self) -> anyhow::Result<Option<PathBuf>> {
        seal::keep_old_seal(&self.dir)
    }

    /// Puts the seal on again. For a bundle that was not changed.
    pub fn seal_again(&self, kept: &Path) -> anyhow::Result<()> {
        fs_err::rename(kept, self.dir.join("manifest.json"))?;
        sync_folder(&self.dir)
    }

    /// Goes on with it; see [`BundleWriter::resume`].
    pub fn resume(self) -> anyhow::Result<BundleWriter> {
        self.take_seal_off()?;
        let Self { dir, run, lock } = self;
        let mut units = journal::read(&dir.join("journal.jsonl"))?;
        let last = units.all().map(|line| line.attempt).chain(seal::generations(&dir)?).max();
        let attempt = last.unwrap_or(1) + 1;
        seal::remove_superseded(&dir, &units)?;
        adopt(&dir, &mut units, attempt)?;
        BundleWriter::open(&dir, lock, run, units, attempt)
    }
}

/// Journals the parts that no unit has.
fn adopt(dir: &Path, units: &mut Units, attempt: u32) -> anyhow::Result<()> {
    let adopted = resume::adopt(dir, units, attempt)?;
    if !adopted.is_empty() {
        let mut file = journal::open_lines(&dir.join("journal.jsonl"))?;
        journal::append(&mut file, &adopted)?;
    }
    adopted.into_iter().for_each(|line| units.add(line));
    Ok(())
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
