//! One body from here to the service: sent until it is acknowledged, spooled, or the upload has to stop.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    Options,
    answer::Reply,
    body::{Body, BodyLimit, Limits},
    client::Client,
    explain,
    lane::Lane,
    ledger::Segment,
    retry::{Attempt, Decision, decide, is_warming_up},
    route::TableRoute,
    state::{Receipt, Rows, State},
    summary::{Progress, Waiting},
};
use crate::{azure::Sleeper, ui::printable};

/// Delivers bodies of all tables, several at a time.
pub(super) struct Courier<'a> {
    pub(super) state: State,
    pub(super) limits: Arc<Limits>,
    pub(super) sleeper: Arc<dyn Sleeper>,
    pub(super) progress: &'a dyn Progress,
    pub(super) sent: Sent,
    client: &'a Client,
    warm_up: Duration,
    concurrency: usize,
    body_limit: BodyLimit,
    bytes_per_minute: Option<u64>,
    /// By the rule's immutable id.
    lanes: Mutex<HashMap<String, Arc<Lane>>>,
}

/// What was sent so far.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) requests: AtomicU64,
    pub(super) wire_bytes: AtomicU64,
    /// Tables and statuses that the responder has been told about.
    told: Mutex<BTreeSet<(String, u16)>>,
}

/// What sending a body came to.
enum Outcome {
    Acknowledged,
    TooLarge(String),
    Refused(String),
}

impl<'a> Courier<'a> {
    pub(super) fn new(client: &'a Client, state: State, options: Options, progress: &'a dyn Progress) -> Self {
        Self {
            state,
            limits: Arc::new(Limits::of(options.body_limit, options.body_bytes)),
            sleeper: options.sleeper,
            progress,
            sent: Sent::default(),
            client,
            warm_up: options.warm_up,
            concurrency: options.concurrency,
            body_limit: options.body_limit,
            bytes_per_minute: options.bytes_per_minute,
            lanes: Mutex::default(),
        }
    }

    /// Delivers a body, in pieces where the service finds it too large. When it returns, the state accounts for every row.
    pub(super) async fn deliver(&self, table: &TableRoute, body: Body, manifest: Option<&str>) -> anyhow::Result<()> {
        let mut waiting = vec![body];
        while let Some(body) = waiting.pop() {
            match self.send(table, &body, manifest).await? {
                Outcome::Acknowledged => self.progress.advanced(&table.table, body.rows),
                Outcome::Refused(words) => self.spool(table, &body.segments, Rows::Body(&body), &words)?,
                Outcome::TooLarge(words) => {
                    self.learn(table, &body);
                    match halve(body.clone()).await? {
                        Some((first, second)) => waiting.extend([second, first]),
                        None => self.spool(table, &body.segments, Rows::Body(&body), &words)?,
                    }
                }
            }
        }
        Ok(())
    }

    /// Puts a row aside that was not sent.
    pub(super) fn refuse(&self, table: &TableRoute, place: &Segment, row: &[u8], reason: &str) -> anyhow::Result<()> {
        self.spool(table, std::slice::from_ref(place), Rows::One(row), reason)
    }

    /// Puts rows aside and says so, once for each table.
    fn spool(&self, table: &TableRoute, segments: &[Segment], rows: Rows<'_>, words: &str) -> anyhow::Result<()> {
        self.state.spool(table, segments, rows, words)?;
        let count = segments.iter().map(|segment| segment.rows.end - segment.rows.start).sum();
        self.progress.advanced(&table.table, count);
        self.tell(table, 0, &format!("rows were refused and put into the spool: {words}"));
        Ok(())
    }

    /// The service does not take bodies of this size: smaller ones are made from now on.
    fn learn(&self, table: &TableRoute, body: &Body) {
        if let Some(limit) = self.limits.shrink(body.plain_bytes) {
            self.tell(
                table,
                413,
                &format!("bodies were too large for the service; they stay below {limit} bytes from now on"),
            );
        }
    }

