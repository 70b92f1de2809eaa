//! Upload: the rows of a sealed bundle to Azure Monitor through the Logs Ingestion API, at least once, provably.
//!
//! ```text
//! bundle ─ parts ─ batch ─┬─ deliver ─ client ─ answer ─ retry      read, gather, send, decide
//!                         └─ state (ledger, receipts, spool)        remember
//! ```
//!
//! Every row ends acknowledged or spooled, or the upload says that it did not end. Running it again sends what is left.
//! Azure Monitor removes no duplicates: rows whose acknowledgement was lost on the way arrive twice and are told apart
//! by (`RunId`, `RecordId`).
//!
//! Memory is bounded: per concurrent request one body of less than 1 MB, plain and compressed.

mod answer;
mod batch;
mod client;
mod deliver;
mod explain;
mod interval;
mod ledger;
mod lines;
mod parts;
mod retry;
mod route;
mod state;
mod summary;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::sync::mpsc;

pub use batch::BODY_LIMIT;
pub use client::Client;
pub use summary::{Progress, Summary, TableSummary};

use self::{
    deliver::{Courier, Sent},
    ledger::PartKey,
    parts::{Item, PartWork, read_table},
    route::TableRoute,
    state::State,
};
use crate::{
    azure::{Sleeper, TokioSleeper},
    bundle::Bundle,
    provision::deployment::Deployment,
};

/// How an upload is done.
#[derive(Clone)]
pub struct Options {
    /// Where ledger, receipts and spool are kept; beside the bundle, as `BUNDLE.upload`, when none is named.
    pub state_dir: Option<PathBuf>,
    /// How many bodies are under way at once.
    pub concurrency: usize,
    /// How long a new rule or role may take to work. The service's 403 and 404 are final after that.
    pub warm_up: Duration,
    /// What waits.
    pub sleeper: Arc<dyn Sleeper>,
}

impl Default for Options {
    fn default() -> Self {
        Self { state_dir: None, concurrency: 8, warm_up: Duration::from_secs(600), sleeper: Arc::new(TokioSleeper) }
    }
}

/// A table on its way.
struct TableWork {
    route: TableRoute,
    parts: Vec<PartWork>,
}

/// What the reading thread hands over: the number of the table, and what was read.
type Handed = (usize, Item);

/// Uploads what has not been uploaded yet. Dropping the future stops it; what was acknowledged stays in the ledger.
///
/// # Errors
/// A table has no destination, a file is not what was sealed, the service refuses for good, or the disk is full.
/// Nothing is lost then: the bundle is untouched and running it again goes on.
pub async fn upload(
    bundle: Arc<Bundle>,
    deployment: &Deployment,
    client: &Client,
    options: Options,
    progress: &dyn Progress,
) -> anyhow::Result<Summary> {
    let started = Instant::now();
    let routes = route::routes(&bundle, deployment)?;
    let state = State::open(&bundle, options.state_dir.as_deref())?;
    let tables: Arc<Vec<TableWork>> =
        Arc::new(routes.into_iter().map(|route| table_work(&bundle, route, &state)).collect());
    let before = tables_summary(&tables, &state);
    let sum = |count: fn(&TableSummary) -> u64| before.values().map(count).sum();
    progress.started(sum(|table| table.rows), sum(|table| table.acknowledged + table.spooled));

    let courier = Courier {
        client,
        state: &state,
        sleeper: options.sleeper.as_ref(),
        progress,
        warm_up: options.warm_up,
        manifest_sha256: &bundle.manifest_sha256,
        sent: Sent::default(),
    };
    let result = deliver_all(&courier, &bundle, &tables, options.concurrency.max(1)).await;
    state.sync().context("the ledger could not be made durable")?;
    result?;

    let summary = Summary {
        tables: tables_summary(&tables, &state),
        requests: courier.sent.requests.load(Ordering::Relaxed),
        wire_bytes: courier.sent.wire_bytes.load(Ordering::Relaxed),
        seconds: started.elapsed().as_secs_f64(),
        state_dir: state.dir().to_owned(),
    };
    for (table, total) in &summary.tables {
        anyhow::ensure!(
            total.rows == total.acknowledged + total.spooled,
            "{table}: of {} rows {} were acknowledged and {} spooled; run the upload again",
            total.rows,
            total.acknowledged,
            total.spooled
        );
    }
    Ok(summary)
}

/// The parts of a table, in the order of the manifest, with what the ledger says about them.
fn table_work(bundle: &Bundle, route: TableRoute, state: &State) -> TableWork {
    let part = |file: &crate::bundle::FileEntry| {
        let key = PartKey { path: file.path.clone(), sha256: file.sha256.clone() };
        let dealt = state.dealt(&route.route, &key);
        PartWork { file: file.clone(), key: Arc::new(key), dealt }
    };
    let parts = bundle.parts(&route.table).map(part).collect();
    TableWork { route, parts }
}

/// What the ledger says about every table now.
fn tables_summary(tables: &[TableWork], state: &State) -> BTreeMap<String, TableSummary> {
    let one = |table: &TableWork| {
        table.parts.iter().fold(TableSummary::default(), |sum, part| {
            let dealt = state.dealt(&table.route.route, &part.key);
            TableSummary {
                rows: sum.rows + part.file.rows,
                acknowledged: sum.acknowledged + dealt.acknowledged(),
                spooled: sum.spooled + dealt.spooled(),
            }
        })
    };
    tables.iter().map(|table| (table.route.table.clone(), one(table))).collect()
}

/// Reads on a thread of its own and delivers what it hands over, several bodies at a time. A file that cannot be read ends
/// the upload after everything that was read before it has been delivered.
async fn deliver_all(
    courier: &Courier<'_>,
    bundle: &Arc<Bundle>,
    tables: &Arc<Vec<TableWork>>,
    concurrency: usize,
) -> anyhow::Result<()> {
    let (sender, mut receiver) = mpsc::channel::<Handed>(2);
    let (bundle, work) = (Arc::clone(bundle), Arc::clone(tables));
    let reading = tokio::task::spawn_blocking(move || read_tables(&bundle, &work, &sender));
    futures::stream::poll_fn(|context| receiver.poll_recv(context))
        .map(|(number, item)| async move {
            let Some(table) = tables.get(number) else { return Ok(()) };
            match item {
                Item::Batch(batch) => courier.deliver(&table.route, batch).await,
                Item::Unsendable { place, row, reason } => {
                    courier.spool(&table.route, &[place], std::iter::once(row.as_slice()), &reason)
                }
            }
        })
        .buffer_unordered(concurrency)
        .try_collect::<()>()
        .await?;
    reading.await.context("reading the bundle ended")?
}

/// Reads all tables, up to the first error or until nobody takes what it reads any more.
fn read_tables(bundle: &Bundle, tables: &[TableWork], sender: &mpsc::Sender<Handed>) -> anyhow::Result<()> {
    for (number, table) in tables.iter().enumerate() {
        read_table(bundle, &table.parts, &mut |item| {
            sender.blocking_send((number, item)).map_err(|_| anyhow::anyhow!("the upload has stopped"))
        })?;
    }
    Ok(())
}
