//! `collect`: from a cluster to a sealed bundle.

use std::{
    io::{IsTerminal as _, stdin},
    path::PathBuf,
};

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::{azure_args::AzureArgs, signals};
use crate::{
    bundle::{RunFile, SealStatus, Window},
    cluster::ConnectArgs,
    collect::{
        Collected, Collector,
        aks::AskAzure,
        debug::Consent,
        missing,
        opening::{self, Asked},
        preflight,
        progress::Progress,
        settings::{self, LogMetadata, Settings},
    },
    evidence::Source,
    failure::{ExitStatus, Failure},
    ui::{Printer, printable},
};

/// Collect evidence from a cluster into a bundle on disk
// The group of the arguments that are taken over has the same name.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Verb {
    /// What to collect, from where, and how.
    #[command(flatten)]
    pub args: Args,
    /// Collect nothing: print every call that would be made, and what is allowed
    #[arg(long, conflicts_with = "resume")]
    pub dry_run: bool,
}

/// What to collect, from where, and how
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The connection.
    #[command(flatten)]
    pub connection: ConnectArgs,
    /// What is collected.
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// Go on with a bundle whose collection was cut off; its own scope and window are used
    #[arg(long, value_name = "DIR", conflicts_with_all = ["scope", "output_dir"])]
    pub resume: Option<PathBuf>,
    /// Add debug containers without asking
    #[arg(short, long)]
    pub yes: bool,
    /// Ask Azure nothing, even when the cluster is AKS
    #[arg(long)]
    pub no_azure: bool,
    /// Do not ask the API server beforehand what is allowed
    #[arg(long)]
    pub no_preflight: bool,
    /// How to sign in to Azure, which is asked about the cluster when it is AKS.
    #[command(flatten)]
    pub azure: AzureArgs,
    /// Folder of the new bundle; must be new or empty [default: forensys-TIME in the current folder]
    #[arg(long, value_name = "DIR")]
    pub output_dir: Option<PathBuf>,
}

/// What is collected, in kubectl's words where it has them.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(id = "scope", multiple = true)]
#[command(next_help_heading = "Scope")]
pub struct ScopeArgs {
    /// Namespaces, repeated or separated by commas [default: the context's]
    #[arg(short, long, value_delimiter = ',', conflicts_with = "all_namespaces")]
    pub namespace: Vec<String>,
    /// All namespaces
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Label selector of the pods
    #[arg(short = 'l', long)]
    pub selector: Option<String>,
    /// Field selector of the pods
    #[arg(long)]
    pub field_selector: Option<String>,
    /// Logs and events no older than this, for example 24h or 90m
    #[arg(long, value_name = "DURATION", value_parser = parse_since, conflicts_with_all = ["since_time", "since_seconds"])]
    pub since: Option<SignedDuration>,
    /// Logs and events no older than this moment (RFC 3339)
    #[arg(long, value_name = "TIME", conflicts_with = "since_seconds")]
    pub since_time: Option<Timestamp>,
    /// Logs and events no younger than this moment (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub until_time: Option<Timestamp>,
    /// As --since, in seconds
    #[arg(long = "since_seconds", value_name = "SECONDS", hide = true)]
    pub since_seconds: Option<i64>,
    /// Only these sources
    #[arg(long, value_delimiter = ',', value_name = "SOURCES")]
    pub only: Vec<Source>,
    /// Not these sources
    #[arg(long, value_delimiter = ',', value_name = "SOURCES")]
    pub skip: Vec<Source>,
    /// Read shell histories with one shell in each container (the default)
    #[arg(long, conflicts_with = "no_exec")]
    pub exec: bool,
    /// Start no process in any container
    #[arg(long)]
    pub no_exec: bool,
    /// Read rotated log files, too, through the kubelets (needs get on nodes/proxy)
    #[arg(long)]
    pub node_logs: bool,
    /// Read no more of any one log than this, from its beginning, for example 50MiB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub max_bytes_per_container: Option<u64>,
    /// How long the shell in a container may take, for example 60s
    #[arg(long, value_name = "DURATION", value_parser = parse_since, conflicts_with = "no_exec")]
    pub exec_timeout: Option<SignedDuration>,
    /// Add an ephemeral container to pods whose containers have no shell, and read their histories from it; it cannot be removed again
    #[arg(long, requires = "debug_image", conflicts_with = "no_exec")]
    pub debug_container: bool,
    /// Image of that container; needs a shell
    #[arg(long, value_name = "IMAGE", requires = "debug_container")]
    pub debug_image: Option<String>,
    /// Facts of pod and container that stand on every log line too, not in `pods_CL` and `containers_CL` alone
    #[arg(long, value_enum, default_value_t)]
    pub log_metadata: LogMetadata,
    /// The AKS cluster in Azure, when it is not found by itself
    #[arg(num_args = 3, value_names = ["SUBSCRIPTION_ID", "RESOURCE_GROUP_NAME", "CLUSTER_NAME"])]
    pub aks_cluster: Vec<String>,
    /// Name of the case; stands on every row
    #[arg(long, value_name = "CASE")]
    pub case_id: Option<String>,
}

