//! Log files that the log endpoint does not serve, read through the kubelets (`--node-logs`): those that were rotated, and those of
//! instances that the pod's status does not know any more.
//!
//! The kubelet's system log handler serves `/var/log/pods` where it is on; whether it is shows in its answer. A rotated file is a unit of its
//! own, and its lines are the same rows as if they had been read in time.

use std::{collections::HashSet, io::Write as _, path::PathBuf};

use flate2::write::MultiGzDecoder;
use jiff::{SignedDuration, Timestamp};

use super::{
    Collector, coverage,
    kept_lines::KeptLines,
    node_files::{self, LogFile},
    outcome,
    settings::LOG_TABLE,
    targets::Target,
};
use crate::{
    bundle::{Coverage, Outcome, State, Unit, Window},
    cluster::{
        Problem, ProblemKind,
        log_stream::{LogStream, NodeLogFile},
    },
    evidence::{
        Source,
        log_lines::{Assembler, CriText, LineRenderer},
    },
};

/// Name of what was, or may have been, before the files that are there; no file is called so.
pub(super) const OLDER: &str = "_older";
/// Name of the list of files; no file is called so.
const LIST: &str = "_files";

/// Compressed bytes that are decompressed at a time.
const PIECE: usize = 4096;
/// The longest list of files that is read.
const LONGEST_LIST: usize = 1024 * 1024;
/// How often the list is read at most, while files come to it that were not in it before.
const LISTS: u32 = 3;

/// A container's log, as far as the log endpoint gave it.
pub(super) struct Served {
    /// How reading it ended.
    pub(super) outcome: Outcome,
    /// Time of the first line that it gave this time.
    pub(super) from: Option<Timestamp>,
    /// Rows that it gave before.
    pub(super) before: Vec<PathBuf>,
}

impl Served {
    /// Whether it gave the log, at least in part.
    fn is_read(&self) -> bool {
        !matches!(self.outcome.state, State::Failed | State::Denied)
    }
}

impl Collector {
    /// Reads the files of a container that its log does not cover.
    ///
    /// # Errors
    /// The bundle cannot be written.
    pub(super) async fn read_node_logs(&self, target: &Target, served: &Served) -> anyhow::Result<()> {
        let Some(folder) = target.node_log_folder().filter(|_| !self.stop.is_cancelled()) else { return Ok(()) };
        let mut oldest = served.outcome.coverage.clone();
        let (mut seen, mut rotated) = (HashSet::new(), 0);
        for _ in 0..LISTS {
            let files = match self.node_log_files(&folder).await {
                Ok(files) => files,
                Err(problem) => return self.node_log_unit(target, LIST).finish(of_list(&problem)?).await,
            };
            self.note_listed(target).await?;
            let is_new = |file: &LogFile| self.is_to_be_read(target, served, file) && seen.insert(file.key.clone());
            let new: Vec<_> = files.into_iter().filter(is_new).collect();
            // What is being written to may be rotated before it is read; its beginning is then in a file that was not in the list.
            let may_be_rotated =
                new.iter().any(|file| !file.is_rotated() && target.state.as_deref() == Some("running"));
            for file in new {
                let is_own = file.instance == target.restart_count;
                let first = self.read_node_log(target, &folder, file, served).await?;
                if is_own {
                    oldest.first = [oldest.first, first].into_iter().flatten().min();
                    rotated += 1;
                }
            }
            if !may_be_rotated {
                break;
            }
        }
        match coverage::gone_from_node(&oldest, self.writer.run().window).filter(|_| rotated > 0) {
            Some(reason) => self.node_log_unit(target, OLDER).finish(Outcome::new(State::Truncated, reason)).await,
            None => Ok(()),
        }
    }

    /// Whether files of the node are still missing that another try may give.
    pub(super) fn has_node_logs_left(&self, target: &Target) -> bool {
        let [pod, container, _] = target.path();
        let folder = format!("{}/", Unit::name(Source::Logs.name(), &[&pod, &container]));
        let is_ours =
            |name: &str| name == LIST || LogFile::parse(name).is_some_and(|file| target.has_file(file.instance));
        self.settings.node_logs && self.writer.any_below(&folder, |name, state| state.is_gap() && is_ours(name))
    }

