//! Upload: the rows of a bundle to Azure Monitor through the Logs Ingestion API, at least once, provably.
//!
//! ```text
//! origin ─ parts ─ pack (row, body) ─┬─ deliver ─ lane ─ client ─ answer ─ retry      read, gather, send, decide
//!                                    ├─ search                                        which rows a refusal is about
//!                                    └─ state (ledger, receipts, spool)               remember
//! ```
//!
//! Every row ends acknowledged or spooled, or the upload says that it did not end. Running it again sends what is left.
//! Azure Monitor removes no duplicates: rows whose acknowledgement was lost on the way arrive twice and are told apart
//! by (`RunId`, `RecordId`).
//!
//! Memory is bounded: per concurrent request one compressed body of less than 1 MB, per packing thread about 3 MB.

mod answer;
mod arrival;
mod body;
mod client;
mod deliver;
mod explain;
mod follow;
mod interval;
mod lane;
mod ledger;
mod lines;
mod origin;
mod pack;
mod parts;
mod quota;
mod retry;
mod route;
mod row;
mod search;
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

pub use arrival::{Arrivals, Query};
pub use body::{BODY_LIMIT, BodyLimit};
pub use client::Client;
pub use follow::follow;
pub use route::API_VERSION;
pub use summary::{Progress, Summary, TableSummary, Waiting};

use self::{
    deliver::Courier,
    ledger::PartKey,
    origin::Origin,
    pack::{Item, pack},
    parts::PartWork,
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
    /// How many bodies are under way at once, at most; fewer while the service throttles.
    pub concurrency: usize,
    /// How large a body may be.
    pub body_limit: BodyLimit,
    /// Every body is smaller than this, in the way that `body_limit` says.
    pub body_bytes: usize,
    /// How many bytes a minute one rule is sent; none is as many as it takes. Counted before compression in documented mode,
    /// after it in wire mode.
    pub bytes_per_minute: Option<u64>,
    /// How long a new rule or role may take to work. The service's 403 and 404 are final after that.
    pub warm_up: Duration,
    /// Where to count what arrived, once all is acknowledged, and for how long.
    pub arrivals: Option<Arc<Arrivals>>,
    /// What waits.
    pub sleeper: Arc<dyn Sleeper>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            state_dir: None,
            concurrency: 8,
            body_limit: BodyLimit::default(),
            body_bytes: BODY_LIMIT,
            bytes_per_minute: Some(2_000_000_000),
            warm_up: Duration::from_secs(600),
            arrivals: None,
            sleeper: Arc::new(TokioSleeper),
        }
    }
}

/// A table on its way.
struct TableWork {
    route: TableRoute,
    parts: Vec<PartWork>,
}

/// What the packing hands over: the number of the table, and what was packed.
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
    let origin = Origin::sealed(&bundle)?;
    let session = Session::open(&origin, deployment, client, options, progress)?;
    session.pass(&origin).await?;
    session.summary(&origin).await
}

/// Tells of columns that rows may have and the rule's stream lacks: it was provisioned by another version.
fn note_undeclared(route: &TableRoute, progress: &dyn Progress) {
    let undeclared = route.undeclared();
    if !undeclared.is_empty() {
        progress.note(&format!(
            "{}: the rule's stream does not declare {}; rows with such a column will not be sent. `kubectl forensys provision` \
             adds what is missing",
            crate::ui::printable(&route.table),
            undeclared.join(", ")
        ));
    }
}

/// An upload of one bundle, in one pass or, while the bundle grows, in several.
struct Session<'a> {
    deployment: &'a Deployment,
    courier: Courier<'a>,
    concurrency: usize,
    arrivals: Option<Arc<Arrivals>>,
    started: Instant,
}

impl<'a> Session<'a> {
    /// Opens the state. Errors when a table has no destination or the state cannot be used.
    fn open(
        origin: &Origin,
        deployment: &'a Deployment,
        client: &'a Client,
        options: Options,
        progress: &'a dyn Progress,
    ) -> anyhow::Result<Self> {
        for route in route::routes(origin, deployment)? {
            note_undeclared(&route, progress);
        }
        let state = State::open(&origin.dir, &origin.run_id, options.state_dir.as_deref())?;
        let concurrency = options.concurrency.max(1);
        let arrivals = options.arrivals.clone();
        let session = Self {
            deployment,
            courier: Courier::new(client, state, options, progress),
            concurrency,
            arrivals,
            started: Instant::now(),
        };
        let before = session.tables_summary(&session.work(origin)?);
        let sum = |count: fn(&TableSummary) -> u64| before.values().map(count).sum();
        progress.started(sum(|table| table.rows), sum(|table| table.acknowledged + table.spooled));
        Ok(session)
    }

