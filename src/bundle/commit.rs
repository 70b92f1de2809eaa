//! Group commit: about once a second the finished parts are made durable, then their folders, then the journal's lines.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use super::journal::{JournalLine, append};

/// How long a finished unit may wait for others.
const GROUP: Duration = Duration::from_secs(1);
/// How many finished units are committed together at most; also bounds the queue.
const LARGEST: usize = 512;

/// Takes finished units and journals them in groups.
pub(super) struct Committer {
    queue: mpsc::Sender<JournalLine>,
    task: JoinHandle<anyhow::Result<()>>,
    failure: Arc<Mutex<Option<String>>>,
}

impl Committer {
    /// Starts committing into an open journal of the bundle in `dir`. `actions` is made durable with each group.
    pub(super) fn start(dir: PathBuf, journal: fs_err::File) -> Self {
        let (queue, receiver) = mpsc::channel(LARGEST);
        let failure = Arc::new(Mutex::new(None));
        let shared = Arc::clone(&failure);
        let task = tokio::spawn(async move {
            let result = run(dir, journal, receiver).await;
            if let (Err(error), Ok(mut failure)) = (&result, shared.lock()) {
                *failure = Some(format!("{error:#}"));
            }
            result
        });
        Self { queue, task, failure }
    }

    /// Queues a finished unit. Errors when committing has failed (a full disk): then the run must stop.
    pub(super) async fn push(&self, line: JournalLine) -> anyhow::Result<()> {
        if self.queue.send(line).await.is_ok() {
            return Ok(());
        }
        let cause = self.failure.lock().ok().and_then(|failure| failure.clone());
        Err(anyhow!(cause.unwrap_or_else(|| "the journal is closed".to_owned())))
    }

    /// Commits what is queued and ends.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        drop(self.queue);
        self.task.await.context("the journal's task ended")?
    }
}

async fn run(dir: PathBuf, mut journal: fs_err::File, mut queue: mpsc::Receiver<JournalLine>) -> anyhow::Result<()> {
    while let Some(first) = queue.recv().await {
        let mut group = vec![first];
        let deadline = Instant::now() + GROUP;
        while group.len() < LARGEST {
            match timeout_at(deadline, queue.recv()).await {
                Ok(Some(line)) => group.push(line),
                Ok(None) | Err(_) => break,
            }
        }
        let folder = dir.clone();
        journal = tokio::task::spawn_blocking(move || -> anyhow::Result<fs_err::File> {
            commit(&folder, &group)?;
            append(&mut journal, &group)?;
            Ok(journal)
        })
        .await
        .context("the journal's commit ended")??;
    }
    Ok(())
}

/// Makes the parts of the units durable, then the folders that name them.
fn commit(dir: &Path, group: &[JournalLine]) -> anyhow::Result<()> {
    let mut folders = BTreeSet::new();
    for part in group.iter().flat_map(|line| &line.parts) {
        let path = dir.join(&part.path);
        fs_err::OpenOptions::new().write(true).open(&path)?.sync_data()?;
        let mut folder = path.parent();
        while let Some(parent) = folder.filter(|parent| parent.starts_with(dir)) {
            if !folders.insert(parent.to_owned()) {
                break;
            }
            folder = parent.parent();
        }
    }
    folders.iter().try_for_each(|folder| sync_folder(folder))
}

/// Makes the names in a folder durable. Windows has no such call; there the file system's own journal has to do.
pub(super) fn sync_folder(folder: &Path) -> anyhow::Result<()> {
    if cfg!(unix) {
        fs_err::File::open(folder)?.sync_all()?;
    }
    Ok(())
}
