//! `demo`: collect, verify, provision and upload, on a recorded compromise and an Azure that live in this process.
//!
//! All of it is the shipped code, the signing in included; only the addresses are this machine's.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;

use super::{ExitStatus, azure_args::AzureArgs, collect, demo_serve::ServeArgs, provision::ProvisionArgs, signals};
use crate::{
    azure::{Arm, AzureAuth, AzureSession},
    bundle::{self, Bundle, SealStatus},
    cluster::ConnectArgs,
    demo::{
        azure::{self, Azure},
        kubernetes::{self, Kubernetes},
        scenario,
        summary::{self, Summary},
    },
    provision::{self, deployment::Deployment},
    ui::{Printer, printable},
    upload::{self, Client, Options},
};

/// Watch all of it on a recorded compromise, on this machine only
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    serve: ServeArgs,
    /// Folder for everything that is written; must be new or empty [default: forensys-demo-TIME in the current folder]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Runs the verb. Ends with [`ExitStatus::Complete`] when only that is missing which the recording withholds.
///
/// # Errors
/// The folder is not empty or cannot be written, or something is not as it should be.
pub async fn run(args: Args, printer: Printer) -> anyhow::Result<ExitStatus> {
    if let Some(cloud) = args.serve.serve {
        return args.serve.run(cloud, args.dir.as_deref(), printer).await;
    }
    let now = Timestamp::now();
    let dir = args.dir.unwrap_or_else(|| now.strftime("forensys-demo-%Y%m%dT%H%M%SZ").to_string().into());
    crate::bundle::BundleWriter::prepare(&dir)?;
    let azure = Azure::start(azure::Settings {
        keep_rows: false,
        clusters: vec![scenario::aks::managed_cluster(azure::SUBSCRIPTION)],
        diagnostic_settings: vec![scenario::aks::diagnostic_setting(azure::SUBSCRIPTION)],
        ..azure::Settings::default()
    })
    .await?;
    let cluster = Kubernetes::start(kubernetes::Settings::new(scenario::compromise(now, Default::default()))).await?;
    let stage = Stage { azure_args: azure_args(&azure, &dir)?, kubeconfig: cluster.kubeconfig(&dir)?, azure, dir };

    let collected = collect::collect(stage.collect_args(), printer, true).await?;
    if collected.status == SealStatus::Interrupted {
        return Ok(ExitStatus::Interrupted);
    }
    let Some(summary) = signals::unless_stopped(stage.upload(collected, printer)).await? else {
        return Ok(ExitStatus::Interrupted);
    };
    let summary = summary?;
    printer.json(&summary);
    show(&summary, printer);
    stage.azure.stop().await;
    cluster.stop().await;
    Ok(if summary.problems.is_empty() { ExitStatus::Complete } else { ExitStatus::Failed })
}

/// The embedded clouds, and what is needed to use them.
struct Stage {
    azure: Azure,
    azure_args: AzureArgs,
    kubeconfig: PathBuf,
    dir: PathBuf,
}

impl Stage {
    fn collect_args(&self) -> collect::Args {
        let named = [azure::SUBSCRIPTION, scenario::aks::RESOURCE_GROUP, scenario::aks::NAME];
        collect::Args {
            connection: ConnectArgs { kubeconfig: Some(self.kubeconfig.clone()), ..ConnectArgs::default() },
            scope: collect::ScopeArgs {
                all_namespaces: true,
                aks_cluster: named.map(str::to_owned).to_vec(),
                ..collect::ScopeArgs::default()
            },
            resume: None,
            yes: false,
            no_azure: false,
            no_preflight: false,
            azure: self.azure_args.clone(),
            output_dir: Some(self.dir.join("bundle")),
        }
    }

    /// Everything after collecting.
    async fn upload(&self, collect: crate::collect::Collected, printer: Printer) -> anyhow::Result<Summary> {
        let path = PathBuf::from(&collect.bundle);
        let verify = bundle::verify(&path)?;
        let bundle = Arc::new(Bundle::open(&path)?);
        let session = self.azure_args.open()?;
        printer.note("provisioning the embedded Azure");
        let deployment = self.provision(&session).await?;
        printer.note("uploading");
        let client = Client::new(session.http, session.credential, &session.cloud.ingestion_audience);
        let upload = upload::upload(Arc::clone(&bundle), &deployment, &client, Options::default(), &()).await?;
        let mut summary = Summary {
            bundle: collect.bundle.clone(),
            collect,
            verify,
            findings: summary::findings(&bundle)?,
            upload,
            arrived: self.azure.arrived(),
            problems: Vec::new(),
        };
        summary.problems = summary.check(&self.azure.losses());
        Ok(summary)
    }

    async fn provision(&self, session: &AzureSession) -> anyhow::Result<Deployment> {
        let arm = Arm::new(session.clone());
        let wanted = ProvisionArgs {
            subscription: Some(azure::SUBSCRIPTION.to_owned()),
            resource_group: Some("forensys-demo".to_owned()),
            create_resource_group: true,
            workspace_name: "forensys".to_owned(),
            dce_name: "forensys-dce".to_owned(),
            location: Some("westeurope".to_owned()),
            deployment: self.dir.join("deployment.json"),
            ..ProvisionArgs::default()
        };
        let prepared = wanted.prepare(&arm).await?;
        provision::carry_out(&arm, &prepared, &session.cloud.name, &wanted.deployment, &|_| {}).await
    }
}

fn azure_args(azure: &Azure, dir: &Path) -> anyhow::Result<AzureArgs> {
    let folder = dir.join("azure");
    let cloud = azure.cloud_file(&folder)?;
    let secret = folder.join("client-secret");
    fs_err::write(&secret, &azure.credentials().client_secret)?;
    Ok(AzureArgs {
        cloud: Some(cloud.display().to_string()),
        azure_auth: AzureAuth::ClientSecret,
        tenant_id: Some(azure.credentials().tenant_id.clone()),
        client_id: Some(azure.credentials().client_id.clone()),
        azure_client_secret_file: Some(secret),
        azure_client_certificate: None,
        azure_federated_token_file: None,
        azure_token_file: None,
    })
}

fn show(summary: &Summary, printer: Printer) {
    printer.text("\nWhat the evidence shows");
    for found in summary.findings.iter().filter(|found| found.shown) {
        printer.text(format!("  {} [{}]", found.finding, found.table));
    }
    printer.text(format!("\n{:<26} {:>10} {:>10}", "Rows", "collected", "arrived"));
    for (table, sum) in &summary.collect.tables {
        let arrived = summary.arrived.get(table).copied().unwrap_or_default();
        printer.text(format!("  {table:<24} {:>10} {arrived:>10}", sum.rows));
    }
    printer.text("\nWhat is missing, and why (so the recording wants it)");
    for gap in summary.collect.gaps.iter() {
        let (object, reason) = (printable(&gap.object), printable(&gap.reason));
        printer.text(format!("  {} {object}, {}: {reason}", gap.source, gap.state.name()));
    }
    let intact = if summary.verify.ok { "intact" } else { "NOT what was collected" };
    printer.text(format!("\nBundle: {} ({} files, {intact})", summary.bundle, summary.verify.files));
    printer.text(format!("SHA-256 of manifest.json: {}", summary.collect.manifest_sha256));
    for problem in &summary.problems {
        printer.text(format!("PROBLEM: {}", printable(problem)));
    }
    printer.text(format!(
        "\nLook at it with `kubectl forensys inspect {}`. On a cluster of yours: `kubectl forensys collect -A`",
        summary.bundle
    ));
}
