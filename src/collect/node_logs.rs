//! Log files that the log endpoint does not serve, read through the kubelets (`--node-logs`): those that were rotated, and those of
//! instances that the pod's status does not know any more.
//!
//! The kubelet's system log handler serves `/var/log/pods` where it is on; whether it is shows in its answer. A rotated file is a unit of its
//! own, and its lines are the same rows as if they had been read in time.

use std::io::Write as _;

use flate2::write::MultiGzDecoder;
use jiff::{SignedDuration, Timestamp};

use super::{Collector, coverage, outcome, settings::LOG_TABLE, targets::Target};
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

/// Compressed bytes that are decompressed at a time.
const PIECE: usize = 4096;
/// The longest list of files that is read.
const LONGEST_LIST: usize = 1024 * 1024;

impl Collector {
    /// Reads the files of a container that its log, read as `outcome` says, does not cover.
    ///
    /// # Errors
    /// The bundle cannot be written.
    pub(super) async fn read_node_logs(&self, target: &Target, outcome: &Outcome) -> anyhow::Result<()> {
        let Some(folder) = target.node_log_folder() else { return Ok(()) };
        let files = match self.node_log_files(&folder).await {
            Ok(files) => files,
            Err(problem) => {
                let unit = self.node_log_unit(target, "_files");
                return unit.finish(of_list(&problem)?).await;
            }
        };
        // What the log endpoint gave begins here; a file that is rotated meanwhile has those lines, too.
        let until = outcome.coverage.first.and_then(|first| first.checked_sub(SignedDuration::from_nanos(1)).ok());
        let mut oldest = outcome.coverage.clone();
        let mut rotated = 0;
        for name in files {
            let Some(file) = LogFileName::parse(&name) else { continue };
            let is_served = !file.is_rotated && file.instance == target.restart_count && outcome.state != State::Failed;
            if !is_served && target.has_file(file.instance) {
                let until = until.filter(|_| file.instance == target.restart_count);
                let first = self
                    .read_node_log(target, NodeLogFile { file: name, ..folder.clone() }, file.instance, until)
                    .await?;
                if file.instance == target.restart_count {
                    oldest.first = [oldest.first, first].into_iter().flatten().min();
                    rotated += 1;
                }
            }
        }
        match coverage::gone_from_node(&oldest, self.writer.run().window).filter(|_| rotated > 0) {
            Some(reason) => self.node_log_unit(target, OLDER).finish(Outcome::new(State::Truncated, reason)).await,
            None => Ok(()),
        }
    }

    async fn node_log_files(&self, folder: &NodeLogFile) -> Result<Vec<String>, Problem> {
        let mut stream = self.cluster.node_log(folder).await?;
        let mut list = Vec::new();
        while let Some(bytes) = stream.next().await? {
            list.extend_from_slice(&bytes);
            if list.len() > LONGEST_LIST {
                return Err(Problem::new(ProblemKind::Refused, "the node's list of log files has no end"));
            }
        }
        Ok(names(&String::from_utf8_lossy(&list)))
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
        file: NodeLogFile,
        instance: i64,
        until: Option<Timestamp>,
    ) -> anyhow::Result<Option<Timestamp>> {
        let [pod, container, _] = target.path();
        let path = [pod.as_str(), &container, &file.file];
        if self.writer.is_done(Source::Logs.name(), &path) {
            return Ok(self.writer.coverage(Source::Logs.name(), &path).and_then(|coverage| coverage.first));
        }
        let mut unit = self.node_log_unit(target, &file.file);
        let run = self.writer.run().window;
        let window = Window { since: run.since, until: [run.until, until].into_iter().flatten().min() };
        let mut metadata = target.log_metadata(self.settings.log_metadata);
        if instance != target.restart_count {
            metadata.restart_count = instance;
            metadata.container_id = String::new();
        }
        let mut renderer = LineRenderer::new(&metadata, self.writer.envelope(), window, None);
        let ended = match self.cluster.node_log(&file).await {
            Ok(stream) => self.render(stream, file.file.ends_with(".gz"), &mut renderer, &mut unit).await?,
            Err(problem) => Err(problem),
        };
        let seen = renderer.seen();
        let outcome = match ended {
            Ok(Some(bytes)) => {
                let coverage =
                    Coverage { first: seen.first, last: seen.last, bytes: Some(bytes), ..Coverage::default() };
                Outcome::complete().with_coverage(coverage)
            }
            Ok(None) => Outcome::new(State::Interrupted, "stopped while it was read"),
            Err(problem) if seen.rows > 0 => Outcome { state: State::Truncated, ..outcome::of_problem(&problem)? },
            Err(problem) => outcome::of_problem(&problem)?,
        };
        self.progress.unit(Source::Logs, unit.all_rows(), outcome.state);
        unit.finish(outcome).await?;
        Ok(seen.first)
    }

