//! One batch from here to the service: sent until it is acknowledged, spooled, or the upload has to stop.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use azure_core::credentials::Secret;
use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    answer::Reply,
    batch::{BODY_LIMIT, Batch},
    client::Client,
    explain,
    ledger::Segment,
    retry::{Attempt, Decision, decide},
    route::TableRoute,
    state::{Receipt, State},
    summary::Progress,
};
use crate::{azure::Sleeper, ui::printable};

/// Delivers batches of all tables, several at a time.
pub(super) struct Courier<'a> {
    pub(super) client: &'a Client,
    pub(super) state: &'a State,
    pub(super) sleeper: &'a dyn Sleeper,
    pub(super) progress: &'a dyn Progress,
    pub(super) warm_up: Duration,
    pub(super) manifest_sha256: &'a str,
    pub(super) sent: Sent,
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

impl Courier<'_> {
    /// Delivers a batch, in pieces where the service finds it too large. When it returns, the state accounts for every row.
    pub(super) async fn deliver(&self, table: &TableRoute, batch: Batch) -> anyhow::Result<()> {
        let mut waiting = vec![batch];
        while let Some(batch) = waiting.pop() {
            let (batch, body) = compress(batch).await?;
            let outcome = if body.len() < BODY_LIMIT {
                self.send(table, &batch, body).await?
            } else {
                Outcome::TooLarge(format!("not sent: the row has {} bytes compressed", body.len()))
            };
            match outcome {
                Outcome::Acknowledged => self.progress.advanced(&table.table, batch.rows()),
                Outcome::Refused(words) => self.spool(table, batch.segments(), batch.lines(), &words)?,
                Outcome::TooLarge(words) => match batch.halve() {
                    Ok((first, second)) => waiting.extend([second, first]),
                    Err(row) => self.spool(table, row.segments(), row.lines(), &words)?,
                },
            }
        }
        Ok(())
    }

    /// Puts rows aside and says so, once for each table.
    pub(super) fn spool<'a>(
        &self,
        table: &TableRoute,
        segments: &[Segment],
        lines: impl Iterator<Item = &'a [u8]>,
        words: &str,
    ) -> anyhow::Result<()> {
        self.state.spool(table, segments, lines, words)?;
        let rows = segments.iter().map(|segment| segment.rows.end - segment.rows.start).sum();
        self.progress.advanced(&table.table, rows);
        self.tell(table, 0, &format!("rows were refused and put into the spool: {words}"));
        Ok(())
    }

    async fn send(&self, table: &TableRoute, batch: &Batch, body: Bytes) -> anyhow::Result<Outcome> {
        let mut attempt = Attempt::default();
        loop {
            let token = self.client.token().await?;
            let request_id = Uuid::new_v4();
            self.sent.requests.fetch_add(1, Ordering::Relaxed);
            self.sent.wire_bytes.fetch_add(body.len() as u64, Ordering::Relaxed);
            let reply = self.client.post(&table.url, &token, body.clone(), request_id).await;
            attempt.jitter = random_fraction();
            match decide(&reply, attempt, self.warm_up) {
                Decision::Acknowledged => {
                    let receipt = self.receipt(table, batch, &body, request_id, &reply);
                    self.state.acknowledge(&table.route, batch, &receipt)?;
                    return Ok(Outcome::Acknowledged);
                }
                Decision::Wait(pause) => self.wait(table, &reply, pause, &mut attempt).await,
                Decision::RefreshToken => self.renew(&token, &mut attempt).await,
                Decision::Halve => return Ok(Outcome::TooLarge(reply.in_words())),
                Decision::Spool => return Ok(Outcome::Refused(reply.in_words())),
                Decision::Fail => return Err(explain::failure(&reply, table, self.client.scope()).into()),
            }
        }
    }

    async fn wait(&self, table: &TableRoute, reply: &Reply, pause: Duration, attempt: &mut Attempt) {
        let status = if let Reply::Answered(answer) = reply { answer.status } else { 1 };
        self.tell(table, status, &format!("not taken yet, trying again: {}", reply.in_words()));
        self.sleeper.sleep(pause).await;
        attempt.repeats += 1;
        attempt.waited += pause;
    }

    async fn renew(&self, refused: &Secret, attempt: &mut Attempt) {
        self.client.forget(refused).await;
        attempt.has_new_token = true;
    }

    fn receipt(&self, table: &TableRoute, batch: &Batch, body: &Bytes, request_id: Uuid, reply: &Reply) -> Receipt {
        Receipt {
            time: Timestamp::now(),
            client_request_id: request_id.to_string(),
            request_id: if let Reply::Answered(answer) = reply { answer.request_id() } else { None },
            table: table.table.clone(),
            route: table.route.clone(),
            rows: batch.rows(),
            bytes: batch.plain_bytes() as u64,
            wire_bytes: body.len() as u64,
            manifest_sha256: self.manifest_sha256.to_owned(),
        }
    }

    /// Tells the responder about a table's trouble, once for each kind.
    fn tell(&self, table: &TableRoute, kind: u16, text: &str) {
        let is_new = self.sent.told.lock().unwrap_or_else(PoisonError::into_inner).insert((table.table.clone(), kind));
        if is_new {
            self.progress.note(&format!("{}: {text}", printable(&table.table)));
        }
    }
}

/// Compresses on a thread of its own, so that several bodies are compressed at a time.
async fn compress(batch: Batch) -> anyhow::Result<(Batch, Bytes)> {
    let work = move || batch.compress().map(|body| (batch, Bytes::from(body)));
    tokio::task::spawn_blocking(work).await.context("compressing ended")?.context("compressing rows")
}

/// A random number from 0 up to 1.
fn random_fraction() -> f64 {
    let random = Uuid::new_v4().as_u64_pair().0;
    f64::from((random >> 32) as u32) / (f64::from(u32::MAX) + 1.0)
}
