//! One container's shell history: one exec, its answer's frames, and a row even where there is nothing to read.
//!
//! Memory is bounded: an exec holds one file of its answer at a time, and only [`LARGE_AT_ONCE`] may hold one beyond [`LARGE`]. An exec
//! that got its process to run is not repeated by itself: each try leaves a process that may not end.

use tokio::sync::{Semaphore, SemaphorePermit};

use super::{Collector, outcome, targets::Target};
use crate::{
    bundle::{Coverage, Outcome, State, Unit},
    cluster::{
        Problem,
        exec::{ExecOutcome, ExecTarget},
        history_frames::{Content, Decoder, Frame},
        history_powershell, history_script,
    },
    evidence::{
        Source,
        command_history::{HistoryRow, HistoryTarget, frame_rows, is_from_container, specification_rows, state_row},
    },
    table::Row as _,
};

/// A file of an answer is large from here on, in bytes.
const LARGE: usize = 256 * 1024;
/// Large files held at once.
const LARGE_AT_ONCE: usize = 4;
static LARGE_FILES: Semaphore = Semaphore::const_new(LARGE_AT_ONCE);

/// The pod before and after a debug container was added, in `raw/`.
pub(super) const POD_KINDS: [&str; 2] = ["pods-before-debug", "pods-after-debug"];

/// What came of one shell.
pub(super) enum Answer {
    /// It ran.
    Ran(Outcome),
    /// It is not in the container. The runtime's words differ each time, and stand in actions.jsonl.
    NotThere {
        /// Whether the words are those of a runtime for Linux.
        on_linux: bool,
    },
    /// It could not be asked.
    Problem(Problem),
}

impl Collector {
    /// Reads the history of a container. True when trying again later may give more.
    pub(super) async fn read_history(&self, target: &Target) -> anyhow::Result<bool> {
        let mut unit = self.history_unit(target);
        let about = target.history_target();
        if self.stop.is_cancelled() {
            let outcome = Outcome::new(State::Interrupted, "stopped before it was read");
            return self.finish_history(unit, outcome).await.map(|()| false);
        }
        begin(&mut unit, &about)?;
        let (outcome, again) = if let Some((word, reason)) = target.without_exec() {
            unit.push(&state_row(&about, word, Some(reason.clone())), None)?;
            (Outcome::new(State::Unsupported, reason), false)
        } else {
            tokio::select! {
                ended = self.ask(target, &about, &mut unit) => ended?,
                () = self.stop.cancelled() => (Outcome::new(State::Interrupted, "stopped while it was read"), false),
            }
        };
        self.finish_history(unit, outcome).await?;
        Ok(again)
    }

    /// The unit of a container's history. What was cut off of its log has the same name.
    pub(super) fn history_unit(&self, target: &Target) -> Unit {
        let rows = format!("tables/{}/", HistoryRow::TABLE.name);
        let [before, after] = POD_KINDS.map(|kind| format!("raw/{kind}/"));
        let path = target.path();
        let path = path.each_ref().map(String::as_str);
        self.writer.unit_in(Source::History.name(), target.object(), &path, &[&rows, &before, &after])
    }

    pub(super) async fn finish_history(&self, unit: Unit, outcome: Outcome) -> anyhow::Result<()> {
        self.progress.unit(Source::History, unit.all_rows(), outcome.state);
        unit.finish(outcome).await
    }

