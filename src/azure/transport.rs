//! The HTTP transport beneath azure_identity: our own client, so that `ca_file` and proxies apply to sign-in too.
//!
//! azure_identity takes authorities with https only. For an authority on loopback with plain http it is given the https form
//! of the address, and the requests to that one address are turned back here. No other request is touched.

use std::sync::Arc;

use async_trait::async_trait;
use azure_core::{
    cloud::{CloudConfiguration, CustomConfiguration},
    error::{Error, ErrorKind, Result},
    http::{
        AsyncRawResponse, Body, ClientOptions, HttpClient, Request, RetryOptions, StatusCode, Transport, Url,
        headers::{HeaderName, HeaderValue, Headers},
    },
};
use futures::TryStreamExt as _;

use super::{
    Cloud, Sleeper,
    sign_in::{SignInRetry, legible},
};

/// Options for a credential of azure_identity in this cloud.
pub(super) fn client_options(cloud: &Cloud, http: &reqwest::Client, sleeper: &Arc<dyn Sleeper>) -> ClientOptions {
    let plain = (cloud.authority.scheme() == "http").then(|| cloud.authority.clone());
    let mut custom = CustomConfiguration::default();
    custom.authority_host = protected(&cloud.authority).to_string();
    ClientOptions {
        transport: Some(Transport::new(Arc::new(IdentityTransport { http: http.clone(), plain }))),
        cloud: Some(Arc::new(CloudConfiguration::from(custom))),
        retry: RetryOptions::custom(Arc::new(SignInRetry::new(Arc::clone(sleeper)))),
        ..ClientOptions::default()
    }
}

/// The same options over another client, for addresses that are never the authority's.
pub(super) fn through(options: ClientOptions, http: &reqwest::Client) -> ClientOptions {
    let transport = Transport::new(Arc::new(IdentityTransport { http: http.clone(), plain: None }));
    ClientOptions { transport: Some(transport), ..options }
}

/// The same options without retries, for places that may not be there at all.
pub(super) fn impatient(options: ClientOptions) -> ClientOptions {
    ClientOptions { retry: RetryOptions::none(), ..options }
}

/// The https form of an address.
fn protected(url: &Url) -> Url {
    let mut url = url.clone();
    // Only fails for addresses without a host, which `Cloud` does not take.
    url.set_scheme("https").unwrap_or_default();
    url
}

#[derive(Debug)]
struct IdentityTransport {
    http: reqwest::Client,
    /// The authority, when it is plain http on loopback.
    plain: Option<Url>,
}

impl IdentityTransport {
    fn target(&self, url: &Url) -> Url {
        let mut target = url.clone();
        if let Some(plain) = &self.plain
            && protected(plain).origin() == url.origin()
        {
            target.set_scheme("http").unwrap_or_default();
            target.set_port(plain.port()).unwrap_or_default();
        }
        target
    }
}

#[async_trait]
impl HttpClient for IdentityTransport {
    async fn execute_request(&self, request: &Request) -> Result<AsyncRawResponse> {
        let method = http::Method::from_bytes(request.method().as_ref().as_bytes())
            .map_err(|error| Error::new(ErrorKind::Other, error))?;
        let mut outgoing = self.http.request(method, self.target(request.url()));
        for (name, value) in request.headers().iter() {
            outgoing = outgoing.header(name.as_str(), value.as_str());
        }
        let body = match request.body() {
            Body::Bytes(bytes) => bytes.clone(),
            Body::SeekableStream(_) => {
                return Err(Error::with_message(ErrorKind::Other, "sign-in requests are never streams"));
            }
        };
        let response = outgoing.body(body).send().await.map_err(|error| {
            let kind = if error.is_connect() { ErrorKind::Connection } else { ErrorKind::Io };
            let message = super::error::chain(&error);
            Error::with_error(kind, error, message)
        })?;
        let status = StatusCode::from(response.status().as_u16());
        let headers = headers(response.headers());
        if u16::from(status) >= 400 && request.url().path().ends_with("/oauth2/v2.0/token") {
            let body = response.bytes().await.map_err(|error| Error::new(ErrorKind::Io, error))?;
            let body = legible(request.url().host_str().unwrap_or_default(), u16::from(status), &body);
            return Ok(AsyncRawResponse::from_bytes(status, headers, body));
        }
        let stream = response.bytes_stream().map_err(|error| Error::new(ErrorKind::Io, error));
        Ok(AsyncRawResponse::new(status, headers, Box::pin(stream)))
    }
}

fn headers(map: &http::HeaderMap) -> Headers {
    let text = map.iter().filter_map(|(name, value)| Some((name, value.to_str().ok()?)));
    let pairs =
        text.map(|(name, value)| (HeaderName::from(name.as_str().to_owned()), HeaderValue::from(value.to_owned())));
    Headers::from(pairs.collect::<std::collections::HashMap<_, _>>())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn only_the_plain_authority_is_rewritten() {
        let plain = Some(Url::parse("http://127.0.0.1:8443").unwrap());
        let transport = IdentityTransport { http: reqwest::Client::new(), plain };
        let target = |url: &str| transport.target(&Url::parse(url).unwrap()).to_string();
        assert_eq!(target("https://127.0.0.1:8443/t/oauth2/v2.0/token"), "http://127.0.0.1:8443/t/oauth2/v2.0/token");
        for untouched in ["https://127.0.0.1:8444/t", "http://169.254.169.254/metadata", "https://login.example.net/t"]
        {
            assert_eq!(target(untouched), untouched);
        }
    }

    #[test]
    fn a_plain_authority_on_the_standard_port_is_found_again() {
        let plain = Some(Url::parse("http://127.0.0.1").unwrap());
        let transport = IdentityTransport { http: reqwest::Client::new(), plain };
        assert_eq!(transport.target(&Url::parse("https://127.0.0.1/t").unwrap()).as_str(), "http://127.0.0.1/t");
    }

    #[tokio::test]
    async fn a_secret_is_exchanged_over_plain_http_on_loopback() {
        use axum::{Form, Json, extract::Path, routing::post};
        let answer = async |Path(tenant): Path<String>, Form(form): Form<std::collections::HashMap<String, String>>| {
            let token = format!("{tenant} {} {}", form["client_secret"], form["scope"]);
            Json(serde_json::json!({"token_type": "Bearer", "expires_in": 3600, "access_token": token}))
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = axum::Router::new().route("/{tenant}/oauth2/v2.0/token", post(answer));
        let server = tokio::spawn(async { axum::serve(listener, routes).await });
        let cloud =
            Cloud { authority: Url::parse(&format!("http://{address}")).unwrap(), ..Cloud::open("public").unwrap() };
        let settings = crate::azure::CredentialSettings {
            auth: crate::azure::AzureAuth::ClientSecret,
            tenant_id: Some("tenant-1".into()),
            client_id: Some("app-1".into()),
            client_secret: Some("s3cret".to_owned().into()),
            ..Default::default()
        };
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let sleeper: Arc<dyn Sleeper> = Arc::new(crate::azure::TokioSleeper);
        let credential = settings.open(&cloud, &http, &sleeper).unwrap();
        let token = credential.get_token(&["https://m/.default"], None).await.unwrap();
        assert_eq!(token.token.secret(), "tenant-1 s3cret https://m/.default");
        server.abort();
    }
}
