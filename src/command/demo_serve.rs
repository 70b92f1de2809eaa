//! `demo --serve`: one of the in-process clouds alone, for another shell, until Ctrl-C.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::json;

use super::signals;
use crate::{
    demo::{azure, kubernetes, scenario},
    failure::ExitStatus,
    ui::Printer,
};

/// What can be served alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Cloud {
    /// Sign-in, Resource Manager and Logs Ingestion, over TLS
    Azure,
    /// The Kubernetes API with the recorded compromise
    Kubernetes,
}

/// Flags of `--serve`.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Serve")]
pub struct ServeArgs {
    /// Serve one of the in-process clouds until Ctrl-C, and write the files that are needed to use it
    #[arg(long, value_name = "CLOUD", value_enum)]
    pub serve: Option<Cloud>,
    /// Port on 127.0.0.1 [default: a free one]
    #[arg(long, value_name = "PORT", requires = "serve", default_value_t = 0, hide_default_value = true)]
    pub port: u16,
    /// What the in-process Azure is to do wrong: a JSON file with a list of faults
    #[arg(long, value_name = "FILE", requires = "serve")]
    pub faults: Option<PathBuf>,
    /// Adds a container with a log of this many bytes to the recording
    #[arg(long, value_name = "BYTES", requires = "serve")]
    pub large_log: Option<u64>,
}

impl ServeArgs {
    /// Serves until a signal.
    ///
    /// # Errors
    /// The port is taken, a file cannot be read or written.
    pub async fn run(&self, cloud: Cloud, dir: Option<&Path>, printer: Printer) -> anyhow::Result<ExitStatus> {
        let until = async {
            // Without signals there is nothing to wait for but the end of the process.
            if signals::signal().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        match cloud {
            Cloud::Azure => self.azure(dir.unwrap_or(Path::new("forensys-azure")), printer, until).await,
            Cloud::Kubernetes => self.kubernetes(dir.unwrap_or(Path::new("forensys-kubernetes")), printer, until).await,
        }
    }

    async fn azure(&self, dir: &Path, printer: Printer, until: impl Future<Output = ()>) -> anyhow::Result<ExitStatus> {
        let faults = self.faults.as_deref().map(azure::read_faults).transpose()?.unwrap_or_default();
        let settings = azure::Settings { port: self.port, keep_rows: false, faults, ..Default::default() };
        let tell = |served: &azure::Served| {
            printer.text(&served.instructions);
            let (cloud, variables) = (&served.cloud_file, &served.env_file);
            printer.json(&json!({"address": served.address, "cloud_file": cloud, "env_file": variables}));
            Ok(())
        };
        let arrived = azure::serve(settings, dir, tell, until).await?;
        for (table, rows) in &arrived {
            printer.note(format!("{table:<24} {rows:>10} rows arrived"));
        }
        Ok(ExitStatus::Complete)
    }

    async fn kubernetes(
        &self,
        dir: &Path,
        printer: Printer,
        until: impl Future<Output = ()>,
    ) -> anyhow::Result<ExitStatus> {
        let recording = scenario::compromise(Timestamp::now(), scenario::Options { big_log_bytes: self.large_log });
        let settings = kubernetes::Settings { port: self.port, ..kubernetes::Settings::new(recording) };
        let tell = |served: &kubernetes::Served| {
            printer.text(&served.instructions);
            printer.json(&json!({"address": served.address, "kubeconfig": served.kubeconfig}));
            Ok(())
        };
        let answered = kubernetes::serve(settings, dir, tell, until).await?;
        printer.note(format!("{} requests were answered", answered.len()));
        Ok(ExitStatus::Complete)
    }
}
