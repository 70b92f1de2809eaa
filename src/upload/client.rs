//! The ingestion endpoint over HTTP: one body, one answer. What the answer means is [`super::retry`]'s.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use azure_core::{
    credentials::{AccessToken, Secret, TokenCredential},
    time::OffsetDateTime,
};
use bytes::Bytes;
use tokio::sync::Mutex;
use url::Url;
use uuid::Uuid;

use super::answer::{Answer, Reply};
use crate::azure::renewing;

/// How long one request may take: 1 MB over the slowest line that is still of use.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
/// A token is renewed when it is valid for less than this.
const RENEW_BEFORE: Duration = Duration::from_secs(120);
/// How much of an error's body is read.
const LONGEST_BODY: usize = 64 * 1024;

/// Posts bodies to ingestion endpoints, as somebody.
pub struct Client {
    http: reqwest::Client,
    credential: Arc<dyn TokenCredential>,
    scope: String,
    token: Mutex<Option<AccessToken>>,
    /// The last token was refused; the credential may still keep it.
    is_refused: AtomicBool,
}

impl Client {
    /// A client. `audience` is the cloud's audience for ingestion, such as `https://monitor.azure.com`.
    pub fn new(http: reqwest::Client, credential: Arc<dyn TokenCredential>, audience: &str) -> Self {
        let scope = format!("{}/.default", audience.trim_end_matches('/'));
        Self { http, credential, scope, token: Mutex::new(None), is_refused: AtomicBool::new(false) }
    }

    /// The scope that tokens are asked for.
    pub(super) fn scope(&self) -> &str {
        &self.scope
    }

    /// A token that is valid for a while. Errors when signing in fails.
    pub(super) async fn token(&self) -> anyhow::Result<Secret> {
        let mut kept = self.token.lock().await;
        if let Some(token) = kept.as_ref()
            && token.expires_on > OffsetDateTime::now_utc() + RENEW_BEFORE
        {
            return Ok(token.token.clone());
        }
        let token = self
            .credential
            .get_token(&[&self.scope], self.is_refused.swap(false, Ordering::Relaxed).then(renewing))
            .await
            .with_context(|| format!("signing in to Azure for {}", self.scope))?;
        Ok(kept.insert(token).token.clone())
    }

    /// Forgets a token that the service did not take, unless another request has renewed it already.
    pub(super) async fn forget(&self, refused: &Secret) {
        if self.token.lock().await.take_if(|kept| kept.token == *refused).is_some() {
            self.is_refused.store(true, Ordering::Relaxed);
        }
    }

    /// Posts one gzip body.
    pub(super) async fn post(&self, url: &Url, token: &Secret, body: Bytes, request_id: Uuid) -> Reply {
        let request = self
            .http
            .post(url.clone())
            .bearer_auth(token.secret())
            .header(http::header::CONTENT_TYPE, "application/json")
            .header(http::header::CONTENT_ENCODING, "gzip")
            .header("x-ms-client-request-id", request_id.to_string())
            .timeout(REQUEST_TIMEOUT)
            .body(body);
        match read_answer(request).await {
            Ok(answer) => Reply::Answered(answer),
            Err(error) => Reply::Lost(format!("{:#}", anyhow::Error::new(error.without_url()))),
        }
    }
}

async fn read_answer(request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
    let mut response = request.send().await?;
    let mut body = Vec::new();
    // What a 204 says is in its status alone: a connection that breaks after it takes nothing back.
    if response.status() != http::StatusCode::NO_CONTENT {
        while body.len() < LONGEST_BODY
            && let Some(piece) = response.chunk().await?
        {
            body.extend_from_slice(&piece);
        }
    }
    Ok(Answer { status: response.status().as_u16(), headers: response.headers().clone(), body })
}
