//! `completion`: a script that completes the command line in a shell.

use clap::CommandFactory as _;

use crate::{cli::Cli, failure::ExitStatus, ui::Printer};

/// Print a script that completes the command line in a shell
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Runs the verb.
pub async fn run(args: Args, printer: Printer) -> anyhow::Result<ExitStatus> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "kubectl-forensys", &mut script);
    printer.raw(String::from_utf8_lossy(&script).trim_end());
    Ok(ExitStatus::Complete)
}