    /// Sends what has not been dealt with.
    async fn pass(&self, origin: &Origin) -> anyhow::Result<()> {
        let tables = self.work(origin)?;
        let sums = self.tables_summary(&tables);
        self.courier.progress.expected(sums.values().map(|table| table.rows).sum());
        if sums.values().all(|table| table.rows == table.acknowledged + table.spooled) {
            return Ok(());
        }
        let result = self.deliver_all(origin, Arc::new(tables)).await;
        self.courier.state.sync().context("the ledger could not be made durable")?;
        result
    }

    /// What it came to. Errors when a row is unaccounted for, or did not arrive.
    async fn summary(&self, origin: &Origin) -> anyhow::Result<Summary> {
        let mut tables = self.tables_summary(&self.work(origin)?);
        for (table, total) in &tables {
            anyhow::ensure!(
                total.rows == total.acknowledged + total.spooled,
                "{table}: of {} rows {} were acknowledged and {} spooled; run the upload again",
                total.rows,
                total.acknowledged,
                total.spooled
            );
        }
        if let Some(arrivals) = &self.arrivals {
            arrivals.verify(&origin.run_id, &mut tables, self.courier.sleeper.as_ref(), self.courier.progress).await?;
        }
        Ok(Summary {
            tables,
            requests: self.courier.sent.requests.load(Ordering::Relaxed),
            wire_bytes: self.courier.sent.wire_bytes.load(Ordering::Relaxed),
            seconds: self.started.elapsed().as_secs_f64(),
            state_dir: self.courier.state.dir().to_owned(),
        })
    }

    /// The tables with their parts, and what the ledger says about these.
    fn work(&self, origin: &Origin) -> anyhow::Result<Vec<TableWork>> {
        let state = &self.courier.state;
        let work = |route: TableRoute| {
            let files = origin.tables.get(&route.table).into_iter().flatten();
            let parts = files.map(|file| {
                let key = PartKey { path: file.path.clone(), sha256: file.sha256.clone() };
                let dealt = Arc::new(state.dealt(&route.route, &key));
                PartWork { file: file.clone(), key: Arc::new(key), dealt }
            });
            TableWork { parts: parts.collect(), route }
        };
        Ok(route::routes(origin, self.deployment)?.into_iter().map(work).collect())
    }

    /// What has become of the rows of every table.
    fn tables_summary(&self, tables: &[TableWork]) -> BTreeMap<String, TableSummary> {
        let one = |table: &TableWork| {
            table.parts.iter().fold(TableSummary::default(), |sum, part| TableSummary {
                rows: sum.rows + part.file.rows,
                acknowledged: sum.acknowledged + part.dealt.acknowledged(),
                spooled: sum.spooled + part.dealt.spooled(),
                arrived: None,
            })
        };
        tables.iter().map(|table| (table.route.table.clone(), one(table))).collect()
    }

    /// Packs on threads of its own and delivers what is handed over, several bodies at a time. A file that cannot be read ends
    /// the upload after everything that was read before it has been delivered.
    async fn deliver_all(&self, origin: &Origin, tables: Arc<Vec<TableWork>>) -> anyhow::Result<()> {
        let (sender, mut receiver) = mpsc::channel::<Handed>(1);
        let (dir, work, limits) = (origin.dir.clone(), Arc::clone(&tables), Arc::clone(&self.courier.limits));
        let packing = tokio::task::spawn_blocking(move || {
            pack(&dir, &work, &limits, &|number, item| {
                sender.blocking_send((number, item)).map_err(|_| anyhow::anyhow!("the upload has stopped"))
            })
        });
        let (courier, tables, manifest) = (&self.courier, &tables, origin.manifest_sha256.as_deref());
        futures::stream::poll_fn(|context| receiver.poll_recv(context))
            .map(|(number, item)| async move {
                let Some(table) = tables.get(number) else { return Ok(()) };
                match item {
                    Item::Body(body) => courier.deliver(&table.route, body, manifest).await,
                    Item::Unsendable { place, row, reason } => courier.refuse(&table.route, &place, &row, &reason),
                }
            })
            .buffer_unordered(self.concurrency)
            .try_collect::<()>()
            .await?;
        packing.await.context("reading the bundle ended")?
    }
}
