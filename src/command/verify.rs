//! `verify`: is the bundle still what was collected?

use std::path::PathBuf;

use crate::{
    bundle::{self, SealStatus},
    failure::ExitStatus,
    ui::{Printer, printable, size},
};

/// Check every file of a bundle against its manifest
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The bundle's folder
    pub bundle: PathBuf,
}

/// Runs the verb.
pub async fn run(args: Args, printer: Printer) -> anyhow::Result<ExitStatus> {
    let found = tokio::task::spawn_blocking(move || bundle::verify(&args.bundle)).await??;
    printer.json(&found);
    for problem in &found.problems {
        printer.text(format!("{}: {}", printable(&problem.path), printable(&problem.problem)));
    }
    if let Some(digest) = &found.manifest_sha256 {
        printer.text(format!("SHA-256 of manifest.json: {digest}"));
    }
    let word = match (found.ok, found.status) {
        (true, Some(SealStatus::Interrupted)) => "intact; the collection was interrupted and can be resumed",
        (true, _) => "intact",
        (false, None) if found.problems.len() == 1 => "not sealed; what is there is what was journalled",
        (false, _) => "NOT what was collected",
    };
    printer.text(format!("{} files, {}: {word}", found.files, size(found.bytes)));
    Ok(if found.ok { ExitStatus::Complete } else { ExitStatus::VerificationFailed })
}
