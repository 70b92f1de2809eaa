//! One container instance's log: from the server's bytes to rows in a part, in memory that does not grow with the log.

use jiff::Timestamp;

use super::{
    Collector,
    coverage::{self, Beginning},
    node_files::LogFile,
    node_logs::{OLDER, Served},
    outcome,
    settings::LOG_TABLE,
    targets::Target,
};
use crate::{
    bundle::{Coverage, Outcome, State, Unit},
    cluster::{Problem, ProblemKind, log_stream::LogStream},
    evidence::{
        Source,
        log_lines::{Assembler, LineRenderer, Overlap, Seen, is_error_body},
    },
};

/// As much of the beginning is held back, to tell a log from the one line that the server sends instead of a log.
const HEAD: usize = 4 * 1024;
/// How often a stream that breaks is gone on with at once; after that it is tried again at the end of the collection.
const RECONNECTS: u32 = 3;

/// What came of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// It ended for good.
    Ended,
    /// It may give more when it is tried again later.
    TryAgain,
    /// The node did not answer at all.
    NodeSilent,
}

/// How reading a stream ended.
enum Ending {
    Whole,
    Stopped,
    /// As many bytes were read as were asked for.
    Limit,
    /// The server sent its excuse with status 200.
    Excuse(String),
    Broken(Problem),
}

impl Collector {
    /// Reads a log, or goes on where an earlier attempt was cut off.
    pub(super) async fn read_log(&self, target: &Target) -> anyhow::Result<Done> {
        let unit = self.log_unit(target);
        if let Some(state) = self.writer.state(Source::Logs.name(), &target.path().each_ref().map(String::as_str))
            && matches!(state, State::Complete | State::Empty)
            && self.has_node_logs_left(target)
        {
            return self.read_missing_node_logs(target, &unit, state).await;
        }
        let mut overlap = Overlap::default();
        let mut first = None;
        let mut goes_on = unit.kept(LOG_TABLE, &mut |row| {
            overlap.add(row);
            first = first.or_else(|| time_of(row));
        })?;
        if self.settings.node_logs {
            // What could not be had from the log endpoint before was read from the node.
            let file = self.node_log_unit(target, &LogFile::current(target.restart_count));
            goes_on |= file.kept(LOG_TABLE, &mut |row| overlap.add(row))?;
        }
        if self.stop.is_cancelled() {
            let outcome = Outcome::new(State::Interrupted, "stopped before it was read");
            return self.finish_log(unit, outcome, Done::Ended).await;
        }
        if let Some(reason) = target.without_log() {
            return self.finish_log(unit, Outcome::new(State::Unsupported, reason), Done::Ended).await;
        }
        let mut reading = Reading { collector: self, target, unit, seen: Seen::default(), bytes: 0, first };
        let ending = match reading.read_on(goes_on.then_some(overlap)).await? {
            Ok(ending) => ending,
            Err(problem) => return self.finish_unopened(target, reading.unit, &problem).await,
        };
        let mut outcome = reading.outcome(&ending)?;
        if matches!(ending, Ending::Whole)
            && let Some(now) = self.replaced_by(target).await
        {
            let reason = format!("the pod was replaced while its log was read: rows may be those of the pod {now}");
            outcome = Outcome { state: State::Truncated, reason: Some(reason), ..outcome };
        }
        if self.settings.node_logs {
            let before = reading.unit.kept_files(LOG_TABLE);
            let served = Served { outcome: outcome.clone(), from: reading.seen.first, before };
            self.read_node_logs(target, &served).await?;
        } else if outcome.state == State::Complete {
            outcome = self.judge_beginning(target, outcome).await?;
        }
        // A break can be mended later; what else is missing of a log is not there any more.
        let is_broken = matches!(ending, Ending::Broken(_) | Ending::Excuse(_));
        let is_worth_another_try = is_broken || self.has_node_logs_left(target);
        self.finish_log(reading.unit, outcome, if is_worth_another_try { Done::TryAgain } else { Done::Ended }).await
    }

    /// Reads files of the node that an earlier try did not, where the log itself was read.
    async fn read_missing_node_logs(&self, target: &Target, unit: &Unit, state: State) -> anyhow::Result<Done> {
        let path = target.path();
        let coverage = self.writer.coverage(Source::Logs.name(), &path.each_ref().map(String::as_str));
        let outcome = Outcome { state, reason: None, coverage: coverage.unwrap_or_default() };
        let served = Served { from: outcome.coverage.first, outcome, before: unit.kept_files(LOG_TABLE) };
        self.read_node_logs(target, &served).await?;
        Ok(Done::Ended)
    }

