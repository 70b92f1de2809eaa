//! One container instance's log: from the server's bytes to rows in a part, in memory that does not grow with the log.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};

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
    bundle::{Coverage, Outcome, State, Unit, Window},
    cluster::{
        Problem, ProblemKind,
        log_stream::{LogRequest, LogStream},
    },
    evidence::{
        Source,
        log_lines::{Assembler, LineRenderer, Overlap, Seen, is_error_body, time_of},
    },
};

/// As much of the beginning is held back, to tell a log from the one line that the server sends instead of a log.
const HEAD: usize = 4 * 1024;
/// How often a stream that breaks is gone on with at once; after that it is tried again at the end of the collection.
const RECONNECTS: u32 = 3;

/// The kind of raw objects that rows become which turned out to be of another instance.
const WITHDRAWN: &str = "withdrawn_logs";

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
        if let Some(state) = self.state_of(Source::Logs, target)
            && matches!(state, State::Complete | State::Empty)
            && self.has_node_logs_left(target)
        {
            return self.read_missing_node_logs(target, &unit, state).await;
        }
        let mut overlap = Overlap::default();
        let mut goes_on = unit.kept(LOG_TABLE, &mut |row| overlap.add(row))?;
        let kept = (overlap.first(), overlap.last());
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
        let earlier =
            self.log_coverage(target).filter(|_| goes_on).and_then(|coverage| coverage.bytes).unwrap_or_default();
        let mut reading = Reading {
            collector: self,
            target,
            unit,
            kept,
            seen: Seen::default(),
            earlier,
            bytes: 0,
            hole: None,
            is_anew: false,
        };
        let ending = match reading.read_on(goes_on.then_some(overlap)).await? {
            Ok(ending) => ending,
            Err(problem) => return self.finish_unopened(target, reading.unit, &problem).await,
        };
        let mut outcome = reading.outcome(&ending)?;
        self.note_hole(target, reading.hole.take(), reading.is_anew).await?;
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
        let outcome = Outcome { state, reason: None, coverage: self.log_coverage(target).unwrap_or_default() };
        let served = Served { from: outcome.coverage.first, outcome, before: unit.kept_files(LOG_TABLE) };
        self.read_node_logs(target, &served).await?;
        Ok(Done::Ended)
    }

    /// How much of an instance's log was seen, when it was read before.
    pub(super) fn log_coverage(&self, target: &Target) -> Option<Coverage> {
        self.writer.coverage(Source::Logs.name(), &target.path().each_ref().map(String::as_str))
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
        match coverage::beginning(&outcome.coverage, self.writer.run().window, Timestamp::now()) {
            Beginning::Whole => Ok(outcome),
            Beginning::Rotated(reason) => Ok(Outcome { state: State::Truncated, reason: Some(reason), ..outcome }),
            Beginning::Late(reason) => {
                let unit = self.node_log_unit(target, OLDER);
                unit.finish(Outcome::new(State::SkippedByFilter, reason)).await?;
                Ok(outcome)
            }
        }
    }

    /// A hole is a unit of its own: it stays, however often the log is read on, until the log is read anew.
    async fn note_hole(&self, target: &Target, reason: Option<String>, is_anew: bool) -> anyhow::Result<()> {
        let [pod, container, instance] = target.path();
        let path = [pod.as_str(), &container, &hole_of(&instance)];
        let outcome = match reason {
            Some(reason) => Outcome::new(State::Truncated, reason),
            None if is_anew && self.writer.state(Source::Logs.name(), &path).is_some() => Outcome::complete(),
            None => return Ok(()),
        };
        let unit = self.writer.unit(Source::Logs.name(), format!("{}: lines in between", target.object()), &path);
        unit.finish(outcome).await
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

    /// Says that what was read as an instance's log may be that of the one after it, which began at `next`. Rows that certainly are
    /// leave the table: they stand there under their own number.
    pub(super) async fn doubt_log(
        &self,
        target: &Target,
        reason: String,
        next: Option<Timestamp>,
    ) -> anyhow::Result<()> {
        let mut coverage = self.log_coverage(target).unwrap_or_default();
        let mut unit = self.log_unit(target);
        let mut outcome = Outcome::new(State::Truncated, reason);
        if coverage.first.zip(next).is_some_and(|(first, next)| first >= next) {
            unit.withdraw(LOG_TABLE, WITHDRAWN, &|_| true)?;
            coverage = Coverage { started: coverage.started, ..Coverage::default() };
            outcome = gone(outcome, "what was read is in raw/withdrawn_logs only");
        } else if unit.all_rows() == 0 {
            outcome = gone(outcome, "nothing was kept of it");
        }
        unit.finish(outcome.with_coverage(coverage)).await
    }
}