    async fn send(&self, table: &TableRoute, body: &Body, manifest: Option<&str>) -> anyhow::Result<Outcome> {
        let lane = self.lane(table);
        let counted = match self.body_limit {
            BodyLimit::Documented => body.plain_bytes,
            BodyLimit::Wire => body.gzip.len(),
        };
        let mut attempt = Attempt::default();
        loop {
            let quota = |pause| self.waiting(table, "the rule takes no more this minute", pause, None);
            let leave = lane.enter(self.sleeper.as_ref(), counted as u64, quota).await;
            let token = self.client.token().await?;
            let request_id = Uuid::new_v4();
            self.sent.requests.fetch_add(1, Ordering::Relaxed);
            self.sent.wire_bytes.fetch_add(body.gzip.len() as u64, Ordering::Relaxed);
            let reply = self.client.post(&table.url, &token, body.gzip.clone(), request_id).await;
            let is_throttled = reply.status() == Some(429);
            lane.left(leave, is_throttled);
            attempt.jitter = random_fraction();
            match decide(&reply, attempt, self.warm_up) {
                Decision::Acknowledged => {
                    let receipt = receipt(table, body, request_id, &reply, manifest);
                    self.state.acknowledge(&table.route, &body.segments, &receipt)?;
                    return Ok(Outcome::Acknowledged);
                }
                Decision::Wait(pause) => {
                    if is_throttled {
                        lane.close_for(self.sleeper.as_ref(), pause);
                    }
                    self.wait(table, &reply, pause, &mut attempt).await;
                }
                Decision::RefreshToken => {
                    self.client.forget(&token).await;
                    attempt.has_new_token = true;
                }
                Decision::Halve => return Ok(Outcome::TooLarge(reply.in_words())),
                Decision::Spool => return Ok(Outcome::Refused(reply.in_words())),
                Decision::Fail => return Err(explain::failure(&reply, table, self.client.scope()).into()),
            }
        }
    }

    async fn wait(&self, table: &TableRoute, reply: &Reply, pause: Duration, attempt: &mut Attempt) {
        let status = reply.status().unwrap_or(1);
        self.tell(table, status, &format!("not taken yet, trying again: {}", reply.in_words()));
        if is_warming_up(reply) {
            let left = self.warm_up.saturating_sub(attempt.waited);
            self.waiting(
                table,
                &format!("the rule or its role has not taken effect yet ({status})"),
                pause,
                Some(left),
            );
        }
        self.sleeper.sleep(pause).await;
        attempt.repeats += 1;
        attempt.waited += pause;
    }

    fn waiting(&self, table: &TableRoute, reason: &str, pause: Duration, left: Option<Duration>) {
        self.progress.waiting(&Waiting { subject: &table.table, reason, pause, left });
    }

    fn lane(&self, table: &TableRoute) -> Arc<Lane> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Lane::new(self.concurrency, self.bytes_per_minute));
        Arc::clone(lanes.entry(table.route.rule.clone()).or_insert_with(new))
    }

    /// Tells the responder about a table's trouble, once for each kind.
    fn tell(&self, table: &TableRoute, kind: u16, text: &str) {
        let is_new = self.sent.told.lock().unwrap_or_else(PoisonError::into_inner).insert((table.table.clone(), kind));
        if is_new {
            self.progress.note(&format!("{}: {text}", printable(&table.table)));
        }
    }
}

fn receipt(table: &TableRoute, body: &Body, request_id: Uuid, reply: &Reply, manifest: Option<&str>) -> Receipt {
    Receipt {
        time: Timestamp::now(),
        client_request_id: request_id.to_string(),
        request_id: if let Reply::Answered(answer) = reply { answer.request_id() } else { None },
        table: table.table.clone(),
        route: table.route.clone(),
        rows: body.rows,
        bytes: body.plain_bytes as u64,
        wire_bytes: body.gzip.len() as u64,
        manifest_sha256: manifest.map(str::to_owned),
    }
}

/// Halves on a thread of its own, for it compresses anew.
async fn halve(body: Body) -> anyhow::Result<Option<(Body, Body)>> {
    tokio::task::spawn_blocking(move || body.halve()).await.context("halving ended")?.context("halving a body")
}

/// A random number from 0 up to 1.
fn random_fraction() -> f64 {
    let random = Uuid::new_v4().as_u64_pair().0;
    f64::from((random >> 32) as u32) / (f64::from(u32::MAX) + 1.0)
}
