//! A client of Azure Resource Manager: GET, LIST, PUT, PATCH and DELETE of resources by id, each ending when the resource is in the
//! state that was asked for.
//!
//! Transient answers are repeated, an unregistered provider is registered, a long-running operation is followed to its end.
//! The token goes to the cloud's Resource Manager and its subdomains only, whatever address an answer names.

use std::{sync::Arc, time::Duration};

use azure_core::credentials::Secret;
use http::Method;
use serde_json::Value;
use url::Url;

use super::{
    AzureSession, Claims, Cloud, Pace, Sleeper, TokioSleeper,
    answer::Answer,
    credential_renewal::renewing,
    error::{AzureError, chain},
    operation::{Ask, Effect, Next, begun, polled},
};

/// How often one request is repeated after transient answers.
const ATTEMPTS: u32 = 6;
/// Version of the API of resource providers (<https://learn.microsoft.com/rest/api/resources/providers/register>).
pub const PROVIDERS_VERSION: &str = "2025-04-01";
/// Version of the API of subscriptions (<https://learn.microsoft.com/rest/api/resources/subscriptions>).
pub const SUBSCRIPTIONS_VERSION: &str = "2022-12-01";

/// The client. Cheap to clone.
#[derive(Clone)]
pub struct Arm {
    session: AzureSession,
    sleeper: Arc<dyn Sleeper>,
    pace: Pace,
    attempts: u32,
}

impl Arm {
    /// A client in real time, at the default pace.
    pub fn new(session: AzureSession) -> Self {
        Self { session, sleeper: Arc::new(TokioSleeper), pace: Pace::default(), attempts: ATTEMPTS }
    }

    /// The cloud that it speaks to.
    pub fn cloud(&self) -> &Cloud {
        &self.session.cloud
    }

    /// The same client with another way to wait.
    pub fn with_waiting(self, sleeper: Arc<dyn Sleeper>, pace: Pace) -> Self {
        Self { sleeper, pace, ..self }
    }

    /// The same client, which takes the first answer as the last: for finding out whether there is anybody to talk to.
    pub fn without_repeats(self) -> Self {
        Self { attempts: 1, ..self }
    }

    /// Who the caller is, as the token says. None when the token is opaque.
    pub async fn caller(&self) -> Result<Option<Claims>, AzureError> {
        Ok(Claims::of(self.token(None).await?.secret()))
    }

    /// The same client, which waits no longer than this for one thing.
    pub fn with_patience(&self, patience: Duration) -> Self {
        Self { pace: Pace { patience, ..self.pace }, ..self.clone() }
    }

    /// The resource, or None when there is none. A workspace that is not active yet is an error: its tables may be there.
    pub async fn get(&self, id: &str, version: &str) -> Result<Option<Value>, AzureError> {
        let request = format!("GET {id}");
        let answer = self.send(&Method::GET, &self.url(id, version)?, None, &request).await?;
        match answer.status {
            200..=299 => Ok(answer.body),
            _ => match answer.error(&request) {
                error if error.is_workspace_inactive() => Err(error),
                // A provider that is not registered has made nothing.
                error if answer.status == 404 || error.has_code("MissingSubscriptionRegistration") => Ok(None),
                error => Err(error),
            },
        }
    }

    /// All items of a collection, over all its pages.
    pub async fn list(&self, id: &str, version: &str) -> Result<Vec<Value>, AzureError> {
        let request = format!("GET {id}");
        let mut items = Vec::new();
        let mut next = Some(self.url(id, version)?);
        while let Some(url) = next.take() {
            let answer = self.send(&Method::GET, &url, None, &request).await?;
            if answer.status >= 300 {
                return Err(answer.error(&request));
            }
            let mut body = answer.body.unwrap_or_default();
            if let Some(Value::Array(page)) = body.get_mut("value").map(Value::take) {
                items.extend(page);
            }
            let link = body.get("nextLink").and_then(Value::as_str).filter(|link| !link.is_empty());
            next = link.map(|link| self.named(link, &request)).transpose()?;
        }
        Ok(items)
    }

    /// Creates or replaces the resource and waits until it is ready. Returns the resource.
    pub async fn put(&self, id: &str, version: &str, body: &Value) -> Result<Value, AzureError> {
        self.change(&Method::PUT, id, version, body).await
    }

    /// Changes what the body names of a resource, and waits until that is done. Returns the resource.
    pub async fn patch(&self, id: &str, version: &str, body: &Value) -> Result<Value, AzureError> {
        self.change(&Method::PATCH, id, version, body).await
    }

    async fn change(&self, method: &Method, id: &str, version: &str, body: &Value) -> Result<Value, AzureError> {
        match self.change_once(method, id, version, body).await {
            Err(error) if error.has_code("MissingSubscriptionRegistration") => {
                self.register(id).await?;
                self.change_once(method, id, version, body).await
            }
            result => result,
        }
    }

