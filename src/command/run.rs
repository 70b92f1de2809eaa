//! `run`: collect, provision and upload in sequence. The bundle is complete on disk before anything is created in Azure or sent
//! to it, so that whatever goes wrong there costs no evidence.

use std::{path::Path, sync::Arc};

use serde::Serialize;

use super::{
    ExitStatus, collect,
    provision::ProvisionArgs,
    signals,
    upload::{self, Bar, UploadArgs},
};
use crate::{
    azure::{Arm, AzureSession},
    bundle::{Bundle, SealStatus},
    collect::Collected,
    ui::Printer,
    upload::{Client, Summary},
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
    let collected = collect::collect(args.collect.clone(), printer, false).await?;
    collect::show(&collected, printer);
    if collected.status == SealStatus::Interrupted {
        printer.json(&Report { collect: collected, upload: None });
        return Ok(ExitStatus::Interrupted);
    }
    let dir = collected.bundle.clone();
    let kept = || format!("the bundle `{dir}` is sealed and stays; go on with `provision` and `upload {dir}`");
    let sent = signals::unless_stopped(args.send(&session, Path::new(&dir), printer)).await?;
    let Some(sent) = sent else {
        printer.note(format!("interrupted; {}", kept()));
        printer.json(&Report { collect: collected, upload: None });
        return Ok(ExitStatus::Interrupted);
    };
    let summary = sent.map_err(|error| error.context(kept()))?;
    upload::show(&summary, printer);
    let status = if summary.spooled() > 0 { ExitStatus::Gaps } else { collect::status(collected.status) };
    printer.json(&Report { collect: collected, upload: Some(summary) });
    Ok(status)
}

impl Args {
    /// The subscription and resource group of the cluster are those of the workspace, too, unless others are named.
    fn borrow_names(&mut self) {
        if let [subscription, group, _] = self.collect.scope.aks_cluster.as_slice() {
            self.provision.subscription.get_or_insert_with(|| subscription.clone());
            self.provision.resource_group.get_or_insert_with(|| group.clone());
        }
    }

    async fn send(&self, session: &AzureSession, dir: &Path, printer: Printer) -> anyhow::Result<Summary> {
        let arm = Arm::new(session.clone());
        let prepared = self.provision.prepare(&arm).await?;
        let deployment = self.provision.carry_out(session, &arm, &prepared, printer).await?;
        let client = Client::new(session.http.clone(), session.credential.clone(), &session.cloud.ingestion_audience);
        let (bundle, bar) = (Arc::new(Bundle::open(dir)?), Bar::new(printer));
        crate::upload::upload(bundle, &deployment, &client, self.upload.options(), &bar).await
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
