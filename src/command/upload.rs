//! `upload`: send a sealed bundle to the tables of a deployment.

use std::{path::PathBuf, sync::Arc, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{ExitStatus, azure_args::AzureArgs};
use crate::{
    bundle::{Bundle, SealStatus},
    provision::deployment::Deployment,
    ui::{Printer, printable, size},
    upload::{Client, Options, Progress, Summary, upload},
};

/// Sends the rows of a sealed bundle to Azure Monitor; run it again to go on after an interruption
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Folder that `collect` wrote
    bundle: PathBuf,
    /// File that says where the rows of each table go, as `provision` writes it
    #[arg(long, value_name = "FILE", default_value = "deployment.json")]
    deployment: PathBuf,
    #[command(flatten)]
    how: UploadArgs,
    #[command(flatten)]
    azure: AzureArgs,
}

/// Flags that say how to upload.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Upload")]
pub struct UploadArgs {
    /// Where to keep the ledger, the receipts and refused rows [default: BUNDLE.upload, beside the bundle]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Requests under way at once
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub concurrency: u8,
    /// How long to wait for a new rule or role to take effect
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
    pub warm_up: Duration,
}

impl UploadArgs {
    /// The same as options of the library.
    pub fn options(&self) -> Options {
        Options {
            state_dir: self.state_dir.clone(),
            concurrency: usize::from(self.concurrency),
            warm_up: self.warm_up,
            ..Options::default()
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed: jiff::SignedDuration =
        text.parse().map_err(|_| "write a duration such as 90s, 10m or 1h".to_owned())?;
    Duration::try_from(parsed).map_err(|_| "a duration cannot be negative".to_owned())
}

/// Runs the verb. Ends with [`ExitStatus::Gaps`] when rows were put into the spool, [`ExitStatus::Interrupted`] on Ctrl-C.
///
/// # Errors
/// The bundle, the deployment file or the credential cannot be used, or the service refuses; what was acknowledged is
/// remembered, and running it again goes on.
pub async fn run(args: Args, printer: Printer) -> anyhow::Result<ExitStatus> {
    let bundle = Arc::new(Bundle::open(&args.bundle)?);
    let deployment = Deployment::read(&args.deployment)?;
    let session = args.azure.open_for(deployment.cloud.as_deref())?;
    let client = Client::new(session.http, session.credential, &session.cloud.ingestion_audience);
    if bundle.manifest.status == SealStatus::Interrupted {
        printer
            .note("The collection was interrupted; what was collected is uploaded. `collect --resume` reads the rest.");
    }
    let bar = Bar::new(printer);
    let work = upload(bundle, &deployment, &client, args.how.options(), &bar);
    let summary = tokio::select! {
        result = work => result?,
        signal = tokio::signal::ctrl_c() => {
            signal?;
            bar.finish();
            printer.note("Interrupted. Run the same upload again: it sends what has not been acknowledged.");
            return Ok(ExitStatus::Interrupted);
        }
    };
    bar.finish();
    show(&summary, printer);
    printer.json(&summary);
    Ok(if summary.spooled() > 0 { ExitStatus::Gaps } else { ExitStatus::Complete })
}

/// Prints the result for people.
pub fn show(summary: &Summary, printer: Printer) {
    let width = summary.tables.keys().map(String::len).max().unwrap_or_default();
    for (table, total) in &summary.tables {
        let spooled = if total.spooled > 0 { format!(", {} refused", total.spooled) } else { String::new() };
        let table = printable(table);
        printer.text(format!("{table:width$}  {} of {} rows acknowledged{spooled}", total.acknowledged, total.rows));
    }
    printer.text(format!(
        "{} requests, {} sent in {:.1} s; receipts in {}",
        summary.requests,
        size(summary.wire_bytes),
        summary.seconds,
        summary.state_dir.display()
    ));
    if summary.spooled() > 0 {
        printer.text(format!("The refused rows and the reasons are in {}", summary.state_dir.join("spool").display()));
    }
}

/// Progress on standard error: a bar on a terminal, notes only elsewhere.
pub struct Bar {
    bar: ProgressBar,
    printer: Printer,
}

impl Bar {
    /// A bar that shows itself when there is a terminal to show it on.
    pub fn new(printer: Printer) -> Self {
        let target = if printer.is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style = ProgressStyle::with_template("uploading {wide_bar} {human_pos}/{human_len} rows {eta}");
        let bar = ProgressBar::with_draw_target(None, target)
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, printer }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Bar {
    fn started(&self, rows: u64, dealt: u64) {
        self.bar.set_length(rows);
        self.bar.set_position(dealt);
        self.bar.reset_eta();
        if dealt > 0 {
            self.note(&format!("going on: {dealt} of {rows} rows have been dealt with before"));
        }
    }

    fn advanced(&self, _table: &str, rows: u64) {
        self.bar.inc(rows);
    }

    fn note(&self, text: &str) {
        self.bar.suspend(|| self.printer.note(text));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.finish();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn parsed(line: &[&str]) -> Result<UploadArgs, clap::Error> {
        Line::try_parse_from(["x", "bundle"].iter().chain(line)).map(|line| line.args.how)
    }

    #[test]
    fn durations_and_counts_are_checked() {
        assert_eq!(parsed(&["--warm-up", "30m"]).unwrap().warm_up, Duration::from_secs(1800));
        assert_eq!(parsed(&["--warm-up", "0s"]).unwrap().warm_up, Duration::ZERO);
        for wrong in [["--warm-up", "soon"], ["--warm-up=-1m", "--concurrency=1"], ["--concurrency", "0"]] {
            assert!(parsed(&wrong).is_err(), "{wrong:?}");
        }
    }
}