    /// The unit of an instance's log. What was cut off of its history has the same name.
    pub(super) fn log_unit(&self, target: &Target) -> Unit {
        let folder = format!("tables/{}/", LOG_TABLE.name);
        self.writer.unit_in(
            Source::Logs.name(),
            target.object(),
            &target.path().each_ref().map(String::as_str),
            &[&folder],
        )
    }

    /// Says where a log may lack its beginning, or does.
    async fn judge_beginning(&self, target: &Target, outcome: Outcome) -> anyhow::Result<Outcome> {
        match coverage::beginning(&outcome.coverage, self.writer.run().window) {
            Beginning::Whole => Ok(outcome),
            Beginning::Rotated(reason) => Ok(Outcome { state: State::Truncated, reason: Some(reason), ..outcome }),
            Beginning::Late(reason) => {
                let unit = self.node_log_unit(target, OLDER);
                unit.finish(Outcome::new(State::SkippedByFilter, reason)).await?;
                Ok(outcome)
            }
        }
    }

    async fn finish_unopened(&self, target: &Target, unit: Unit, problem: &Problem) -> anyhow::Result<Done> {
        if is_not_started(problem) {
            let reason = format!("there is no log yet: {}", problem.message);
            return self.finish_log(unit, Outcome::new(State::Unsupported, reason), Done::Ended).await;
        }
        let outcome = outcome::of_problem(problem)?;
        // A node that does not answer does not give its files either.
        if self.settings.node_logs && (problem.status.is_some() || problem.kind != ProblemKind::Unreachable) {
            let served = Served { outcome: outcome.clone(), from: None, before: unit.kept_files(LOG_TABLE) };
            self.read_node_logs(target, &served).await?;
        }
        let done = match (problem.kind, outcome.state) {
            (ProblemKind::Unreachable, _) => Done::NodeSilent,
            (_, State::Failed) => Done::TryAgain,
            _ => Done::Ended,
        };
        self.finish_log(unit, outcome, done).await
    }

    async fn finish_log(&self, unit: Unit, outcome: Outcome, done: Done) -> anyhow::Result<Done> {
        self.progress.unit(Source::Logs, unit.all_rows(), outcome.state);
        unit.finish(outcome).await?;
        Ok(done)
    }

    /// The UID of the pod that has taken the name of a target's pod since it was listed. Pods whose controllers give each a name of its
    /// own cannot be replaced so.
    async fn replaced_by(&self, target: &Target) -> Option<String> {
        let pod = &target.pod;
        if !pod.has_reusable_name() {
            return None;
        }
        let path = format!("/api/v1/namespaces/{}/pods/{}", pod.namespace, pod.name);
        let now = self.cluster.object(&path).await.ok()?;
        let uid = now.pointer("/metadata/uid").and_then(serde_json::Value::as_str)?;
        (uid != pod.uid).then(|| uid.to_owned())
    }
}

struct Reading<'a> {
    collector: &'a Collector,
    target: &'a Target,
    unit: Unit,
    seen: Seen,
    bytes: u64,
    /// Time of the first line that earlier tries kept.
    first: Option<Timestamp>,
}

