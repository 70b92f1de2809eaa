//! `run`: collect, provision and upload in sequence. The bundle is complete on disk before anything is created in Azure or sent
//! to it, so that whatever goes wrong there costs no evidence. With `--overlap` Azure is made ready first, and finished parts of
//! the bundle are sent while others are collected; what goes wrong with sending still costs no evidence.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{
    ExitStatus, collect,
    provision::ProvisionArgs,
    signals,
    upload::{self, UploadArgs},
    upload_bar::Bar,
};
use crate::{
    azure::{Arm, AzureSession},
    bundle::{Bundle, BundleWriter, SealStatus},
    collect::Collected,
    provision::deployment::Deployment,
    ui::Printer,
    upload::{Client, Summary, follow},
};

/// Collect, provision and upload in one go
// The verb's arguments hold those of `collect`, whose group has the same name.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    #[command(flatten)]
    collect: collect::Args,
    #[command(flatten)]
    provision: ProvisionArgs,
    #[command(flatten)]
    upload: UploadArgs,
    /// Make Azure ready first, and upload while collecting
    #[arg(long, conflicts_with = "resume", help_heading = "Upload")]
    overlap: bool,
}

/// The documented output of `run -o json`. `upload` is absent when the collection was interrupted.
#[derive(Debug, Serialize)]
struct Report {
    collect: Collected,
    #[serde(skip_serializing_if = "Option::is_none")]
    upload: Option<Summary>,
}

/// Runs the verb.
///
/// # Errors
/// Those of the three verbs. What fails after collecting leaves the bundle complete, and the error says where it is.
pub async fn run(mut args: Args, printer: Printer) -> anyhow::Result<ExitStatus> {
    args.borrow_names();
    // Opened first, for nobody wants to collect for an hour and then read that a flag is wrong. It makes no request.
    let session = args.collect.azure.open()?;
    args.provision.tables()?;
    let (collected, sent) =
        if args.overlap { args.both(&session, printer).await? } else { args.one_by_one(&session, printer).await? };
    let dir = collected.bundle.clone();
    let Some(sent) = sent else {
        printer.json(&Report { collect: collected, upload: None });
        return Ok(ExitStatus::Interrupted);
    };
    let kept = || format!("the bundle `{dir}` is sealed and stays; go on with `provision` and `upload {dir}`");
    let summary = sent.map_err(|error| error.context(kept()))?;
    upload::show(&summary, printer);
    let status = if summary.is_whole() { collect::status(collected.status) } else { ExitStatus::Gaps };
    printer.json(&Report { collect: collected, upload: Some(summary) });
    Ok(status)
}

/// What sending came to; none when it was interrupted.
type Sent = Option<anyhow::Result<Summary>>;

impl Args {
    /// The subscription and resource group of the cluster are those of the workspace, too, unless others are named.
    fn borrow_names(&mut self) {
        if let [subscription, group, _] = self.collect.scope.aks_cluster.as_slice() {
            self.provision.subscription.get_or_insert_with(|| subscription.clone());
            self.provision.resource_group.get_or_insert_with(|| group.clone());
        }
    }

    /// Collects, then sends.
    async fn one_by_one(&self, session: &AzureSession, printer: Printer) -> anyhow::Result<(Collected, Sent)> {
        let collected = collect::collect(self.collect.clone(), printer, false).await?;
        collect::show(&collected, printer);
        if collected.status == SealStatus::Interrupted {
            return Ok((collected, None));
        }
        let sending = async {
            let deployment = self.deploy(session, printer).await?;
            let (client, options) = (client(session), self.upload.options(session, &deployment)?);
            let bundle = Arc::new(Bundle::open(Path::new(&collected.bundle))?);
            crate::upload::upload(bundle, &deployment, &client, options, &Bar::new(printer)).await
        };
        let sent = signals::unless_stopped(sending).await?;
        if sent.is_none() {
            printer.note(format!("interrupted; the bundle is sealed; go on with `upload {}`", collected.bundle));
        }
        Ok((collected, sent))
    }

    /// Makes Azure ready, then collects and sends at once. A signal ends both: the bundle is sealed as interrupted.
    async fn both(&mut self, session: &AzureSession, printer: Printer) -> anyhow::Result<(Collected, Sent)> {
        let new = || Timestamp::now().strftime("forensys-%Y%m%dT%H%M%SZ").to_string().into();
        let dir: PathBuf = self.collect.output_dir.get_or_insert_with(new).clone();
        BundleWriter::prepare(&dir)?;
        let deployment = self.deploy(session, printer).await?;
        let (client, options) = (client(session), self.upload.options(session, &deployment)?);
        let (ended, bar) = (CancellationToken::new(), Bar::new(printer));
        let collecting = async {
            let _end = ended.clone().drop_guard();
            collect::collect(self.collect.clone(), printer, false).await
        };
        let sending = signals::unless_stopped(follow(&dir, &deployment, &client, options, &ended, &bar));
        let (collected, sent) = tokio::join!(collecting, sending);
        bar.finish();
        let collected = collected?;
        collect::show(&collected, printer);
        Ok((collected, sent?))
    }

    async fn deploy(&self, session: &AzureSession, printer: Printer) -> anyhow::Result<Deployment> {
        let arm = Arm::new(session.clone());
        let prepared = self.provision.prepare(&arm).await?;
        self.provision.carry_out(session, &arm, &prepared, printer).await
    }
}

fn client(session: &AzureSession) -> Client {
    Client::new(session.http.clone(), session.credential.clone(), &session.cloud.ingestion_audience)
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

    #[test]
    fn the_command_line_of_the_original_is_taken() {
        let line = "x S G C --workspace_name w --dce_name d --location westeurope --since_seconds 60 -n shop";
        let mut args = Line::try_parse_from(line.split(' ')).unwrap().args;
        args.borrow_names();
        assert_eq!(args.provision.subscription.as_deref(), Some("S"));
        assert_eq!(args.provision.resource_group.as_deref(), Some("G"));
        assert_eq!(args.collect.scope.aks_cluster, ["S", "G", "C"]);
        assert!(Line::try_parse_from(["x", "S", "G"]).is_err());
    }
}
