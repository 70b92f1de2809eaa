//! Bundles, deployments and credentials for tests of the upload.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use azure_core::{
    credentials::{AccessToken, TokenCredential, TokenRequestOptions},
    time::OffsetDateTime,
};
use forensys::{
    azure::Sleeper,
    bundle::{Bundle, BundleWriter, FORMAT, Operator, Outcome, RunFile, SealStatus, Window},
    provision::deployment::{Deployment, Destination},
    table::Table,
    upload::{BodyLimit, Client, Options, Progress, Summary, upload},
};

pub(super) static LOGS: Table = Table { name: "kubelogs_CL", doc: "Logs.", own: &[] };
pub(super) static EVENTS: Table = Table { name: "kubeevents_CL", doc: "Events.", own: &[] };

pub(crate) fn run_file(demo: bool) -> RunFile {
    RunFile {
        format: FORMAT,
        run_id: "01J00000000000000000000000".to_owned(),
        case_id: None,
        tool: "kubectl-forensys test".to_owned(),
        demo,
        started: "2026-01-02T03:04:05Z".parse().unwrap(),
        operator: Operator::default(),
        server: "https://127.0.0.1:6443".to_owned(),
        context: None,
        cluster_uid: None,
        server_version: None,
        window: Window::default(),
        settings: serde_json::Value::Null,
    }
}

/// Seals a bundle in `folder`: for each part its table, its name and the numbers of its rows, of about 1 KB each.
pub(super) async fn seal(folder: &Path, demo: bool, parts: &[(&'static Table, &str, std::ops::Range<u64>)]) -> PathBuf {
    let dir = folder.join("bundle");
    let writer = BundleWriter::create(&dir, run_file(demo)).unwrap();
    for (table, name, numbers) in parts {
        let mut unit = writer.unit("logs", *name, &[name]);
        for number in numbers.clone() {
            // Hard to compress, as evidence is not: the limit before compression decides.
            let noise: String = (0..16).map(|word: u64| format!("{:016x}", scramble(number * 16 + word))).collect();
            let line = format!("{{\"{}\":{number},\"message\":\"{}\"}}\n", number_column(table), noise.repeat(4));
            unit.append(table, line.as_bytes(), 1).unwrap();
        }
        unit.finish(Outcome::complete()).await.unwrap();
    }
    writer.seal(SealStatus::Complete).await.unwrap();
    dir
}

/// The column that holds a row's number in these tests.
fn number_column(table: &Table) -> &'static str {
    if table.name == LOGS.name { "restart_count" } else { "count" }
}

fn scramble(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)
}

pub(super) fn deployment(endpoint: &str) -> Deployment {
    let mut deployment = Deployment::default();
    for table in [&LOGS, &EVENTS] {
        let destination = Destination {
            endpoint: endpoint.to_owned(),
            immutable_id: format!("dcr-{}", table.name),
            stream: table.stream(),
            columns: Vec::new(),
        };
        deployment.tables.insert(table.name.to_owned(), destination);
    }
    deployment
}

/// Signs in as nobody: tokens are numbered from 1.
#[derive(Debug, Default)]
pub(super) struct Tokens(pub(super) Mutex<Vec<String>>);

#[async_trait]
impl TokenCredential for Tokens {
    async fn get_token(&self, scopes: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        let mut given = self.0.lock().unwrap();
        given.extend(scopes.iter().map(|scope| (*scope).to_owned()));
        Ok(AccessToken::new(format!("token-{}", given.len()), OffsetDateTime::now_utc() + Duration::from_secs(3600)))
    }
}

/// Lets no time pass and remembers what it was asked for.
#[derive(Default)]
pub(crate) struct Clock(pub(crate) Mutex<Vec<Duration>>);

#[async_trait]
impl Sleeper for Clock {
    async fn sleep(&self, duration: Duration) {
        self.0.lock().unwrap().push(duration);
        tokio::task::yield_now().await;
    }

    fn now(&self) -> Duration {
        self.0.lock().unwrap().iter().sum()
    }
}

/// An uploader; its state lies beside the bundle unless a folder is named.
#[derive(Default)]
pub(super) struct Uploader {
    pub(super) tokens: Arc<Tokens>,
    pub(super) clock: Arc<Clock>,
    pub(super) concurrency: usize,
    pub(super) state_dir: Option<PathBuf>,
    pub(super) body_limit: BodyLimit,
    /// The quota of a rule, where it is not the documented one.
    pub(super) bytes_per_minute: Option<u64>,
}

impl Uploader {
    pub(super) fn client(&self) -> Client {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Client::new(http, Arc::clone(&self.tokens) as _, "https://monitor.example.net")
    }

    pub(super) fn options(&self) -> Options {
        let usual = Options::default();
        Options {
            state_dir: self.state_dir.clone(),
            concurrency: self.concurrency.max(1),
            body_limit: self.body_limit,
            bytes_per_minute: self.bytes_per_minute.or(usual.bytes_per_minute),
            sleeper: Arc::clone(&self.clock) as _,
            ..usual
        }
    }

    pub(super) async fn upload(&self, dir: &Path, deployment: &Deployment) -> anyhow::Result<Summary> {
        self.upload_telling(dir, deployment, &()).await
    }

    pub(super) async fn upload_telling(
        &self,
        dir: &Path,
        deployment: &Deployment,
        progress: &dyn Progress,
    ) -> anyhow::Result<Summary> {
        upload(Arc::new(Bundle::open(dir)?), deployment, &self.client(), self.options(), progress).await
    }
}

pub(super) fn lines(path: &Path) -> Vec<serde_json::Value> {
    let text = fs_err::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