impl Reading<'_> {
    /// Reads to the end; a stream that breaks is gone on with from the last timestamp. A problem when it cannot even be opened.
    async fn read_on(&mut self, mut overlap: Option<Overlap>) -> anyhow::Result<Result<Ending, Problem>> {
        let stop = &self.collector.stop;
        for reconnects in 0.. {
            let window = self.collector.writer.run().window;
            let since = overlap.as_ref().and_then(Overlap::last).or(window.since);
            let request = self.target.log_request(since, self.left());
            let opened = tokio::select! {
                opened = self.collector.cluster.log(&request) => opened,
                () = stop.cancelled() => return Ok(Ok(Ending::Stopped)),
            };
            let stream = match opened {
                Ok(stream) => stream,
                Err(problem) if self.bytes > 0 => return Ok(Ok(Ending::Broken(problem))),
                Err(problem) => return Ok(Err(problem)),
            };
            let metadata = self.target.log_metadata(self.collector.settings.log_metadata);
            let known = overlap.take().map(Overlap::into_known);
            let mut renderer = LineRenderer::new(&metadata, self.collector.writer.envelope(), window, known);
            let before = self.bytes;
            let ending = self.read(stream, &mut renderer).await?;
            self.seen = self.seen.and(renderer.seen());
            if !matches!(ending, Ending::Broken(_)) || reconnects == RECONNECTS || self.bytes == before {
                return Ok(Ok(ending));
            }
            let mut kept = Overlap::default();
            self.unit.written(LOG_TABLE, &mut |row| kept.add(row))?;
            overlap = Some(kept);
        }
        Ok(Ok(Ending::Stopped))
    }

    /// Bytes that may still be read.
    fn left(&self) -> Option<u64> {
        self.collector.settings.max_bytes_per_container.map(|limit| limit.saturating_sub(self.bytes))
    }

    async fn read(&mut self, mut stream: LogStream, renderer: &mut LineRenderer) -> anyhow::Result<Ending> {
        let mut head = Some(Vec::new());
        let mut assembler = Assembler::default();
        let mut stopped = std::pin::pin!(self.collector.stop.cancelled());
        let ending = loop {
            let next = tokio::select! {
                next = stream.next() => next,
                () = &mut stopped => break Ending::Stopped,
            };
            match next {
                Ok(Some(bytes)) => {
                    self.bytes += bytes.len() as u64;
                    self.collector.progress.bytes(bytes.len() as u64);
                    match head.take() {
                        Some(mut held) if held.len() + bytes.len() <= HEAD => {
                            held.extend_from_slice(&bytes);
                            head = Some(held);
                        }
                        held => {
                            assembler.push(&held.unwrap_or_default(), renderer)?;
                            assembler.push(&bytes, renderer)?;
                            if renderer.is_full() {
                                self.write(renderer)?;
                            }
                        }
                    }
                    if self.left() == Some(0) {
                        break Ending::Limit;
                    }
                }
                Ok(None) => break Ending::Whole,
                Err(problem) => break Ending::Broken(problem),
            }
        };
        let head = head.unwrap_or_default();
        if matches!(ending, Ending::Whole) && is_excuse(&head) {
            return Ok(Ending::Excuse(String::from_utf8_lossy(&head).trim().to_owned()));
        }
        assembler.push(&head, renderer)?;
        if matches!(ending, Ending::Whole) {
            // A line that the break tore comes again, whole, when the log is read on.
            assembler.finish(renderer)?;
        }
        self.write(renderer)?;
        Ok(ending)
    }

    fn write(&mut self, renderer: &mut LineRenderer) -> anyhow::Result<()> {
        let unit = &mut self.unit;
        renderer.take(&mut |rows, count| unit.append(LOG_TABLE, rows, count))
    }

    fn outcome(&self, ending: &Ending) -> anyhow::Result<Outcome> {
        let outcome = match ending {
            Ending::Whole => Outcome::complete(),
            Ending::Stopped => Outcome::new(State::Interrupted, "stopped while it was read"),
            Ending::Limit => {
                let reason =
                    format!("the log is longer than --max-bytes-per-container; {} bytes were read", self.bytes);
                Outcome::new(State::Truncated, reason)
            }
            Ending::Excuse(words) => Outcome::new(State::Failed, words.clone()),
            Ending::Broken(problem) => {
                let outcome = outcome::of_problem(problem)?;
                let state = if self.unit.all_rows() > 0 { State::Truncated } else { outcome.state };
                Outcome { state, ..outcome }
            }
        };
        Ok(outcome.with_coverage(Coverage {
            first: [self.first, self.seen.first].into_iter().flatten().min(),
            last: self.seen.last,
            started: self.target.started_at,
            bytes: Some(self.bytes),
            resource_version: None,
        }))
    }
}

/// The time of a row as it was written.
fn time_of(row: &[u8]) -> Option<Timestamp> {
    #[derive(serde::Deserialize)]
    struct Row {
        #[serde(rename = "EventTime")]
        time: Option<Timestamp>,
    }
    serde_json::from_slice::<Row>(row).ok()?.time
}

/// Whether the server says that the container has not begun. It answers so with 400 and these words
/// (`pkg/registry/core/pod`, kubelet): nothing is missing then, there was nothing yet.
fn is_not_started(problem: &Problem) -> bool {
    problem.status == Some(400) && problem.message.contains("is waiting to start")
}

/// Whether a whole body is the one line that stands for a log that could not be got.
fn is_excuse(body: &[u8]) -> bool {
    let line = body.strip_suffix(b"\n").unwrap_or(body);
    !line.contains(&b'\n') && is_error_body(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_container_that_has_not_begun_has_no_log_yet() {
        let refused = |status, message: &str| Problem { status, ..Problem::new(ProblemKind::Refused, message) };
        let waiting = "container \"tools\" in pod \"tools\" is waiting to start: ContainerCreating";
        assert!(is_not_started(&refused(Some(400), waiting)));
        assert!(!is_not_started(&refused(Some(400), "container x is not valid for pod y")));
        assert!(!is_not_started(&refused(None, waiting)));
    }
}
