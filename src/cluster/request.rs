//! One request with retries above the guard: each attempt passes it and is recorded by itself.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use http_body_util::BodyExt as _;
use kube::client::Body;

use super::{
    connect::Cluster,
    problem::{Problem, ProblemKind},
};

/// How often a request is tried.
const ATTEMPTS: u32 = 4;
/// No answer body of a list or an error is read beyond this.
const LARGEST_BODY: usize = 512 * 1024 * 1024;

/// How long the body of a list or an error may take: a server that stalls must not hold up the run.
const LONGEST_READ: Duration = Duration::from_secs(120);

impl Cluster {
    /// Sends a GET until it is answered well, waiting between attempts as the server asks or twice as long each time.
    pub(super) async fn get(&self, target: &str, headers: &HeaderMap) -> Result<Response<Body>, Problem> {
        let mut attempt = 1;
        loop {
            match self.get_once(target, headers).await {
                Err(problem) if problem.is_transient() && attempt < ATTEMPTS => {
                    let wait = problem.retry_after.map_or_else(|| backoff(attempt), Duration::from_secs);
                    tracing::debug!(target, %problem, attempt, "Trying again");
                    tokio::time::sleep(wait.min(Duration::from_secs(30))).await;
                    attempt += 1;
                }
                answered => return answered,
            }
        }
    }

    /// Sends a GET once. A status other than 2xx is a problem.
    pub(super) async fn get_once(&self, target: &str, headers: &HeaderMap) -> Result<Response<Body>, Problem> {
        let mut request = Request::get(target).body(Body::empty()).map_err(|error| refused(&error))?;
        request.headers_mut().extend(headers.clone());
        self.send(request).await
    }

    /// Sends a POST with a JSON body once and returns the answer's JSON. For the reviews only; the guard sees to that.
    pub(super) async fn post(&self, target: &str, body: &serde_json::Value) -> Result<serde_json::Value, Problem> {
        let request = Request::post(target)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string().into_bytes()))
            .map_err(|error| refused(&error))?;
        let answer = read_body(self.send(request).await?).await?;
        serde_json::from_slice(&answer).map_err(|error| unreachable_answer(&error))
    }

    /// Sends a strategic merge patch once and returns the answer's JSON. For ephemeral containers only; the guard sees to that.
    pub(super) async fn patch(&self, target: &str, body: &serde_json::Value) -> Result<serde_json::Value, Problem> {
        let request = Request::patch(target)
            .header(header::CONTENT_TYPE, "application/strategic-merge-patch+json")
            .body(Body::from(body.to_string().into_bytes()))
            .map_err(|error| refused(&error))?;
        let answer = read_body(self.send(request).await?).await?;
        serde_json::from_slice(&answer).map_err(|error| unreachable_answer(&error))
    }

    async fn send(&self, request: Request<Body>) -> Result<Response<Body>, Problem> {
        let sent = self.client().send(request);
        let answered = match tokio::time::timeout(self.request_timeout(), sent).await {
            Ok(answered) => answered.map_err(|error| from_client(&error))?,
            Err(_) => {
                let seconds = self.request_timeout().as_secs();
                return Err(Problem::new(ProblemKind::Unreachable, format!("no answer within {seconds} s")));
            }
        };
        if answered.status().is_success() {
            return Ok(answered);
        }
        let status = answered.status();
        let retry_after =
            answered.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let body = read_body(answered).await.unwrap_or_default();
        Err(Problem::from_answer(status, retry_after, &body))
    }
}

/// Reads a whole body, up to a bound.
pub(super) async fn read_body(response: Response<Body>) -> Result<Bytes, Problem> {
    let body = http_body_util::Limited::new(response.into_body(), LARGEST_BODY).collect();
    let read = tokio::time::timeout(LONGEST_READ, body).await.map_err(|_| {
        let seconds = LONGEST_READ.as_secs();
        Problem::new(ProblemKind::Unreachable, format!("the answer did not end within {seconds} s"))
    })?;
    read.map(http_body_util::Collected::to_bytes)
        .map_err(|error| Problem::new(ProblemKind::Unreachable, format!("the answer broke off: {error}")))
}

/// The problem that an error of kube's client stands for.
pub(super) fn from_client(error: &kube::Error) -> Problem {
    match error {
        kube::Error::Api(status) => {
            let code = http::StatusCode::from_u16(status.code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
            Problem::from_answer(code, None, status.message.as_bytes())
        }
        kube::Error::Auth(error) => {
            Problem::new(ProblemKind::Unauthenticated, format!("signing in to the cluster failed: {}", chain(error)))
        }
        other => Problem::new(ProblemKind::Unreachable, chain(other)),
    }
}

/// An error with its causes on one line, none of them twice.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let words = next.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = next.source();
    }
    text
}

fn backoff(attempt: u32) -> Duration {
    Duration::from_millis(250 << attempt.min(6))
}

fn refused(error: &dyn std::error::Error) -> Problem {
    Problem::new(ProblemKind::Refused, error.to_string())
}

fn unreachable_answer(error: &serde_json::Error) -> Problem {
    Problem::new(ProblemKind::Unreachable, format!("the answer is not what Kubernetes sends: {error}"))
}
