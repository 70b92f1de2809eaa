//! One container instance's log: from the server's bytes to rows in a part, in memory that does not grow with the log.

use super::{Collector, outcome, settings::LOG_TABLE, targets::Target};
use crate::{
    bundle::{Coverage, Outcome, State, Unit},
    cluster::{Problem, log_stream::LogStream},
    evidence::{
        Source,
        log_lines::{Assembler, LineRenderer, Overlap, is_error_body},
    },
};

/// As much of the beginning is held back, to tell a log from the one line that the server sends instead of a log.
const HEAD: usize = 4 * 1024;

/// How reading ended.
enum Ending {
    Whole,
    Stopped,
    /// The server sent its excuse with status 200.
    Excuse(String),
    Broken(Problem),
}

impl Collector {
    /// Reads a log, or goes on where an earlier attempt was cut off. True when trying again later may give more.
    pub(super) async fn read_log(&self, target: &Target) -> anyhow::Result<bool> {
        let path = target.path();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let mut unit = self.writer.unit(Source::Logs.name(), target.object(), &path);
        if let Some(reason) = target.without_log() {
            return self.finish_log(unit, Outcome::new(State::Unsupported, reason)).await;
        }
        let mut overlap = Overlap::default();
        let goes_on = unit.continue_part(LOG_TABLE, &mut |row| overlap.add(row))?;
        if self.stop.is_cancelled() {
            return self.finish_log(unit, Outcome::new(State::Interrupted, "stopped before it was read")).await;
        }
        let window = self.writer.run().window;
        let since = if goes_on { overlap.last().or(window.since) } else { window.since };
        let known = goes_on.then(|| overlap.into_known());
        let stream = tokio::select! {
            stream = self.cluster.log_of(target, since) => stream,
            () = self.stop.cancelled() => {
                return self.finish_log(unit, Outcome::new(State::Interrupted, "stopped before it was read")).await;
            }
        };
        let stream = match stream {
            Ok(stream) => stream,
            Err(problem) if is_not_started(&problem) => {
                let reason = format!("there is no log yet: {}", problem.message);
                return self.finish_log(unit, Outcome::new(State::Unsupported, reason)).await;
            }
            Err(problem) => return self.finish_log(unit, outcome::of_problem(&problem)?).await,
        };
        let metadata = target.log_metadata(self.settings.log_metadata);
        let renderer = LineRenderer::new(&metadata, self.writer.envelope(), window, known);
        let mut reading = Reading { unit, renderer, bytes: 0 };
        let ending = reading.read(stream, self).await?;
        let outcome = reading.outcome(&ending)?;
        self.finish_log(reading.unit, outcome).await
    }

    async fn finish_log(&self, unit: Unit, outcome: Outcome) -> anyhow::Result<bool> {
        let state = outcome.state;
        self.progress.unit(Source::Logs, unit.all_rows(), state);
        unit.finish(outcome).await?;
        Ok(matches!(state, State::Failed | State::Truncated))
    }
}

struct Reading {
    unit: Unit,
    renderer: LineRenderer,
    bytes: u64,
}

impl Reading {
    async fn read(&mut self, mut stream: LogStream, collector: &Collector) -> anyhow::Result<Ending> {
        let mut head = Some(Vec::new());
        let mut assembler = Assembler::default();
        let ending = loop {
            let next = tokio::select! {
                next = stream.next() => next,
                () = collector.stop.cancelled() => break Ending::Stopped,
            };
            match next {
                Ok(Some(bytes)) => {
                    self.bytes += bytes.len() as u64;
                    collector.progress.bytes(bytes.len() as u64);
                    match head.take() {
                        Some(mut held) if held.len() + bytes.len() <= HEAD => {
                            held.extend_from_slice(&bytes);
                            head = Some(held);
                        }
                        held => {
                            assembler.push(&held.unwrap_or_default(), &mut self.renderer)?;
                            assembler.push(&bytes, &mut self.renderer)?;
                            self.write()?;
                        }
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
        assembler.push(&head, &mut self.renderer)?;
        if matches!(ending, Ending::Whole) {
            // A line that the break tore comes again, whole, when the log is read on.
            assembler.finish(&mut self.renderer)?;
        }
        self.write()?;
        Ok(ending)
    }

    fn write(&mut self) -> anyhow::Result<()> {
        let unit = &mut self.unit;
        self.renderer.take(&mut |rows, count| unit.append(LOG_TABLE, rows, count))
    }

    fn outcome(&self, ending: &Ending) -> anyhow::Result<Outcome> {
        let outcome = match ending {
            Ending::Whole => Outcome::complete(),
            Ending::Stopped => Outcome::new(State::Interrupted, "stopped while it was read"),
            Ending::Excuse(words) => Outcome::new(State::Failed, words.clone()),
            Ending::Broken(problem) => {
                let outcome = outcome::of_problem(problem)?;
                let state = if self.unit.all_rows() > 0 { State::Truncated } else { outcome.state };
                Outcome { state, ..outcome }
            }
        };
        let seen = self.renderer.seen();
        let bytes = Some(self.bytes);
        Ok(outcome.with_coverage(Coverage { first: seen.first, last: seen.last, bytes, resource_version: None }))
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

impl crate::cluster::Cluster {
    async fn log_of(&self, target: &Target, since: Option<jiff::Timestamp>) -> Result<LogStream, Problem> {
        self.log(&target.log_request(since)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::ProblemKind;

    #[test]
    fn only_a_container_that_has_not_begun_has_no_log_yet() {
        let refused = |status, message: &str| Problem { status, ..Problem::new(ProblemKind::Refused, message) };
        let waiting = "container \"tools\" in pod \"tools\" is waiting to start: ContainerCreating";
        assert!(is_not_started(&refused(Some(400), waiting)));
        assert!(!is_not_started(&refused(Some(400), "container x is not valid for pod y")));
        assert!(!is_not_started(&refused(None, waiting)));
    }
}
