//! `upload`: send bundles to the tables of a deployment.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{ExitStatus, azure_args::AzureArgs, signals, upload_bar::Bar};
use crate::{
    azure::AzureSession,
    bundle::{Bundle, SealStatus},
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
struct Report {
    bundles: Vec<Uploaded>,
}

/// A bundle and what its upload came to.
#[derive(Serialize)]
struct Uploaded {
    bundle: PathBuf,
    #[serde(flatten)]
    summary: Summary,
}

/// Runs the verb. Ends with [`ExitStatus::Gaps`] when rows were put into the spool or did not arrive,
/// [`ExitStatus::Interrupted`] on Ctrl-C.
///
/// # Errors
/// A bundle, the deployment file or the credential cannot be used, or the service refuses; what was acknowledged is
/// remembered, and running it again goes on.
pub async fn run(args: Args, printer: Printer) -> anyhow::Result<ExitStatus> {
    if !args.follow {
        // All are looked at before the first row leaves.
        for dir in &args.bundles {
            if Bundle::open(dir)?.manifest.status == SealStatus::Interrupted {
                let dir = dir.display();
                printer.note(format!("The collection into {dir} was interrupted; what was collected is uploaded. `collect --resume` reads the rest."));
            }
        }
    }
    let deployment = Deployment::read(&args.deployment)?;
    let session = args.azure.open_for(deployment.cloud.as_deref())?;
    let options = args.how.options(&session, &deployment)?;
    let client = Client::new(session.http, session.credential, &session.cloud.ingestion_audience);
    let Some(done) = signals::unless_stopped(args.send(&deployment, &client, &options, printer)).await? else {
        printer.note("Interrupted. Run the same upload again: it sends what has not been acknowledged.");
        return Ok(ExitStatus::Interrupted);
    };
    let done = done?;
    for uploaded in &done {
        if done.len() > 1 {
            printer.text(uploaded.bundle.display().to_string());
        }
        show(&uploaded.summary, printer);
    }
    let is_whole = done.iter().all(|uploaded| uploaded.summary.is_whole());
    match <[Uploaded; 1]>::try_from(done) {
        Ok([one]) => printer.json(&one.summary),
        Err(bundles) => printer.json(&Report { bundles }),
    }
    Ok(if is_whole { ExitStatus::Complete } else { ExitStatus::Gaps })
}

impl Args {
    /// Uploads one bundle after another.
    async fn send(
        &self,
        deployment: &Deployment,
        client: &Client,
        options: &Options,
        printer: Printer,
    ) -> anyhow::Result<Vec<Uploaded>> {
        let mut done = Vec::new();
        for dir in &self.bundles {
            let (bar, options) = (Bar::new(printer), options.clone());
            let result = if self.follow {
                follow(dir, deployment, client, options, &CancellationToken::new(), &bar).await
            } else {
                upload(Arc::new(Bundle::open(dir)?), deployment, client, options, &bar).await
            };
            let summary = result.with_context(|| format!("uploading `{}`", dir.display()));
            done.push(Uploaded { bundle: dir.clone(), summary: summary? });
        }
        Ok(done)
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