    /// Whether a file is this target's to read: not what the log endpoint gave, nor what another target stood for.
    fn is_to_be_read(&self, target: &Target, served: &Served, file: &LogFile) -> bool {
        if file.instance == target.restart_count {
            return file.is_rotated() || !served.is_read();
        }
        let [pod, container, _] = target.path();
        let instance = file.instance.to_string();
        let had_target = self.writer.state(Source::Logs.name(), &[&pod, &container, &instance]).is_some();
        target.has_file(file.instance) && !had_target
    }

    /// That the files could not be listed before is nothing to tell any more.
    async fn note_listed(&self, target: &Target) -> anyhow::Result<()> {
        let [pod, container, _] = target.path();
        match self.writer.state(Source::Logs.name(), &[&pod, &container, LIST]) {
            Some(state) if state.is_notable() => self.node_log_unit(target, LIST).finish(Outcome::complete()).await,
            _ => Ok(()),
        }
    }

    async fn node_log_files(&self, folder: &NodeLogFile) -> Result<Vec<LogFile>, Problem> {
        let mut stream = self.cluster.node_log(folder).await?;
        let mut list = Vec::new();
        while let Some(bytes) = stream.next().await? {
            list.extend_from_slice(&bytes);
            if list.len() > LONGEST_LIST {
                return Err(Problem::new(ProblemKind::Refused, "the node's list of log files has no end"));
            }
        }
        Ok(node_files::files(&String::from_utf8_lossy(&list)))
    }

    /// Opens a file. One that is not there any more may have been compressed since it was listed: then it has another name.
    async fn open_node_log(&self, folder: &NodeLogFile, file: &mut LogFile) -> Result<LogStream, Problem> {
        let at = |file: &LogFile| NodeLogFile { file: file.name.clone(), ..folder.clone() };
        match self.cluster.node_log(&at(file)).await {
            Err(problem) if problem.kind == ProblemKind::NotFound => {
                let now = self.node_log_files(folder).await?.into_iter().find(|now| now.key == file.key);
                let gone =
                    || Problem { message: format!("it was removed after it was listed: {problem}"), ..problem.clone() };
                *file = now.ok_or_else(gone)?;
                self.cluster.node_log(&at(file)).await
            }
            other => other,
        }
    }

    pub(super) fn node_log_unit(&self, target: &Target, file: &str) -> Unit {
        let [pod, container, _] = target.path();
        let object =
            format!("{} file {file} of node {}", target.object(), target.pod.node.as_deref().unwrap_or_default());
        self.writer.unit(Source::Logs.name(), object, &[&pod, &container, file])
    }

    /// Reads a file. Returns the time of its first line.
    async fn read_node_log(
        &self,
        target: &Target,
        folder: &NodeLogFile,
        mut file: LogFile,
        served: &Served,
    ) -> anyhow::Result<Option<Timestamp>> {
        let [pod, container, _] = target.path();
        let path = [pod.as_str(), &container, &file.key];
        let may_grow = !file.is_rotated() && target.state.as_deref() == Some("running");
        if self.writer.is_done(Source::Logs.name(), &path) && !may_grow {
            return Ok(self.writer.coverage(Source::Logs.name(), &path).and_then(|coverage| coverage.first));
        }
        let mut unit = self.node_log_unit(target, &file.key);
        let mut metadata = target.log_metadata(self.settings.log_metadata);
        if file.instance != target.restart_count {
            metadata.restart_count = file.instance;
            metadata.container_id = String::new();
        }
        let window = self.before(served, target, &file);
        let renderer = LineRenderer::new(&metadata, self.writer.envelope(), window, None);
        let mut lines = Lines { renderer, kept: self.kept_lines(target, served, &file, &unit) };
        let ended = match self.open_node_log(folder, &mut file).await {
            Ok(stream) => self.render(stream, file.is_compressed(), &mut lines, &mut unit).await?,
            Err(problem) => Err(problem),
        };
        let seen = lines.renderer.seen();
        let outcome = match ended {
            Ok(Some(bytes)) => {
                let coverage =
                    Coverage { first: seen.first, last: seen.last, bytes: Some(bytes), ..Coverage::default() };
                Outcome::complete().with_coverage(coverage)
            }
            Ok(None) => Outcome::new(State::Interrupted, "stopped while it was read"),
            Err(problem) if unit.all_rows() > 0 => {
                Outcome { state: State::Truncated, ..outcome::of_problem(&problem)? }
            }
            Err(problem) => outcome::of_problem(&problem)?,
        };
        self.progress.unit(Source::Logs, unit.all_rows(), outcome.state);
        unit.finish(outcome).await?;
        Ok(seen.first)
    }

