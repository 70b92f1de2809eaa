//! The command line: parse, run the verb, render its error, choose the exit status.

use std::{ffi::OsString, path::Path, process::ExitCode};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::{
    command,
    failure::{ExitStatus, Failure},
    ui::{Output, Printer, printable},
};

/// Forensic evidence from a Kubernetes cluster: collected read-only, kept as JSONL on disk, uploaded to Azure Monitor
#[derive(Debug, Parser)]
#[command(name = "kubectl-forensys", version, max_term_width = 120, after_help = AFTER)]
pub struct Cli {
    /// How results are printed
    #[arg(short, long, global = true, value_enum, default_value_t)]
    pub output: Output,
    /// More of what happens, on standard error; twice for all of it
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// The verb.
    #[command(subcommand)]
    pub verb: Verb,
}

const AFTER: &str = "Exit status: 0 complete · 1 failed · 2 wrong usage · 3 done, with gaps · 4 verification failed · 130 interrupted\n\
Without a cluster and without Azure: kubectl forensys demo";

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Collect evidence from a cluster into a bundle on disk
    Collect(Box<command::collect::Verb>),
    /// Check every file of a bundle against its manifest
    Verify(command::verify::Args),
    /// Show what a bundle holds, and what is missing
    Inspect(command::inspect::Args),
    /// Show what a run did, and filters that take it out of an audit log
    Footprint(command::footprint::Args),
    /// Make Azure Monitor ready to take the evidence
    Provision(Box<command::provision::Args>),
    /// Send a bundle to Azure Monitor; run it again to go on
    Upload(Box<command::upload::Args>),
    /// Collect, provision and upload in one go
    Run(Box<command::run::Args>),
    /// Remove from Azure what provision made
    Cleanup(Box<command::cleanup::Args>),
    /// Watch all of it on a recorded compromise, on this machine only
    Demo(command::demo::Args),
    /// Print a script that completes the command line in a shell
    Completion(command::completion::Args),
    /// Show every table and its columns
    Tables(command::tables::Args),
}

/// Parses the arguments, runs the verb and renders its error.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let command = Cli::command().bin_name(called_as(arguments.first()));
    let parsed = command.try_get_matches_from(&arguments).and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // A closed pipe is the only thing that can go wrong here, and nobody is left to tell.
            error.print().ok();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(ExitStatus::Usage as u8));
        }
    };
    begin_log(cli.verbose);
    let printer = Printer::new(cli.output);
    let ended = runtime().and_then(|runtime| {
        let ended = runtime.block_on(dispatch(cli.verb, printer));
        // A blocking read that hangs must not hold up the end of the program.
        runtime.shutdown_background();
        ended
    });
    let status = ended.unwrap_or_else(|error| render(&error, printer));
    ExitCode::from(status as u8)
}

/// kubectl calls a plugin by its file name; people call it through kubectl.
fn called_as(program: Option<&OsString>) -> &'static str {
    let name = program.map(Path::new).and_then(Path::file_name).unwrap_or_default();
    if name.to_string_lossy().starts_with("kubectl-") { "kubectl forensys" } else { "kubectl-forensys" }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

async fn dispatch(verb: Verb, printer: Printer) -> anyhow::Result<ExitStatus> {
    match verb {
        Verb::Collect(args) => command::collect::run(*args, printer).await,
        Verb::Verify(args) => command::verify::run(args, printer).await,
        Verb::Inspect(args) => command::inspect::run(args, printer).await,
        Verb::Footprint(args) => command::footprint::run(args, printer).await,
        Verb::Provision(args) => command::provision::run(*args, printer).await,
        Verb::Upload(args) => command::upload::run(*args, printer).await,
        Verb::Run(args) => command::run::run(*args, printer).await,
        Verb::Cleanup(args) => command::cleanup::run(*args, printer).await,
        Verb::Demo(args) => command::demo::run(args, printer).await,
        Verb::Completion(args) => command::completion::run(args, printer).await,
        Verb::Tables(args) => command::tables::run(args, printer).await,
    }
}

/// Says what went wrong, why, and what to do; returns the exit status that it deserves.
fn render(error: &anyhow::Error, printer: Printer) -> ExitStatus {
    let failure = error.downcast_ref::<Failure>();
    printer.note(format!("error: {}", indented(&format!("{error:#}"))));
    if let Some(fix) = failure.and_then(|failure| failure.fix.as_deref()).filter(|fix| !fix.is_empty()) {
        printer.note(format!("  fix: {}", indented(fix)));
    }
    failure.map_or(ExitStatus::Failed, |failure| failure.status)
}

/// Several lines, safe for a terminal; those after the first are set in, so that none of them can pass for one of ours.
fn indented(text: &str) -> String {
    let lines = text.lines().map(|line| printable(line.trim_end()));
    lines.collect::<Vec<_>>().join("\n    ")
}

fn begin_log(verbose: u8) {
    let level = match verbose {
        // The client tells in its errors what it would log.
        0 => "warn,kube_client=off",
        1 => "info,forensys=debug",
        _ => "debug",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("FORENSYS_LOG").unwrap_or_else(|_| level.into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_lines_stay_lines_and_none_can_pass_for_another_message() {
        assert_eq!(
            indented("two reasons:\n  - one\n  - \u{1b}[2Jtwo\n"),
            "two reasons:\n      - one\n      - \\u{1b}[2Jtwo"
        );
        assert_eq!(indented("x\nerror: y"), "x\n    error: y");
    }
}