    /// Renders a file to its end. Returns the bytes that were received; none when the collection was stopped.
    async fn render(
        &self,
        mut stream: LogStream,
        is_compressed: bool,
        renderer: &mut LineRenderer,
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
                    assembler.push(cri.push(plain.get_ref()), renderer)?;
                    plain.get_mut().clear();
                    renderer.take(&mut |rows, count| unit.append(LOG_TABLE, rows, count))?;
                }
            } else {
                assembler.push(cri.push(&bytes), renderer)?;
            }
            renderer.take(&mut |rows, count| unit.append(LOG_TABLE, rows, count))?;
        }
        if is_compressed && let Err(error) = plain.try_finish() {
            return Ok(Err(Problem::new(ProblemKind::Refused, format!("the file ends in the middle: {error}"))));
        }
        assembler.push(cri.push(plain.get_ref()), renderer)?;
        assembler.push(&cri.finish(), renderer)?;
        assembler.finish(renderer)?;
        renderer.take(&mut |rows, count| unit.append(LOG_TABLE, rows, count))?;
        Ok(Ok(Some(received)))
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

/// A name of the kubelet's: `RESTARTS.log`, and `RESTARTS.log.TIME` or `RESTARTS.log.TIME.gz` once it is rotated.
#[derive(Debug, PartialEq, Eq)]
struct LogFileName {
    instance: i64,
    is_rotated: bool,
}

impl LogFileName {
    fn parse(name: &str) -> Option<Self> {
        let (instance, rest) = name.split_once(".log")?;
        let time = rest.strip_suffix(".gz").unwrap_or(rest);
        let is_time = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let is_rotated = match time.strip_prefix('.') {
            Some(time) if is_time(time) && !time.is_empty() => true,
            None if rest.is_empty() => false,
            _ => return None,
        };
        Some(Self { instance: instance.parse().ok().filter(|number| *number >= 0)?, is_rotated })
    }
}

/// The names in the list that Go's file server makes of a folder: a link for each.
fn names(list: &str) -> Vec<String> {
    let mut names: Vec<String> =
        list.split("href=\"").skip(1).filter_map(|link| link.split('"').next()).map(str::to_owned).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_a_folder_names_the_files() {
        let list =
            "<!doctype html>\n<pre>\n<a href=\"0.log\">0.log</a>\n<a href=\"0.log.20260102-030405.gz\">x</a>\n</pre>\n";
        assert_eq!(names(list), ["0.log", "0.log.20260102-030405.gz"]);
    }

    #[test]
    fn only_the_kubelets_own_names_count() {
        let parsed = |name| LogFileName::parse(name).map(|file| (file.instance, file.is_rotated));
        assert_eq!(parsed("3.log"), Some((3, false)));
        assert_eq!(parsed("0.log.20260102-030405"), Some((0, true)));
        assert_eq!(parsed("0.log.20260102-030405.gz"), Some((0, true)));
        for other in ["0.log.tmp", "../0.log", "0.log/", "x.log", "0.log.", "-1.log", "0.log.20260102.gz.tmp"] {
            assert_eq!(parsed(other), None, "{other}");
        }
    }
}