    /// Runs the script with the first shell that the container has.
    async fn ask(&self, target: &Target, about: &HistoryTarget, unit: &mut Unit) -> anyhow::Result<(Outcome, bool)> {
        let place =
            ExecTarget { namespace: &target.pod.namespace, pod: &target.pod.name, container: &target.container };
        let mut on_linux = false;
        for shell in shells(target.pod.windows) {
            if on_linux && shell.ends_with(".exe") {
                continue;
            }
            let nonce = ulid::Ulid::generate().to_string();
            let command = match history_powershell::is_powershell(shell) {
                true => history_powershell::command(shell, &nonce),
                false => history_script::command(shell, &nonce),
            };
            match self.run_script(place, &command, &nonce, about, shell, unit).await? {
                Answer::NotThere { on_linux: known } => on_linux |= known,
                Answer::Ran(outcome) => return Ok((outcome, false)),
                Answer::Problem(problem) => {
                    let outcome = outcome::of_problem(&problem)?;
                    let word = if outcome.state == State::Denied { "denied" } else { "failed" };
                    unit.push(&state_row(about, word, outcome.reason.clone()), None)?;
                    return Ok((outcome, problem.is_transient()));
                }
            }
        }
        let reason = without_shell(target.pod.windows);
        unit.push(&state_row(about, "no-shell", Some(reason.clone())), None)?;
        Ok((Outcome::new(State::NoShell, reason), false))
    }

    /// Runs one command that prints frames, and makes rows of them while they come.
    ///
    /// # Errors
    /// The bundle cannot be written.
    pub(super) async fn run_script(
        &self,
        place: ExecTarget<'_>,
        command: &[String],
        nonce: &str,
        about: &HistoryTarget,
        method: &str,
        unit: &mut Unit,
    ) -> anyhow::Result<Answer> {
        let mut session = match self.cluster.exec(place, command, self.settings.exec_limits()).await {
            Ok(session) => session,
            Err(problem) => return Ok(Answer::Problem(problem)),
        };
        let mut reading = Reading::new(nonce, about, method);
        while let Some(piece) = session.next().await {
            if let Err(not_ours) = reading.take(&piece, unit).await? {
                session.give_up(&not_ours);
                break;
            }
        }
        let ended = match session.end().await {
            Ok(ended) => ended,
            Err(problem) => return Ok(Answer::Problem(problem)),
        };
        if ended.is_not_found() {
            let on_linux = ended.failure.as_deref().is_some_and(|words| words.contains("OCI runtime"));
            return Ok(Answer::NotThere { on_linux });
        }
        reading.end(&ended, unit).map(Answer::Ran)
    }
}

/// Begins a try: the rows about the specification. Parts of earlier tries that got nothing out of the container hold these, too, and why
/// they got nothing; what this try says takes their place.
pub(super) fn begin(unit: &mut Unit, about: &HistoryTarget) -> anyhow::Result<()> {
    unit.replace_parts_without(&is_from_container)?;
    specification_rows(about).iter().try_for_each(|row| unit.push(row, None))
}

/// The shells to try. Where nothing says which system the container is for, the words of its runtime do.
fn shells(windows: bool) -> Vec<&'static str> {
    match windows {
        true => history_powershell::WINDOWS_SHELLS.to_vec(),
        false => {
            let posix = history_script::SHELLS.iter().copied();
            posix.chain([history_powershell::LINUX_SHELL, "powershell.exe"]).collect()
        }
    }
}

fn without_shell(windows: bool) -> String {
    match windows {
        true => "the container has no PowerShell; cmd.exe keeps no history".to_owned(),
        false => format!(
            "the container has none of the shells {}, {}",
            history_script::SHELLS.join(", "),
            history_powershell::LINUX_SHELL
        ),
    }
}

/// The answer of an exec while it comes.
struct Reading<'a> {
    decoder: Decoder,
    about: &'a HistoryTarget,
    method: &'a str,
    /// Places that history files lie in, or something in their stead.
    places: usize,
    /// Why not all of them were read to the end.
    missing: Option<&'static str>,
    large: Option<SemaphorePermit<'static>>,
}

impl<'a> Reading<'a> {
    fn new(nonce: &str, about: &'a HistoryTarget, method: &'a str) -> Self {
        Self { decoder: Decoder::new(nonce), about, method, places: 0, missing: None, large: None }
    }

