//! The state of an upload on disk, outside the sealed bundle:
//!
//! ```text
//! DIR/lock                         held while an upload runs
//!     ledger.jsonl                 rows that were acknowledged or spooled, as intervals; what a later upload leaves out
//!     receipts.jsonl               a line per acknowledged body: when, what, and the request's ids
//!     spool/TABLE.jsonl            rows that the service refused for good, as they were sent
//!     spool/TABLE.reasons.jsonl    why, in the service's words, and which rows of which parts they are
//! ```
//!
//! Everything survives the end of the process as soon as it is recorded; it is made durable in groups, about once a second
//! and at the end. What a crash of the machine takes is sent again. The spool is durable before the ledger names its rows.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use jiff::Timestamp;
use serde::Serialize;

use super::{
    body::Body,
    ledger::{Dealt, Fate, Ledger, PartKey, Route, Segment},
    lines::LinesFile,
    route::TableRoute,
};
use crate::{bundle::component, failure::Failure};

/// How long what was recorded may wait for others to become durable together.
const GROUP: Duration = Duration::from_secs(1);

/// The open state.
#[derive(Debug)]
pub(super) struct State {
    dir: PathBuf,
    files: Mutex<Files>,
    /// Holds the lock that keeps a second upload out.
    _lock: fs_err::File,
}

#[derive(Debug)]
struct Files {
    ledger: Ledger,
    receipts: LinesFile,
    synced: Instant,
}

/// A line of `receipts.jsonl`.
#[derive(Debug, Serialize)]
pub(super) struct Receipt {
    /// When the answer came.
    pub(super) time: Timestamp,
    /// `x-ms-client-request-id` as sent.
    pub(super) client_request_id: String,
    /// The service's own id of the request, if it gave one.
    pub(super) request_id: Option<String>,
    pub(super) table: String,
    #[serde(flatten)]
    pub(super) route: Route,
    pub(super) rows: u64,
    /// Requests that it took: repetitions, and those for the larger body that it was first a part of.
    pub(super) requests: u32,
    /// Bytes of the body before compression.
    pub(super) bytes: u64,
    /// Bytes of the body as sent.
    pub(super) wire_bytes: u64,
    /// SHA-256 of the bundle's manifest: which sealed evidence the rows belong to. None before it was sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) manifest_sha256: Option<String>,
}

/// Rows to put aside.
pub(super) enum Rows<'a> {
    One(&'a [u8]),
    Body(&'a Body),
}

/// A line of `spool/TABLE.reasons.jsonl`.
#[derive(Serialize)]
struct Reason<'a> {
    time: Timestamp,
    rows: u64,
    /// Requests that it took to find out.
    requests: u32,
    reason: &'a str,
    parts: Vec<ReasonPart<'a>>,
}

#[derive(Serialize)]
struct ReasonPart<'a> {
    path: &'a str,
    from: u64,
    to: u64,
}

impl State {
    /// Opens or begins the state for a run of a bundle, in `dir` or else beside the bundle. Errors when another upload uses it, when it
    /// would lie inside the sealed bundle, or when it cannot be written.
    pub(super) fn open(bundle: &Path, run_id: &str, dir: Option<&Path>) -> anyhow::Result<Self> {
        let sealed = fs_err::canonicalize(bundle)?;
        let dir = dir.map_or_else(|| beside(&sealed), Path::to_owned);
        refuse_inside(&sealed, &dir)?;
        fs_err::create_dir_all(dir.join("spool")).map_err(|error| {
            Failure::new(
                format!("the upload cannot keep its state: {error}"),
                "name a folder that can be written with --state-dir",
            )
        })?;
        let lock = lock(&dir)?;
        let files = Files {
            ledger: Ledger::open(&dir.join("ledger.jsonl"), run_id)?,
            receipts: LinesFile::open(&dir.join("receipts.jsonl"))?,
            synced: Instant::now(),
        };
        Ok(Self { dir, files: Mutex::new(files), _lock: lock })
    }

