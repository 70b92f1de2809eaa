//! One container's shell history: one exec, its answer's frames, and a row even where there is nothing to read.

use super::{Collector, outcome, targets::Target};
use crate::{
    bundle::{Coverage, Outcome, State, Unit},
    cluster::{
        Problem,
        exec::ExecOutput,
        history_frames::{self, History},
        history_script,
    },
    evidence::{
        Source,
        command_history::{HistoryTarget, file_rows, state_row},
    },
};

/// What came of the shells.
enum Answer {
    /// A shell ran.
    Output(&'static str, ExecOutput),
    /// None of them is in the container.
    NoShell,
}

impl Collector {
    /// Reads the history of a container. True when trying again later may give more.
    pub(super) async fn read_history(&self, target: &Target) -> anyhow::Result<bool> {
        let path = target.path();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let mut unit = self.writer.unit(Source::History.name(), target.object(), &path);
        let about = target.history_target();
        let outcome = if self.stop.is_cancelled() {
            Outcome::new(State::Interrupted, "stopped before it was read")
        } else if let Some((word, reason)) = target.without_exec() {
            unit.push(&state_row(&about, word, Some(reason.clone())), None)?;
            Outcome::new(State::Unsupported, reason)
        } else {
            tokio::select! {
                answer = self.ask(target) => rows(&about, answer, &mut unit)?,
                () = self.stop.cancelled() => Outcome::new(State::Interrupted, "stopped while it was read"),
            }
        };
        let state = outcome.state;
        self.progress.unit(Source::History, unit.all_rows(), state);
        unit.finish(outcome).await?;
        Ok(state == State::Failed)
    }

    /// Runs the script with the first shell that the container has.
    async fn ask(&self, target: &Target) -> Result<(String, Answer), Problem> {
        let nonce = ulid::Ulid::generate().to_string();
        for shell in history_script::SHELLS {
            let command = history_script::command(shell, &nonce);
            let output =
                self.cluster.exec(&target.pod.namespace, &target.pod.name, &target.container, &command).await?;
            if !output.is_not_found() {
                return Ok((nonce, Answer::Output(shell, output)));
            }
        }
        Ok((nonce, Answer::NoShell))
    }
}

fn rows(about: &HistoryTarget, answer: Result<(String, Answer), Problem>, unit: &mut Unit) -> anyhow::Result<Outcome> {
    let (nonce, answer) = match answer {
        Ok(answer) => answer,
        Err(problem) => {
            let outcome = outcome::of_problem(&problem)?;
            let word = if outcome.state == State::Denied { "denied" } else { "failed" };
            unit.push(&state_row(about, word, outcome.reason.clone()), None)?;
            return Ok(outcome);
        }
    };
    match answer {
        Answer::NoShell => {
            // The runtime's own words differ each time, and stand in actions.jsonl; a row must not differ between two runs.
            let reason = format!("the container has none of the shells {}", history_script::SHELLS.join(", "));
            unit.push(&state_row(about, "no-shell", Some(reason.clone())), None)?;
            Ok(Outcome::new(State::NoShell, reason))
        }
        Answer::Output(shell, output) => output_rows(about, shell, &nonce, &output, unit),
    }
}

fn output_rows(
    about: &HistoryTarget,
    shell: &str,
    nonce: &str,
    output: &ExecOutput,
    unit: &mut Unit,
) -> anyhow::Result<Outcome> {
    let history = history_frames::decode(nonce, &output.stdout);
    for file in &history.files {
        for (time, row) in file_rows(about, &file.user, &file.path, file.content.as_deref(), shell) {
            unit.push(&row, time)?;
        }
    }
    let outcome = outcome_of(&history, output);
    if history.files.is_empty() {
        let word = if outcome.state == State::Complete { "none" } else { "failed" };
        let reason = outcome.reason.clone().unwrap_or_else(|| "no history file in any home".to_owned());
        unit.push(&state_row(about, word, Some(reason)), None)?;
    }
    let bytes = Some(output.stdout.len() as u64);
    Ok(outcome.with_coverage(Coverage { bytes, ..Coverage::default() }))
}

/// How reading went, from what the script said and how it ended.
fn outcome_of(history: &History, output: &ExecOutput) -> Outcome {
    if history.is_whole {
        return Outcome::complete();
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let why = output.cut.as_deref().or(output.failure.as_deref()).unwrap_or("the session ended early");
    let reason = [why, words.trim()].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": ");
    let state = if history.has_begun { State::Truncated } else { State::Failed };
    Outcome::new(state, reason)
}
