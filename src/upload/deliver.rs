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
    search::Search,
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
    /// By the table's name.
    searches: Mutex<HashMap<String, Arc<Search>>>,
}

/// A body, or a part of one, and how many requests went before that concerned it.
struct Piece {
    body: Body,
    requests: u32,
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
            searches: Mutex::default(),
        }
    }

    /// Delivers a body, in pieces where the service finds it too large or refuses it for what is in it. When it returns, the
    /// state accounts for every row.
    pub(super) async fn deliver(&self, table: &TableRoute, body: Body, manifest: Option<&str>) -> anyhow::Result<()> {
        let (search, mut spent) = (self.search(table), 0);
        let mut waiting = vec![Piece { body, requests: 0 }];
        while let Some(mut piece) = waiting.pop() {
            let words = match self.send(table, &mut piece, manifest).await? {
                Outcome::Acknowledged => {
                    search.taken();
                    self.progress.advanced(&table.table, piece.body.rows);
                    continue;
                }
                Outcome::Refused(words) => {
                    if piece.body.rows > 1 && !search.refused(spent) {
                        self.spool(table, &piece, &format!("refused together with the rows beside it: {words}"))?;
                        continue;
                    }
                    spent += 2;
                    words
                }
                Outcome::TooLarge(words) => {
                    self.learn(table, &piece.body);
                    words
                }
            };
            match halve(&piece).await? {
                Some((first, second)) => waiting.extend([second, first]),
                None => self.spool(table, &piece, &words)?,
            }
        }
        Ok(())
    }

    /// Puts a row aside that was not sent.
    pub(super) fn refuse(&self, table: &TableRoute, place: &Segment, row: &[u8], reason: &str) -> anyhow::Result<()> {
        self.put_aside(table, std::slice::from_ref(place), Rows::One(row), reason, 0)
    }

    fn spool(&self, table: &TableRoute, piece: &Piece, words: &str) -> anyhow::Result<()> {
        self.put_aside(table, &piece.body.segments, Rows::Body(&piece.body), words, piece.requests)
    }

    /// Puts rows aside and says so, once for each table.
    fn put_aside(
        &self,
        table: &TableRoute,
        segments: &[Segment],
        rows: Rows<'_>,
        words: &str,
        requests: u32,
    ) -> anyhow::Result<()> {
        self.state.spool(table, segments, rows, words, requests)?;
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

    /// Sends a piece until something has become of it; counts the requests in it.
    async fn send(&self, table: &TableRoute, piece: &mut Piece, manifest: Option<&str>) -> anyhow::Result<Outcome> {
        let (body, requests) = (&piece.body, &mut piece.requests);
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
            *requests += 1;
            self.sent.requests.fetch_add(1, Ordering::Relaxed);
            self.sent.wire_bytes.fetch_add(body.gzip.len() as u64, Ordering::Relaxed);
            let reply = self.client.post(&table.url, &token, body.gzip.clone(), request_id).await;
            let is_throttled = reply.status() == Some(429);
            lane.left(leave, is_throttled);
            attempt.jitter = random_fraction();
            match decide(&reply, attempt, self.warm_up) {
                Decision::Acknowledged => {
                    let receipt = receipt(table, body, *requests, request_id, &reply, manifest);
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

    fn search(&self, table: &TableRoute) -> Arc<Search> {
        let mut searches = self.searches.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(searches.entry(table.table.clone()).or_default())
    }

    /// Tells the responder about a table's trouble, once for each kind.
    fn tell(&self, table: &TableRoute, kind: u16, text: &str) {
        let is_new = self.sent.told.lock().unwrap_or_else(PoisonError::into_inner).insert((table.table.clone(), kind));
        if is_new {
            self.progress.note(&format!("{}: {text}", printable(&table.table)));
        }
    }
}

fn receipt(
    table: &TableRoute,
    body: &Body,
    requests: u32,
    request_id: Uuid,
    reply: &Reply,
    manifest: Option<&str>,
) -> Receipt {
    Receipt {
        time: Timestamp::now(),
        client_request_id: request_id.to_string(),
        request_id: if let Reply::Answered(answer) = reply { answer.request_id() } else { None },
        table: table.table.clone(),
        route: table.route.clone(),
        rows: body.rows,
        requests,
        bytes: body.plain_bytes as u64,
        wire_bytes: body.gzip.len() as u64,
        manifest_sha256: manifest.map(str::to_owned),
    }
}

/// Halves on a thread of its own, for it compresses anew. The requests so far are counted with the first half.
async fn halve(piece: &Piece) -> anyhow::Result<Option<(Piece, Piece)>> {
    let (body, requests) = (piece.body.clone(), piece.requests);
    let halves = tokio::task::spawn_blocking(move || body.halve()).await.context("halving ended")?;
    let halves = halves.context("halving a body")?;
    Ok(halves.map(|(first, second)| (Piece { body: first, requests }, Piece { body: second, requests: 0 })))
}

/// A random number from 0 up to 1.
fn random_fraction() -> f64 {
    let random = Uuid::new_v4().as_u64_pair().0;
    f64::from((random >> 32) as u32) / (f64::from(u32::MAX) + 1.0)
}