fn parse_since(text: &str) -> Result<SignedDuration, String> {
    text.parse().map_err(|error| format!("not a duration like 24h: {error}"))
}

/// Parses bytes with kubectl's suffixes of quantities: `512Ki`, `50MiB`, `1G`.
fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim_end_matches('B') {
        "" => 1,
        "k" | "K" => 1000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return Err("write a size such as 500000, 512Ki, 50MiB or 1G".to_owned()),
    };
    let number: u64 = number.parse().map_err(|error| format!("not a size: {error}"))?;
    number.checked_mul(factor).filter(|bytes| *bytes > 0).ok_or_else(|| "too small or too large".to_owned())
}

impl ScopeArgs {
    /// The absolute window, as seen from a moment.
    ///
    /// # Errors
    /// Its end lies before its beginning, or the beginning before time.
    pub fn window(&self, now: Timestamp) -> anyhow::Result<Window> {
        let back = self.since.or_else(|| self.since_seconds.map(SignedDuration::from_secs));
        let since = match back {
            Some(back) => Some(now.checked_sub(back)?),
            None => self.since_time,
        };
        if let (Some(since), Some(until)) = (since, self.until_time)
            && since > until
        {
            return Err(Failure::usage(
                format!("the window ends ({until}) before it begins ({since})"),
                "check --since, --since-time and --until-time",
            )
            .into());
        }
        Ok(Window { since, until: self.until_time })
    }

    /// The settings, given the context's namespace.
    pub fn settings(&self, default_namespace: &str) -> Settings {
        let namespaces = match (self.all_namespaces, self.namespace.is_empty()) {
            (true, _) => None,
            (false, true) => Some(vec![default_namespace.to_owned()]),
            (false, false) => Some(self.namespace.clone()),
        };
        Settings {
            namespaces,
            fallback_namespace: default_namespace.to_owned(),
            selector: self.selector.clone(),
            field_selector: self.field_selector.clone(),
            sources: settings::chosen(&self.only, &self.skip),
            exec: !self.no_exec,
            exec_seconds: self
                .exec_timeout
                .map_or(settings::DEFAULT_EXEC_SECONDS, |limit| limit.as_secs().unsigned_abs()),
            debug_image: self.debug_image.clone(),
            log_metadata: self.log_metadata,
            max_bytes_per_container: self.max_bytes_per_container,
            node_logs: self.node_logs,
            aks_cluster: <[String; 3]>::try_from(self.aks_cluster.clone()).ok(),
        }
    }
}

/// Runs the verb.
pub async fn run(verb: Verb, printer: Printer) -> anyhow::Result<ExitStatus> {
    if verb.dry_run {
        return super::dry_run::run(verb.args, printer).await;
    }
    let collected = collect(verb.args, printer, false).await?;
    printer.json(&collected);
    show(&collected, printer);
    Ok(status(collected.status))
}

/// Collects, for this verb and for those that go on with the bundle.
pub async fn collect(args: Args, printer: Printer, demo: bool) -> anyhow::Result<Collected> {
    let connection = args.connection.resolve().await?;
    let (cluster, writer) = match &args.resume {
        Some(dir) => {
            let settings: Settings = serde_json::from_value(RunFile::read(dir)?.settings)?;
            consent(&settings, args.yes, printer)?;
            opening::resume(dir, connection).await?
        }
        None => {
            let now = Timestamp::now();
            let window = args.scope.window(now)?;
            let settings = args.scope.settings(connection.default_namespace());
            consent(&settings, args.yes, printer)?;
            let asked = Asked { case_id: args.scope.case_id.clone(), window, settings, demo };
            let dir = args.output_dir.unwrap_or_else(|| now.strftime("forensys-%Y%m%dT%H%M%SZ").to_string().into());
            opening::begin(&dir, connection, asked).await?
        }
    };
    let dir = writer.dir().to_owned();
    printer.note(format!("bundle: {}", dir.display()));
    let settings: Settings = serde_json::from_value(writer.run().settings.clone())?;
    let consent = consent(&settings, args.yes, printer)?;
    let stop = CancellationToken::new();
    let listener = signals::cancel_on_signal(stop.clone(), printer);
    let azure = match args.no_azure {
        true => AskAzure::No,
        false => AskAzure::With(args.azure.open().map_err(|error| format!("{error:#}"))),
    };
    let collected = async {
        match args.no_preflight {
            true => preflight::leave_out(&writer).await?,
            false => {
                let matrix = preflight::run(&cluster, &writer, &settings, azure.is_asked(), &stop).await?;
                matrix.iter().for_each(|line| printer.note(line));
            }
        }
        let progress = Progress::new(printer);
        Collector { cluster, writer, settings, stop, azure, consent, progress }.run().await
    };
    let collected = collected.await;
    listener.abort();
    collected.map_err(|error| {
        let fix =
            format!("what is there is kept: make room, then `kubectl forensys collect --resume {}`", dir.display());
        Failure::new(format!("the bundle `{}` cannot be written: {error:#}", dir.display()), fix).into()
    })
}