/// The outcome of a log that has no rows, and what became of them.
fn gone(outcome: Outcome, words: &str) -> Outcome {
    let reason = outcome.reason.map(|reason| format!("{reason}; {words}"));
    Outcome { state: State::Failed, reason, ..outcome }
}

/// The place of what is missing inside of an instance's log.
pub(super) fn hole_of(instance: &str) -> String {
    format!("{instance}_hole")
}

struct Reading<'a> {
    collector: &'a Collector,
    target: &'a Target,
    unit: Unit,
    /// Times of the first and the last line that were kept before what is `seen`.
    kept: (Option<Timestamp>, Option<Timestamp>),
    /// What came in one piece, at the end.
    seen: Seen,
    /// Bytes that were received before.
    earlier: u64,
    bytes: u64,
    /// Why lines inside of the log may be missing, where that is so.
    hole: Option<String>,
    /// Whether all of it was read once more, from its beginning.
    is_anew: bool,
}

impl Reading<'_> {
    /// Reads to the end; a stream that breaks is gone on with from the last timestamp. A problem when it cannot even be opened.
    async fn read_on(&mut self, mut overlap: Option<Overlap>) -> anyhow::Result<Result<Ending, Problem>> {
        for reconnects in 0.. {
            let kept = overlap.take().unwrap_or_default();
            let last = kept.last();
            let since = last.or(self.collector.writer.run().window.since);
            if self.left() == Some(0) {
                return Ok(Ok(Ending::Limit));
            }
            let request = self.target.log_request(since, self.left());
            let stream = match self.open(&request).await {
                Ok(Some(stream)) => stream,
                Ok(None) => return Ok(Ok(Ending::Stopped)),
                Err(problem) if self.bytes > 0 => return Ok(Ok(Ending::Broken(problem))),
                Err(problem) => return Ok(Err(problem)),
            };
            let (window, back) = (self.window(&kept), kept.went_back());
            let known = last.map(|_| kept.into_known());
            let mut renderer = self.renderer(window, known);
            let before = self.bytes;
            let ending = self.read(stream, &mut renderer).await?;
            let is_apart = renderer.has_met_none() && (renderer.seen().rows > 0 || matches!(ending, Ending::Whole));
            match request.served_from().filter(|_| is_apart && self.target.previous) {
                // The file of an instance that has ended changes no more: it begins after what was kept, or that is of another instance.
                Some(from) => self.read_before(from, last).await?,
                None => self.note_hole(last, back, renderer.seen().first.filter(|_| is_apart), is_apart),
            }
            self.seen = self.seen.and(renderer.seen());
            if !matches!(ending, Ending::Broken(_)) || reconnects == RECONNECTS || self.bytes == before {
                return Ok(Ok(ending));
            }
            // What comes now may be of another file, or another instance: it is told apart from what was kept.
            self.unit.restart()?;
            self.kept = self.span();
            self.seen = Seen::default();
            let mut kept = Overlap::default();
            self.unit.written(LOG_TABLE, &mut |row| kept.add(row))?;
            overlap = Some(kept);
        }
        Ok(Ok(Ending::Stopped))
    }

    /// Opens the log; none when it was stopped meanwhile.
    async fn open(&self, request: &LogRequest) -> Result<Option<LogStream>, Problem> {
        tokio::select! {
            opened = self.collector.cluster.log(request) => opened.map(Some),
            () = self.collector.stop.cancelled() => Ok(None),
        }
    }

    fn renderer(&self, window: Window, known: Option<HashSet<String>>) -> LineRenderer {
        let metadata = self.target.log_metadata(self.collector.settings.log_metadata);
        LineRenderer::new(&metadata, self.collector.writer.envelope(), window, known)
    }

    /// Reads what a log has before the moment that it was read from, because nothing of what was kept came again after it. Where there
    /// is something, what was kept is of the instance that came afterwards, and leaves the table.
    async fn read_before(&mut self, from: Timestamp, last: Option<Timestamp>) -> anyhow::Result<()> {
        let window = self.collector.writer.run().window;
        let until = from.checked_sub(SignedDuration::from_nanos(1)).ok();
        let request = self.target.log_request(window.since, None);
        let mut seen = Seen::default();
        let ending = match self.open(&request).await {
            Ok(Some(stream)) => {
                let mut renderer = self.renderer(Window { until, ..window }, None);
                let ending = self.read(stream, &mut renderer).await?;
                seen = renderer.seen();
                ending
            }
            Ok(None) => Ending::Stopped,
            Err(problem) => Ending::Broken(problem),
        };
        let mut kept = Overlap::default();
        if let Some(first) = seen.first {
            self.unit.withdraw(LOG_TABLE, WITHDRAWN, &|row| time_of(row).is_some_and(|time| time >= first))?;
            self.unit.kept(LOG_TABLE, &mut |row| kept.add(row))?;
            (self.seen, self.kept) = (seen, (kept.first(), kept.last()));
        }
        if !matches!(ending, Ending::Whole) {
            self.hole = Some(format!("lines before {from} may be missing: reading them was cut off"));
        } else if seen.first.is_none() || kept.last().is_some() {
            self.note_hole(kept.last().or(last), None, seen.first, true);
        } else {
            (self.is_anew, self.hole) = (true, None);
        }
        Ok(())
    }

    /// Times of the first and the last line there are.
    fn span(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        let first = [self.kept.0, self.seen.first].into_iter().flatten().min();
        (first, self.kept.1.max(self.seen.last))
    }

    /// What is asked for and not kept yet.
    fn window(&self, kept: &Overlap) -> Window {
        let window = self.collector.writer.run().window;
        let after = kept.kept_until().and_then(|until| until.checked_add(SignedDuration::from_nanos(1)).ok());
        Window { since: window.since.max(after), ..window }
    }

    /// Notes where lines may be missing after the last that was kept before: the node's clock had gone `back`, or what came, from `first`
    /// on, stands `apart` from what was kept.
    fn note_hole(
        &mut self,
        last: Option<Timestamp>,
        back: Option<SignedDuration>,
        first: Option<Timestamp>,
        is_apart: bool,
    ) {
        let Some(last) = last else { return };
        if let Some(back) = back {
            self.hole = Some(format!(
                "reading was cut off at {last} after the node's clock had gone back by {} s: lines that followed may be missing",
                back.as_secs()
            ));
        } else if is_apart {
            let until = first.map_or_else(|| "the end".to_owned(), |first| first.to_string());
            self.hole = Some(format!(
                "the log was rotated when reading was cut off: lines between {last} and {until} may be missing; a rotated file on the node \
                 may have them"
            ));
        }
    }

    /// Bytes that may still be read.
    fn left(&self) -> Option<u64> {
        self.collector.settings.max_bytes_per_container.map(|limit| limit.saturating_sub(self.earlier + self.bytes))
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
                let reason = format!(
                    "the log is longer than --max-bytes-per-container; {} bytes were read",
                    self.earlier + self.bytes
                );
                Outcome::new(State::Truncated, reason)
            }
            Ending::Excuse(words) => Outcome::new(State::Failed, words.clone()),
            Ending::Broken(problem) => {
                let outcome = outcome::of_problem(problem)?;
                let state = if self.unit.all_rows() > 0 { State::Truncated } else { outcome.state };
                Outcome { state, ..outcome }
            }
        };
        let (first, last) = self.span();
        Ok(outcome.with_coverage(Coverage {
            first,
            last,
            started: self.target.started_at,
            bytes: Some(self.earlier + self.bytes),
            resource_version: None,
        }))
    }
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