    async fn change_once(&self, method: &Method, id: &str, version: &str, body: &Value) -> Result<Value, AzureError> {
        let request = format!("{method} {id}");
        let url = self.url(id, version)?;
        let answer = self.send(method, &url, Some(body), &request).await?;
        if answer.status >= 300 {
            return Err(answer.error(&request));
        }
        let next = begun(Effect::Put, &answer, &request, id);
        let last = self.follow(Effect::Put, next, answer, &url, &request).await?;
        last.body
            .ok_or_else(|| AzureError::Unexpected { what: request, problem: "the resource has no body".to_owned() })
    }

    /// Deletes the resource and waits until it is gone. Deleting what is not there is success. `query` is added to the
    /// address, for example `&force=true`.
    pub async fn delete(&self, id: &str, version: &str, query: &str) -> Result<(), AzureError> {
        let request = format!("DELETE {id}");
        let url = self.url(id, &format!("{version}{query}"))?;
        let answer = self.send(&Method::DELETE, &url, None, &request).await?;
        match answer.status {
            // A subscription that is not found is a wrong address, not a resource that is gone.
            404 if !answer.error(&request).has_code("SubscriptionNotFound") => Ok(()),
            300.. => Err(answer.error(&request)),
            _ => {
                let next = begun(Effect::Delete, &answer, &request, id);
                let resource = self.url(id, version)?;
                self.follow(Effect::Delete, next, answer, &resource, &request).await.map(drop)
            }
        }
    }

    /// Repeats an attempt while its error is one that passes by itself, up to the pace's patience.
    pub async fn while_transient<T>(
        &self,
        what: &str,
        is_transient: impl Fn(&AzureError) -> bool,
        mut attempt: impl AsyncFnMut() -> Result<T, AzureError>,
    ) -> Result<T, AzureError> {
        let mut waiting = Waiting::new(self, what);
        loop {
            match attempt().await {
                Err(error) if is_transient(&error) => waiting.pause(None, &error.to_string()).await?,
                result => return result,
            }
        }
    }

    /// Registers the resource's provider in the subscription and waits until it is.
    async fn register(&self, id: &str) -> Result<(), AzureError> {
        let Some((provider, id)) = provider_of(id) else { return Ok(()) };
        tracing::info!("registering {provider} in the subscription");
        let request = format!("POST {id}/register");
        let url = self.url(&format!("{id}/register"), PROVIDERS_VERSION)?;
        let answer = self.send(&Method::POST, &url, None, &request).await?;
        if answer.status >= 300 {
            return Err(answer.error(&request));
        }
        let mut waiting = Waiting::new(self, &request);
        loop {
            let state = self.get(&id, PROVIDERS_VERSION).await?.unwrap_or_default();
            let state = state.get("registrationState").and_then(Value::as_str).unwrap_or("unknown").to_owned();
            if state.eq_ignore_ascii_case("Registered") {
                return Ok(());
            }
            waiting.pause(None, &state).await?;
        }
    }

    /// Follows an operation to its end. Returns the last answer: for a PUT that of the resource itself.
    async fn follow(
        &self,
        effect: Effect,
        mut next: Next,
        mut answer: Answer,
        resource: &Url,
        request: &str,
    ) -> Result<Answer, AzureError> {
        let mut waiting = Waiting::new(self, request);
        loop {
            let ask = match next {
                Next::Done => return Ok(answer),
                Next::Failed(error) => return Err(error),
                Next::Confirm => Ask::Resource,
                Next::Poll(ask) => {
                    waiting.pause(answer.retry_after, &state_of(&answer)).await?;
                    ask
                }
            };
            let url = match &ask {
                Ask::Operation(url) | Ask::Location(url) => self.named(url, request)?,
                Ask::Resource => resource.clone(),
            };
            answer = self.send(&Method::GET, &url, None, request).await?;
            next = polled(effect, &ask, &answer, request);
        }
    }

    /// Sends one request, repeating it after transient answers and broken connections. An error answer is not an `Err`.
    async fn send(
        &self,
        method: &Method,
        url: &Url,
        body: Option<&Value>,
        request: &str,
    ) -> Result<Answer, AzureError> {
        let mut waiting = Waiting::new(self, request);
        for last in (1..=self.attempts).map(|attempt| attempt == self.attempts) {
            let (said, retry_after) = match self.send_once(method, url, body, request).await {
                Ok(answer) if last || !answer.is_transient() => return Ok(answer),
                Ok(answer) => (format!("status {}", answer.status), answer.retry_after),
                Err(error @ AzureError::Unreachable { .. }) if !last => (error.to_string(), None),
                Err(error) => return Err(error),
            };
            waiting.pause(retry_after, &said).await?;
        }
        Err(AzureError::Unexpected { what: request.to_owned(), problem: "it was never sent".to_owned() })
    }

