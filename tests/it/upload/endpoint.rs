//! An ingestion endpoint on loopback that does what a test tells it to, and remembers the rows it accepted.

use std::{
    collections::VecDeque,
    io::Read as _,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::sync::watch;

/// What the endpoint does with one request.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Takes the rows.
    Accept,
    /// Answers a status, with an error code and a Retry-After.
    Answer(u16, &'static str, Option<u64>),
    /// Ends the connection without an answer, after taking the rows or not.
    Reset { accepting: bool },
    /// Never answers.
    Hang,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) headers: http::HeaderMap,
    pub(super) wire_bytes: usize,
    pub(super) plain_bytes: usize,
    pub(super) rows: Vec<Value>,
}

type Rule = Box<dyn Fn(&Seen) -> Option<Act> + Send + Sync>;

struct Shared {
    acts: Mutex<VecDeque<Act>>,
    rule: Rule,
    seen: Mutex<Vec<Seen>>,
    accepted: Mutex<Vec<u64>>,
    hanging: watch::Sender<bool>,
}

/// The endpoint. Serves until the test ends.
pub(super) struct Endpoint {
    pub(super) address: String,
    shared: Arc<Shared>,
}

impl Endpoint {
    /// Starts one that plays `acts` in order and accepts what comes after.
    pub(super) async fn start(acts: impl IntoIterator<Item = Act>) -> Self {
        Self::start_with_rule(acts, |_| None).await
    }

    /// Starts one whose acts are followed by a rule that looks at the request.
    pub(super) async fn start_with_rule(
        acts: impl IntoIterator<Item = Act>,
        rule: impl Fn(&Seen) -> Option<Act> + Send + Sync + 'static,
    ) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            acts: Mutex::new(acts.into_iter().collect()),
            rule: Box::new(rule),
            seen: Mutex::default(),
            accepted: Mutex::default(),
            hanging: watch::channel(false).0,
        });
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                let service = service_fn(move |request| answer(Arc::clone(&shared), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, shared }
    }

    /// Every request that came.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// The numbers of the accepted rows, sorted.
    pub(super) fn accepted(&self) -> Vec<u64> {
        let mut rows = self.shared.accepted.lock().unwrap().clone();
        rows.sort_unstable();
        rows
    }

    /// Returns when a request is being left without an answer.
    pub(super) async fn hangs(&self) {
        self.shared.hanging.subscribe().wait_for(|hanging| *hanging).await.unwrap();
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let seen = read(request).await;
    let act = shared.acts.lock().unwrap().pop_front();
    let act = act.or_else(|| (shared.rule)(&seen)).unwrap_or(Act::Accept);
    let numbers = seen.rows.iter().map(number).collect::<Vec<_>>();
    shared.seen.lock().unwrap().push(seen);
    match act {
        Act::Accept => shared.accepted.lock().unwrap().extend(numbers),
        Act::Answer(status, code, retry_after) => return Ok(error(status, code, retry_after)),
        Act::Reset { accepting } => {
            if accepting {
                shared.accepted.lock().unwrap().extend(numbers);
            }
            return Err(std::io::Error::other("the test ends the connection"));
        }
        Act::Hang => {
            shared.hanging.send_replace(true);
            std::future::pending::<()>().await;
        }
    }
    Ok(Response::builder().status(204).header("x-ms-request-id", "service-id").body(Full::default()).unwrap())
}

fn error(status: u16, code: &str, retry_after: Option<u64>) -> Response<Full<Bytes>> {
    let body = json!({"error": {"code": code, "message": format!("the words for {code}")}}).to_string();
    let mut response = Response::builder().status(status);
    if let Some(seconds) = retry_after {
        response = response.header("retry-after", seconds);
    }
    response.body(Full::from(body)).unwrap()
}

async fn read(request: Request<Incoming>) -> Seen {
    let (head, body) = request.into_parts();
    let wire = body.collect().await.unwrap().to_bytes();
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&wire[..]).read_to_end(&mut plain).unwrap();
    Seen {
        path: head.uri.to_string(),
        headers: head.headers,
        wire_bytes: wire.len(),
        plain_bytes: plain.len(),
        rows: serde_json::from_slice(&plain).unwrap(),
    }
}

/// The number of a row, which stands in a column that its table has.
pub(super) fn number(row: &Value) -> u64 {
    ["restart_count", "count"].iter().find_map(|column| row[column].as_u64()).unwrap()
}
