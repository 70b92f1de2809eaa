//! `upload`: send bundles to the tables of a deployment.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{ExitStatus, azure_args::AzureArgs, signals, upload_bar::Bar};
use crate::{
    azure::AzureSession,
    bundle::{Bundle, SealStatus},
    failure::Failure,
    provision::deployment::Deployment,
    ui::{Printer, printable, size},
    upload::{Arrivals, BodyLimit, Client, Options, Query, Summary, follow, upload},
};

/// Sends the rows of bundles to Azure Monitor; run it again to go on after an interruption
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Folders that `collect` wrote
    #[arg(required = true, value_name = "BUNDLE")]
    bundles: Vec<PathBuf>,
    /// Begin while the bundle is still being written, and end when it is sealed and all of it is sent
    #[arg(long)]
    follow: bool,
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
    /// Requests under way at once, at most; fewer while Azure throttles
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub concurrency: u8,
    /// How long to wait for a new rule or role to take effect
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
    pub warm_up: Duration,
    /// What the limit of 1 MB for a request applies to
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    pub body_limit: BodyLimit,
    /// GB a minute that one rule is sent; 0 sends as fast as Azure takes it
    #[arg(long, value_name = "GB", default_value_t = 2)]
    pub gb_per_minute: u32,
    /// Count in the workspace what arrived, and wait for it this long at most [default when given: 20m]
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "20m", require_equals = true, value_parser = duration)]
    pub verify_arrival: Option<Duration>,
}

impl UploadArgs {
    /// The same as options of the library, for a deployment and its cloud.
    ///
    /// # Errors
    /// Arrival is to be verified, and the deployment or the cloud does not name where to ask.
    pub fn options(&self, session: &AzureSession, deployment: &Deployment) -> anyhow::Result<Options> {
        let arrivals = |patience| {
            let query = Query::of(&session.cloud, deployment.workspace_customer_id.as_deref())?;
            let (http, credential) = (session.http.clone(), session.credential.clone());
            anyhow::Ok(Arc::new(Arrivals::new(http, credential, query, patience)))
        };
        Ok(Options {
            state_dir: self.state_dir.clone(),
            concurrency: usize::from(self.concurrency),
            warm_up: self.warm_up,
            body_limit: self.body_limit,
            bytes_per_minute: Some(u64::from(self.gb_per_minute) * 1_000_000_000).filter(|bytes| *bytes > 0),
            arrivals: self.verify_arrival.map(arrivals).transpose()?,
            ..Options::default()
        })
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed: jiff::SignedDuration =
        text.parse().map_err(|_| "write a duration such as 90s, 10m or 1h".to_owned())?;
    Duration::try_from(parsed).map_err(|_| "a duration cannot be negative".to_owned())
}

/// The documented output of several bundles.
#[derive(Serialize)]
struct Report<'a> {
    bundles: Vec<Uploaded<'a>>,
}