    /// Sends one request. A token that is not accepted is renewed once, and the request repeated: it was not carried out.
    async fn send_once(
        &self,
        method: &Method,
        url: &Url,
        body: Option<&Value>,
        request: &str,
    ) -> Result<Answer, AzureError> {
        let token = self.token(None).await?;
        let answer = self.send_as(&token, method, url, body, request).await?;
        if answer.status != 401 {
            return Ok(answer);
        }
        tracing::debug!("{request}: the token was not accepted, signing in again");
        let token = self.token(Some(&token)).await?;
        self.send_as(&token, method, url, body, request).await
    }

    async fn send_as(
        &self,
        token: &Secret,
        method: &Method,
        url: &Url,
        body: Option<&Value>,
        request: &str,
    ) -> Result<Answer, AzureError> {
        let mut outgoing = self.session.http.request(method.clone(), url.clone()).bearer_auth(token.secret());
        outgoing = match body {
            Some(body) => outgoing.json(body),
            // Without a body the length has to be said, or some front ends answer 411.
            None if method == Method::POST => outgoing.header(http::header::CONTENT_LENGTH, 0),
            None => outgoing,
        };
        let unreachable = |error: reqwest::Error| AzureError::Unreachable {
            host: url.host_str().unwrap_or_default().to_owned(),
            cause: chain(&error.without_url()),
        };
        let response = outgoing.send().await.map_err(unreachable)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.map_err(unreachable)?;
        tracing::debug!("{request} ({}): {status}", url.path());
        Answer::read(request, status, &headers, &bytes)
    }

    /// A token; another one than `refused`, if that is given.
    async fn token(&self, refused: Option<&Secret>) -> Result<Secret, AzureError> {
        let scope = self.session.cloud.resource_manager_scope();
        let token = self.session.credential.get_token(&[&scope], refused.map(renewing)).await;
        token.map(|token| token.token).map_err(|error| AzureError::of_sign_in(&error))
    }

    fn url(&self, id: &str, version: &str) -> Result<Url, AzureError> {
        let base = self.session.cloud.resource_manager.as_str().trim_end_matches('/');
        let (path, query) = id.split_once('?').map_or((id, String::new()), |(path, query)| (path, format!("&{query}")));
        Url::parse(&format!("{base}{path}?api-version={version}{query}"))
            .map_err(|error| AzureError::Unexpected { what: id.to_owned(), problem: format!("no address: {error}") })
    }

    /// An address that an answer named, if the token may go there.
    fn named(&self, url: &str, request: &str) -> Result<Url, AzureError> {
        let base = &self.session.cloud.resource_manager;
        let refuse = |problem: String| AzureError::Unexpected { what: request.to_owned(), problem };
        let url = base.join(url).map_err(|error| refuse(format!("`{url}` is no address: {error}")))?;
        let (ours, theirs) = (base.host_str().unwrap_or_default(), url.host_str().unwrap_or_default());
        let below = theirs.strip_suffix(ours).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        let same_door = url.scheme() == base.scheme() && url.port_or_known_default() == base.port_or_known_default();
        if below && same_door {
            return Ok(url);
        }
        Err(refuse(format!("the answer points to {theirs}, which is not part of {ours}")))
    }
}

/// The provider of a resource, and the id of the provider in the subscription.
fn provider_of(id: &str) -> Option<(&str, String)> {
    let (_, after) = id.rsplit_once("/providers/")?;
    let provider = after.split('/').next()?;
    let subscription = id.strip_prefix("/subscriptions/")?.split('/').next()?;
    Some((provider, format!("/subscriptions/{subscription}/providers/{provider}")))
}

fn state_of(answer: &Answer) -> String {
    let status = answer.body.as_ref().and_then(|body| body.get("status")).and_then(Value::as_str);
    status.or_else(|| answer.provisioning_state()).map_or_else(|| format!("status {}", answer.status), str::to_owned)
}

/// Pauses for one thing: counts them, and gives up when their sum passes the patience. No clock is read.
struct Waiting<'a> {
    arm: &'a Arm,
    what: &'a str,
    attempt: u32,
    waited: Duration,
}

impl<'a> Waiting<'a> {
    fn new(arm: &'a Arm, what: &'a str) -> Self {
        Self { arm, what, attempt: 0, waited: Duration::ZERO }
    }

    /// Waits as long as the service asks, or as the pace says.
    async fn pause(&mut self, asked: Option<Duration>, last: &str) -> Result<(), AzureError> {
        let pause = asked.unwrap_or_else(|| self.arm.pace.pause(self.attempt)).max(Duration::from_millis(20));
        self.attempt += 1;
        self.waited += pause;
        if self.waited > self.arm.pace.patience {
            return Err(AzureError::TookTooLong {
                what: self.what.to_owned(),
                minutes: self.arm.pace.patience.as_secs() / 60,
                last: last.to_owned(),
            });
        }
        tracing::debug!("{}: waiting {pause:?} ({last})", self.what);
        self.arm.sleeper.sleep(pause).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