    /// Takes a piece. The inner error says why nothing more is to be read.
    async fn take(&mut self, piece: &[u8], unit: &mut Unit) -> anyhow::Result<Result<(), String>> {
        let frames = match self.decoder.push(piece) {
            Ok(frames) => frames,
            Err(not_ours) => return Ok(Err(not_ours.to_string())),
        };
        for frame in &frames {
            self.write(frame, unit)?;
        }
        if self.decoder.held() < LARGE {
            self.large = None;
        } else if self.large.is_none() {
            // Whoever holds one needs nothing else to go on; a semaphore that is never closed always grants.
            self.large = Some(LARGE_FILES.acquire().await?);
        }
        Ok(Ok(()))
    }

    fn write(&mut self, frame: &Frame, unit: &mut Unit) -> anyhow::Result<()> {
        if let Frame::File(file) = frame {
            self.places += 1;
            match file.content {
                Content::Bytes(_, false) => self.missing = Some("a history file was not read to its end"),
                Content::Skipped => self.missing = Some("not all history files were read: those before were too large"),
                _ => {}
            }
        }
        frame_rows(self.about, frame, self.method, &mut |time, row| unit.push(&row, time))
    }

    /// What is left when the session is over: what was cut off, and the row where nothing was found.
    fn end(mut self, ended: &ExecOutcome, unit: &mut Unit) -> anyhow::Result<Outcome> {
        if let Some(frame) = self.decoder.finish() {
            self.write(&frame, unit)?;
        }
        let outcome = self.outcome(ended);
        if self.places == 0 {
            let word = if outcome.state == State::Complete { "none" } else { "failed" };
            let reason = outcome.reason.clone().unwrap_or_else(|| "no history file in any home".to_owned());
            unit.push(&state_row(self.about, word, Some(reason)), None)?;
        }
        let bytes = Some(ended.bytes);
        Ok(outcome.with_coverage(Coverage { bytes, ..Coverage::default() }))
    }

    /// How reading went, from what the script said and how it ended.
    fn outcome(&self, ended: &ExecOutcome) -> Outcome {
        if let Some(obstacle) = self.decoder.obstacle() {
            return Outcome::new(State::Failed, obstacle);
        }
        if self.decoder.is_whole() {
            let missing = self.missing.map(|reason| Outcome::new(State::Truncated, reason));
            return missing.unwrap_or_else(Outcome::complete);
        }
        let words = String::from_utf8_lossy(&ended.stderr);
        let why = ended.cut.as_deref().or(ended.failure.as_deref()).unwrap_or("the session ended early");
        let reason = [why, words.trim()].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": ");
        let state = if self.decoder.has_begun() { State::Truncated } else { State::Failed };
        Outcome::new(state, reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_are_tried_in_the_order_in_which_images_have_them() {
        let linux = shells(false);
        assert_eq!(linux[..3], ["/bin/sh", "sh", "/busybox/sh"]);
        assert_eq!(linux.last(), Some(&"powershell.exe"), "nothing says that the container is for Linux");
        assert!(shells(true).iter().all(|shell| history_powershell::is_powershell(shell)));
        assert!(without_shell(true).contains("cmd.exe"));
    }

    fn outcome(printed: &[u8], ended: &ExecOutcome) -> Outcome {
        let about = HistoryTarget::default();
        let mut reading = Reading::new("n", &about, "sh");
        reading.decoder.push(printed).unwrap();
        reading.outcome(ended)
    }

    #[test]
    fn an_answer_is_whole_cut_off_or_none_of_ours() {
        let cut = ExecOutcome { cut: Some("too long".to_owned()), ..ExecOutcome::default() };
        assert_eq!(outcome(b"n begin\nn done\n", &ExecOutcome::default()), Outcome::complete());
        assert_eq!(outcome(b"n begin\n", &cut), Outcome::new(State::Truncated, "too long"));
        let noise = ExecOutcome { stderr: b"sh: broken\n".to_vec(), ..ExecOutcome::default() };
        assert_eq!(outcome(b"hello\n", &noise), Outcome::new(State::Failed, "the session ended early: sh: broken"));
        let lost = outcome(b"n begin\nn lost\nn done\n", &ExecOutcome::default());
        assert_eq!((lost.state, lost.reason.unwrap().contains("no process")), (State::Failed, true));
    }
}