    /// The window of a file's lines: what the log endpoint gave ends it, for a file that is rotated meanwhile has those lines, too.
    fn before(&self, served: &Served, target: &Target, file: &LogFile) -> Window {
        let run = self.writer.run().window;
        let from = served.from.filter(|_| file.instance == target.restart_count);
        let until = from.and_then(|from| from.checked_sub(SignedDuration::from_nanos(1)).ok());
        Window { since: run.since, until: [run.until, until].into_iter().flatten().min() }
    }

    /// The beginnings of a file that may be there already: of itself, of what it was before it was rotated, and of what the log endpoint
    /// gave of it.
    fn kept_lines(&self, target: &Target, served: &Served, file: &LogFile, unit: &Unit) -> KeptLines {
        let mut candidates = vec![unit.kept_files(LOG_TABLE)];
        if file.is_rotated() {
            candidates.push(self.node_log_unit(target, &LogFile::current(file.instance)).kept_files(LOG_TABLE));
        }
        if file.instance == target.restart_count {
            candidates.push(served.before.clone());
        }
        KeptLines::new(candidates)
    }

    /// Renders a file to its end. Returns the bytes that were received; none when the collection was stopped.
    async fn render(
        &self,
        mut stream: LogStream,
        is_compressed: bool,
        lines: &mut Lines,
        unit: &mut Unit,
    ) -> anyhow::Result<Result<Option<u64>, Problem>> {
        let (mut cri, mut assembler, mut received) = (CriText::default(), Assembler::default(), 0);
        let mut plain = MultiGzDecoder::new(Vec::new());
        loop {
            let next = tokio::select! {
                next = stream.next() => next,
                () = self.stop.cancelled() => return Ok(Ok(None)),
            };
            let bytes = match next {
                Ok(Some(bytes)) => bytes,
                Ok(None) => break,
                Err(problem) => return Ok(Err(problem)),
            };
            received += bytes.len() as u64;
            self.progress.bytes(bytes.len() as u64);
            if is_compressed {
                // In small pieces: a piece may become a thousand times as long.
                for piece in bytes.chunks(PIECE) {
                    if let Err(error) = plain.write_all(piece) {
                        return Ok(Err(Problem::new(
                            ProblemKind::Refused,
                            format!("the file cannot be decompressed: {error}"),
                        )));
                    }
                    assembler.push(cri.push(plain.get_ref()), &mut lines.renderer)?;
                    plain.get_mut().clear();
                    lines.take(unit)?;
                }
            } else {
                assembler.push(cri.push(&bytes), &mut lines.renderer)?;
            }
            lines.take(unit)?;
        }
        if is_compressed && let Err(error) = plain.try_finish() {
            return Ok(Err(Problem::new(ProblemKind::Refused, format!("the file ends in the middle: {error}"))));
        }
        assembler.push(cri.push(plain.get_ref()), &mut lines.renderer)?;
        assembler.push(&cri.finish(), &mut lines.renderer)?;
        assembler.finish(&mut lines.renderer)?;
        lines.take(unit)?;
        Ok(Ok(Some(received)))
    }
}

/// The lines of a file, of which some may be there already.
struct Lines {
    renderer: LineRenderer,
    kept: KeptLines,
}

impl Lines {
    /// Writes what is new.
    fn take(&mut self, unit: &mut Unit) -> anyhow::Result<()> {
        let kept = &mut self.kept;
        self.renderer.take(&mut |rows, count| match kept.leave_out(rows, count)? {
            (_, 0) => Ok(()),
            (rows, count) => unit.append(LOG_TABLE, rows, count),
        })
    }
}

/// What a problem with the list of files makes of it: a kubelet that serves no files is a note.
fn of_list(problem: &Problem) -> anyhow::Result<Outcome> {
    let outcome = outcome::of_problem(problem)?;
    let is_off = problem.kind == ProblemKind::NotFound || matches!(problem.status, Some(405 | 501));
    let state = if is_off { State::Unsupported } else { outcome.state };
    let reason = format!("the node's log files cannot be read: {problem}");
    Ok(Outcome { state, reason: Some(reason), ..outcome })
}