    /// The folder.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The rows of a part that have been dealt with.
    pub(super) fn dealt(&self, route: &Route, part: &PartKey) -> Dealt {
        self.files().ledger.dealt(route, part)
    }

    /// Records that the service took a body.
    pub(super) fn acknowledge(&self, route: &Route, segments: &[Segment], receipt: &Receipt) -> anyhow::Result<()> {
        let mut files = self.files();
        files.receipts.append(&[receipt])?;
        files.ledger.record(route, segments, Fate::Acknowledged).context("recording acknowledged rows")?;
        if files.synced.elapsed() >= GROUP {
            files.sync()?;
        }
        Ok(())
    }

    /// Puts rows aside that the service refused, with its words.
    pub(super) fn spool(
        &self,
        table: &TableRoute,
        segments: &[Segment],
        rows: Rows<'_>,
        reason: &str,
        requests: u32,
    ) -> anyhow::Result<()> {
        let name = component(&table.table);
        let mut files = self.files();
        let mut file = LinesFile::open(&self.dir.join(format!("spool/{name}.jsonl")))?;
        match rows {
            Rows::One(row) => file.append_raw(row),
            Rows::Body(body) => body.each_row(&mut |row| file.append_raw(row)),
        }
        .and_then(|()| file.flush())
        .context("spooling rows")?;
        file.sync()?;
        let part = |segment: &'_ Segment| (segment.part.path.clone(), segment.rows.start, segment.rows.end);
        let places: Vec<_> = segments.iter().map(part).collect();
        let reason = Reason {
            time: Timestamp::now(),
            rows: places.iter().map(|(_, from, to)| to - from).sum(),
            requests,
            reason,
            parts: places.iter().map(|(path, from, to)| ReasonPart { path, from: *from, to: *to }).collect(),
        };
        let mut reasons = LinesFile::open(&self.dir.join(format!("spool/{name}.reasons.jsonl")))?;
        reasons.append(&[reason]).context("spooling rows")?;
        reasons.sync()?;
        files.ledger.record(&table.route, segments, Fate::Spooled).context("recording spooled rows")
    }

    /// Makes everything durable.
    pub(super) fn sync(&self) -> anyhow::Result<()> {
        self.files().sync()
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for State {
    /// An upload that is stopped keeps what it recorded; where that fails, the rows are sent again.
    fn drop(&mut self) {
        drop(self.sync());
    }
}

impl Files {
    fn sync(&mut self) -> anyhow::Result<()> {
        self.receipts.sync()?;
        self.ledger.sync()?;
        self.synced = Instant::now();
        Ok(())
    }
}

/// `BUNDLE.upload`, beside the bundle.
fn beside(bundle: &Path) -> PathBuf {
    let mut name = bundle.file_name().unwrap_or_default().to_owned();
    name.push(".upload");
    bundle.with_file_name(name)
}

/// Refuses a folder inside the sealed bundle, whether it exists yet or not.
fn refuse_inside(sealed: &Path, dir: &Path) -> anyhow::Result<()> {
    let absolute = std::path::absolute(dir)?;
    let existing = absolute.ancestors().find_map(|folder| fs_err::canonicalize(folder).ok());
    if existing.is_some_and(|folder| folder.starts_with(sealed)) {
        return Err(Failure::usage(
            format!("`{}` lies inside the sealed bundle", dir.display()),
            "name a folder outside the bundle with --state-dir, so that the bundle stays what was sealed",
        )
        .into());
    }
    Ok(())
}

/// Takes the lock; released when the file is closed, by the end of the process at the latest.
fn lock(dir: &Path) -> anyhow::Result<fs_err::File> {
    let path = dir.join("lock");
    let file = fs_err::OpenOptions::new().write(true).create(true).truncate(false).open(&path)?;
    match file.file().try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Failure::new(
            format!("another upload is using `{}`", dir.display()),
            "wait until it has ended, or name another folder with --state-dir",
        )
        .into()),
        Err(std::fs::TryLockError::Error(error)) => {
            Err(anyhow::Error::new(error).context(format!("locking {}", path.display())))
        }
    }
}
