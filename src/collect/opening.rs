//! The beginning of a collection: who asks, which cluster it is, and a bundle that says so before anything is read.

use std::path::Path;

use jiff::Timestamp;

use super::settings::Settings;
use crate::{
    bundle::{BundleWriter, FORMAT, Held, Operator, RunFile, Window},
    cluster::{Cluster, Problem, ProblemKind, actions::Actions, connect::Connection},
    failure::Failure,
};

/// Where requests are recorded, in the bundle.
pub const ACTIONS: &str = "actions.jsonl";

/// What the command line asked for, before the cluster was asked anything.
pub struct Asked {
    /// The case, as the responder names it.
    pub case_id: Option<String>,
    /// The window, absolute.
    pub window: Window,
    /// Scope and choices.
    pub settings: Settings,
    /// Whether the cluster is the embedded demonstration.
    pub demo: bool,
}

/// Begins a bundle in a new or empty folder. When the cluster cannot be spoken to at all, nothing stays in the folder.
///
/// # Errors
/// The folder is not empty; the cluster cannot be reached or does not accept the credential; a namespace does not exist.
pub async fn begin(dir: &Path, connection: Connection, asked: Asked) -> anyhow::Result<(Cluster, BundleWriter)> {
    BundleWriter::prepare(dir)?;
    let run_id = ulid::Ulid::generate().to_string();
    let begun = first_words(dir, connection, asked, &run_id).await;
    if begun.is_err() {
        // Nothing was collected: the same command can be given again.
        fs_err::remove_file(dir.join(ACTIONS)).ok();
        fs_err::remove_dir(dir).ok();
    }
    let (cluster, run) = begun?;
    let writer = BundleWriter::create(dir, run)?;
    Ok((cluster, writer))
}

/// Goes on with a bundle, on the same cluster. Where that cannot be, a sealed bundle stays as it was sealed.
///
/// # Errors
/// The folder is no bundle, another process writes it, or the connection leads to another cluster.
pub async fn resume(dir: &Path, connection: Connection) -> anyhow::Result<(Cluster, BundleWriter)> {
    let held = Held::new(dir)?;
    let record = dir.join(ACTIONS);
    let sealed_bytes = fs_err::metadata(&record).map_or(0, |file| file.len());
    let seal = held.take_seal_off()?;
    match same_cluster(dir, connection, held.run()).await {
        Ok(cluster) => Ok((cluster, held.resume()?)),
        Err(error) => {
            if let Some(seal) = seal {
                fs_err::OpenOptions::new().write(true).open(&record)?.set_len(sealed_bytes)?;
                held.seal_again(&seal)?;
            }
            Err(error)
        }
    }
}

/// Connects, and makes sure that it is the cluster of the bundle.
async fn same_cluster(dir: &Path, connection: Connection, run: &RunFile) -> anyhow::Result<Cluster> {
    let server = connection.server();
    let settings: Settings = serde_json::from_value(run.settings.clone())?;
    let cluster = connection.open(Actions::open(&dir.join(ACTIONS))?, &run.run_id, settings.levels())?;
    reach(&cluster, &server).await?;
    let uid = identity(&cluster).await;
    if let (Some(before), Some(now)) = (&run.cluster_uid, &uid)
        && before != now
    {
        return Err(Failure::usage(
            format!("the bundle `{}` was begun on another cluster than {server}", dir.display()),
            "name the cluster of the bundle with --context or --kubeconfig, or begin a new bundle",
        )
        .into());
    }
    Ok(cluster)
}

async fn first_words(
    dir: &Path,
    connection: Connection,
    asked: Asked,
    run_id: &str,
) -> anyhow::Result<(Cluster, RunFile)> {
    let server = connection.server();
    let context = connection.context.clone();
    let cluster = connection.open(Actions::open(&dir.join(ACTIONS))?, run_id, asked.settings.levels())?;
    let server_version = reach(&cluster, &server).await?;
    for namespace in asked.settings.namespaces.iter().flatten() {
        must_exist(&cluster, namespace).await?;
    }
    let run = RunFile {
        format: FORMAT,
        run_id: run_id.to_owned(),
        case_id: asked.case_id,
        tool: format!("kubectl-forensys {}", env!("CARGO_PKG_VERSION")),
        demo: asked.demo,
        started: Timestamp::now(),
        operator: Operator { cluster_user: cluster.whoami().await.ok(), ..operator() },
        server,
        context,
        cluster_uid: identity(&cluster).await,
        server_version,
        window: asked.window,
        settings: serde_json::to_value(asked.settings)?,
    };
    Ok((cluster, run))
}

/// Asks the server for its version. A server that does not tell is still a server; one that does not know the caller is no use.
async fn reach(cluster: &Cluster, server: &str) -> anyhow::Result<Option<String>> {
    match cluster.version().await {
        Ok(version) => Ok(Some(version)),
        Err(problem) if matches!(problem.kind, ProblemKind::Unauthenticated | ProblemKind::Unreachable) => {
            Err(refusal(&problem, server).into())
        }
        Err(problem) if problem.kind == ProblemKind::Local => Err(anyhow::anyhow!("{problem}")),
        Err(_) => Ok(None),
    }
}

fn refusal(problem: &Problem, server: &str) -> Failure {
    let what = match problem.kind {
        ProblemKind::Unauthenticated => format!("{server} does not accept the credential: {problem}"),
        _ => format!("{server} cannot be reached: {problem}"),
    };
    Failure::new(what, problem.fix().unwrap_or_default())
}

async fn must_exist(cluster: &Cluster, namespace: &str) -> anyhow::Result<()> {
    let path = format!("/api/v1/namespaces/{namespace}");
    match cluster.object(&path).await {
        Err(problem) if problem.kind == ProblemKind::NotFound => Err(Failure::new(
            format!("the namespace `{namespace}` does not exist"),
            "see `kubectl get namespaces`, or collect all of them with -A",
        )
        .into()),
        // A caller who may not read the namespace may still read what is in it.
        _ => Ok(()),
    }
}

/// UID of the namespace `kube-system`, where it may be read.
async fn identity(cluster: &Cluster) -> Option<String> {
    let namespace = cluster.object("/api/v1/namespaces/kube-system").await.ok()?;
    namespace.pointer("/metadata/uid").and_then(serde_json::Value::as_str).map(str::to_owned)
}

fn operator() -> Operator {
    let named = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| std::env::var(name).ok());
    let login = named.filter(|name| !name.is_empty()).or_else(login_of_process).unwrap_or_default();
    let host = hostname::get().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Operator { login, host, cluster_user: None }
}

/// The login name of the user that this process runs as, where the environment does not say: from its id and `/etc/passwd`.
#[cfg(unix)]
fn login_of_process() -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let uid = fs_err::metadata("/proc/self").ok()?.uid();
    let users = fs_err::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid.to_string()).then(|| name.to_owned())
    });
    Some(name.unwrap_or_else(|| format!("uid {uid}")))
}

/// Windows sets the name in the environment.
#[cfg(not(unix))]
fn login_of_process() -> Option<String> {
    None
}