/// Who agrees to debug containers.
///
/// # Errors
/// They are asked for, and there is nobody to ask.
fn consent(settings: &Settings, yes: bool, printer: Printer) -> anyhow::Result<Consent> {
    if yes || settings.debug_image.is_none() {
        return Ok(Consent::Given);
    }
    if !(stdin().is_terminal() && printer.is_terminal()) {
        return Err(Failure::usage(
            "adding debug containers to pods without a terminal to ask on needs consent",
            "add --yes, or leave --debug-container out",
        )
        .into());
    }
    Ok(Consent::Ask(printer))
}

/// The exit status of a collection.
pub fn status(status: SealStatus) -> ExitStatus {
    match status {
        SealStatus::Complete => ExitStatus::Complete,
        SealStatus::Gaps => ExitStatus::Gaps,
        SealStatus::Interrupted => ExitStatus::Interrupted,
    }
}

/// What was collected, for people.
pub fn show(collected: &Collected, printer: Printer) {
    for (table, sum) in &collected.tables {
        printer.text(format!("{table:<24} {:>10} rows in {} parts", sum.rows, sum.parts));
    }
    let groups = missing::groups(&collected.gaps);
    for group in groups.iter().take(SHOWN) {
        let (object, reason) = (printable(&group.first.object), printable(&group.first.reason));
        let more = if group.count > 1 { format!(" and {} more", group.count - 1) } else { String::new() };
        printer.text(format!("missing: {} {} {object}{more}: {reason}", group.first.source, group.first.state.name()));
        printer.text(format!("         fix: {}", group.fix));
    }
    let notes = collected.gaps.iter().filter(|gap| !gap.state.is_gap()).count();
    if groups.len() > SHOWN || notes > 0 {
        let more = groups.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!("{more} more kinds of gaps and ") } else { String::new() };
        printer.text(format!("{more}{notes} notes: `kubectl forensys inspect {}`", collected.bundle));
    }
    printer.text(format!("bundle:  {}", collected.bundle));
    printer.text(format!("SHA-256 of manifest.json: {}", collected.manifest_sha256));
    if collected.status == SealStatus::Interrupted {
        printer.note(format!("interrupted; go on with `kubectl forensys collect --resume {}`", collected.bundle));
    }
}

/// Kinds of gaps shown before the rest is left to `inspect`.
const SHOWN: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_ends_before_it_begins_is_refused() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let args = ScopeArgs { since: Some(SignedDuration::from_hours(1)), ..ScopeArgs::default() };
        assert_eq!(args.window(now).unwrap().since, Some("2026-01-02T02:04:05Z".parse().unwrap()));
        let args = ScopeArgs { until_time: "2026-01-01T00:00:00Z".parse().ok(), ..args };
        assert!(args.window(now).is_err());
    }

    #[test]
    fn sizes_are_read_as_kubernetes_writes_quantities() {
        assert_eq!(
            ["7", "2Ki", "50MiB", "1G"].map(|text| parse_size(text).unwrap()),
            [7, 2048, 50 << 20, 1_000_000_000]
        );
        for wrong in ["", "0", "x", "5 M", "-1", "99999999999G"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn without_flags_the_scope_is_the_namespace_of_the_context() {
        assert_eq!(ScopeArgs::default().settings("shop").namespaces, Some(vec!["shop".to_owned()]));
        let all = ScopeArgs { all_namespaces: true, ..ScopeArgs::default() };
        assert_eq!(all.settings("shop").namespaces, None);
    }
}