/// A bundle and what its upload came to, or why it came to nothing.
#[derive(Serialize)]
struct Uploaded<'a> {
    bundle: &'a Path,
    #[serde(flatten)]
    outcome: Outcome<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Outcome<'a> {
    Done(&'a Summary),
    Failed { error: String, fix: Option<&'a str> },
}

/// A bundle and the result of its upload.
type Attempt = (PathBuf, anyhow::Result<Summary>);

/// Runs the verb. Ends with [`ExitStatus::Gaps`] when rows were put into the spool or did not arrive,
/// [`ExitStatus::Interrupted`] on Ctrl-C. Of several bundles, one that fails keeps no other from being sent; the exit status is
/// then that of the first that failed.
///
/// # Errors
/// The bundle, the deployment file or the credential cannot be used, or the service refuses; what was acknowledged is
/// remembered, and running it again goes on.
pub async fn run(args: Args, printer: Printer) -> anyhow::Result<ExitStatus> {
    if !args.follow {
        args.look_at_all(printer)?;
    }
    let deployment = Deployment::read(&args.deployment)?;
    let session = args.azure.open_for(deployment.cloud.as_deref())?;
    let options = args.how.options(&session, &deployment)?;
    let client = Client::new(session.http, session.credential, &session.cloud.ingestion_audience);
    let Some(done) = signals::unless_stopped(args.send(&deployment, &client, &options, printer)).await? else {
        printer.note("Interrupted. Run the same upload again: it sends what has not been acknowledged.");
        return Ok(ExitStatus::Interrupted);
    };
    match <[Attempt; 1]>::try_from(done) {
        Ok([(_, result)]) => {
            let summary = result?;
            show(&summary, printer);
            printer.json(&summary);
            Ok(if summary.is_whole() { ExitStatus::Complete } else { ExitStatus::Gaps })
        }
        Err(done) => Ok(report(&done, printer)),
    }
}

impl Args {
    /// Looks at a single bundle before anything else is asked for, and tells which collections were interrupted.
    fn look_at_all(&self, printer: Printer) -> anyhow::Result<()> {
        for dir in &self.bundles {
            match Bundle::open(dir) {
                Ok(bundle) if bundle.manifest.status == SealStatus::Interrupted => {
                    let dir = dir.display();
                    printer.note(format!("The collection into {dir} was interrupted; what was collected is uploaded. `collect --resume` reads the rest."));
                }
                Err(error) if self.bundles.len() == 1 => return Err(error),
                // Of several, it is told at the end, with what became of the others.
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Uploads one bundle after another.
    async fn send(
        &self,
        deployment: &Deployment,
        client: &Client,
        options: &Options,
        printer: Printer,
    ) -> Vec<Attempt> {
        let mut done = Vec::new();
        for dir in &self.bundles {
            let (bar, options) = (Bar::new(printer), options.clone());
            let result = if self.follow {
                follow(dir, deployment, client, options, &CancellationToken::new(), &bar).await
            } else {
                match Bundle::open(dir) {
                    Ok(bundle) => upload(Arc::new(bundle), deployment, client, options, &bar).await,
                    Err(error) => Err(error),
                }
            };
            done.push((dir.clone(), result.with_context(|| format!("uploading `{}`", dir.display()))));
        }
        done
    }
}

/// Prints what became of several bundles, and returns the exit status.
fn report(done: &[Attempt], printer: Printer) -> ExitStatus {
    let mut bundles = Vec::new();
    for (bundle, result) in done {
        printer.text(printable(&bundle.display().to_string()));
        let outcome = match result {
            Ok(summary) => {
                show(summary, printer);
                Outcome::Done(summary)
            }
            Err(error) => {
                let fix = error.downcast_ref::<Failure>().and_then(|failure| failure.fix.as_deref());
                let lines = format!("{error:#}").lines().map(printable).collect::<Vec<_>>().join("\n  ");
                printer.text(format!("not uploaded: {lines}"));
                if let Some(fix) = fix {
                    printer.text(format!("  fix: {}", printable(fix)));
                }
                Outcome::Failed { error: format!("{error:#}"), fix }
            }
        };
        bundles.push(Uploaded { bundle, outcome });
    }
    let failed: Vec<_> = done.iter().filter_map(|(bundle, result)| Some((bundle, result.as_ref().err()?))).collect();
    if !failed.is_empty() {
        let names = failed.iter().map(|(bundle, _)| format!("`{}`", bundle.display())).collect::<Vec<_>>().join(", ");
        printer.note(format!("{} of {} bundles not uploaded: {}", failed.len(), done.len(), printable(&names)));
    }
    printer.json(&Report { bundles });
    let is_whole = |result: &anyhow::Result<Summary>| result.as_ref().is_ok_and(Summary::is_whole);
    match failed.first() {
        Some((_, error)) => error.downcast_ref::<Failure>().map_or(ExitStatus::Failed, |failure| failure.status),
        None if done.iter().all(|(_, result)| is_whole(result)) => ExitStatus::Complete,
        None => ExitStatus::Gaps,
    }
}

/// Prints the result for people.
pub fn show(summary: &Summary, printer: Printer) {
    let width = summary.tables.keys().map(String::len).max().unwrap_or_default();
    for (table, total) in &summary.tables {
        let spooled = if total.spooled > 0 { format!(", {} refused", total.spooled) } else { String::new() };
        let arrived = total.arrived.map(|rows| format!(", {rows} arrived")).unwrap_or_default();
        let (table, acknowledged, rows) = (printable(table), total.acknowledged, total.rows);
        printer.text(format!("{table:width$}  {acknowledged} of {rows} rows acknowledged{spooled}{arrived}"));
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
        assert_eq!(parsed(&["--verify-arrival"]).unwrap().verify_arrival, Some(Duration::from_secs(1200)));
        assert_eq!(parsed(&["--verify-arrival=5m", "another"]).unwrap().verify_arrival, Some(Duration::from_secs(300)));
        for wrong in [["--warm-up", "soon"], ["--warm-up=-1m", "--concurrency=1"], ["--concurrency", "0"]] {
            assert!(parsed(&wrong).is_err(), "{wrong:?}");
        }
    }
}
