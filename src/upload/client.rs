//! The ingestion endpoint over HTTP: one body, one answer. What the answer means is [`super::retry`]'s.

use std::{sync::Arc, time::Duration};

use azure_core::{
    credentials::{AccessToken, Secret, TokenCredential},
    time::OffsetDateTime,
};
use bytes::Bytes;
use tokio::sync::Mutex;
use url::Url;
use uuid::Uuid;

use super::answer::{Answer, Reply};
use crate::{
    azure::{AzureError, renewing},
    failure::Failure,
};

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
    tokens: Mutex<Tokens>,
}

/// What is known about tokens.
#[derive(Default)]
struct Tokens {
    kept: Option<AccessToken>,
    /// One that the service did not take; the credential may still keep it.
    refused: Option<Secret>,
}

impl Client {
    /// A client. `audience` is the cloud's audience for ingestion, such as `https://monitor.azure.com`.
    pub fn new(http: reqwest::Client, credential: Arc<dyn TokenCredential>, audience: &str) -> Self {
        let scope = format!("{}/.default", audience.trim_end_matches('/'));
        Self { http, credential, scope, tokens: Mutex::default() }
    }

    /// The scope that tokens are asked for.
    pub(super) fn scope(&self) -> &str {
        &self.scope
    }

    /// A token that is valid for a while. Errors when signing in fails.
    pub(super) async fn token(&self) -> anyhow::Result<Secret> {
        let mut tokens = self.tokens.lock().await;
        if let Some(token) = &tokens.kept
            && token.expires_on > OffsetDateTime::now_utc() + RENEW_BEFORE
        {
            return Ok(token.token.clone());
        }
        let options = tokens.refused.as_ref().map(renewing);
        let token = self.credential.get_token(&[&self.scope], options).await;
        let token = token.map_err(|error| sign_in_failure(&error, &self.scope))?;
        tokens.refused = None;
        Ok(tokens.kept.insert(token).token.clone())
    }

    /// Forgets a token that the service did not take, unless another request has renewed it already.
    pub(super) async fn forget(&self, refused: &Secret) {
        let mut tokens = self.tokens.lock().await;
        if tokens.kept.take_if(|kept| kept.token == *refused).is_some() {
            tokens.refused = Some(refused.clone());
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

fn sign_in_failure(error: &azure_core::Error, scope: &str) -> Failure {
    let failure = Failure::from(AzureError::of_sign_in(error));
    Failure { message: format!("no token for {scope}: {}", failure.message), ..failure }
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
