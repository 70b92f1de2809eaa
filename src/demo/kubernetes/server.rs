//! The listener on loopback and the way of a request: record, authenticate, find the kind, check the rights, answer.

use super::faults::Faults;
use super::happenings::Happenings;
use super::reply::{self, Reply};
use super::request::{Query, Target};
use super::store::Store;
use super::{access, catalog, exec, list, log_endpoint, node_files};
use crate::demo::scenario::{Denial, RecordedContainer};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use jiff::Timestamp;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The largest request body that is read.
const BODY_LIMIT: usize = 1024 * 1024;

/// A request as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedRequest {
    /// HTTP method.
    pub method: String,
    /// Path and query as sent.
    pub uri: String,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// The `Audit-ID` header, where the client sent one.
    pub audit_id: Option<String>,
    /// Status of the answer.
    pub status: u16,
}

/// All that answering needs.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) now: Timestamp,
    pub(super) token: String,
    pub(super) store: Store,
    pub(super) containers: Mutex<Vec<Arc<RecordedContainer>>>,
    pub(super) denials: Vec<Denial>,
    pub(super) faults: Faults,
    pub(super) node_files: node_files::NodeFiles,
    pub(super) happenings: Happenings,
    pub(super) requests: Mutex<Vec<RecordedRequest>>,
}

impl Server {
    /// The recording of a container.
    pub(super) fn container(&self, namespace: &str, pod: &str, container: &str) -> Option<Arc<RecordedContainer>> {
        let ours = |known: &&Arc<RecordedContainer>| {
            known.namespace == namespace && known.pod == pod && known.container == container
        };
        self.containers.lock().unwrap_or_else(PoisonError::into_inner).iter().find(ours).cloned()
    }

    /// Adds the recording of a container, or puts it in the place of the one there is.
    pub(super) fn record(&self, container: RecordedContainer) {
        let same = |known: &Arc<RecordedContainer>| {
            (&known.namespace, &known.pod, &known.container)
                == (&container.namespace, &container.pod, &container.container)
        };
        let mut containers = self.containers.lock().unwrap_or_else(PoisonError::into_inner);
        containers.retain(|known| !same(known));
        containers.push(Arc::new(container));
    }
}

/// Accepts connections until it is dropped, and with it every connection.
pub(super) async fn serve(listener: TcpListener, server: Arc<Server>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&server)));
                }
                Err(error) => tracing::debug!(%error, "the in-process Kubernetes API could not accept a connection"),
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, server: Arc<Server>) {
    let service = service_fn(move |request| {
        let server = Arc::clone(&server);
        async move { Ok::<_, Infallible>(answer(&server, request).await) }
    });
    let builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    if let Err(error) = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection to the in-process Kubernetes API ended early");
    }
}

async fn answer(server: &Arc<Server>, request: Request<Incoming>) -> Reply {
    let text =
        |headers: &HeaderMap, name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut record = RecordedRequest {
        method: request.method().to_string(),
        uri: request.uri().to_string(),
        user_agent: text(request.headers(), "user-agent").unwrap_or_default(),
        audit_id: text(request.headers(), "audit-id"),
        status: 0,
    };
    let mut reply = dispatch(server, request).await;
    record.status = reply.status().as_u16();
    // As the API server does: the client's audit id comes back, so that a gap can be found in the audit log.
    let audit = record.audit_id.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    if let Ok(value) = HeaderValue::from_str(&audit) {
        reply.headers_mut().insert("audit-id", value);
    }
    server.requests.lock().unwrap_or_else(PoisonError::into_inner).push(record);
    reply
}

async fn dispatch(server: &Arc<Server>, request: Request<Incoming>) -> Reply {
    if !access::authenticated(server, request.headers()) {
        return access::unauthorized();
    }
    let path = request.uri().path().to_owned();
    if request.method() == Method::GET {
        if matches!(path.as_str(), "/healthz" | "/livez" | "/readyz") {
            return reply::text(StatusCode::OK, "ok");
        }
        if let Some(document) = catalog::discovery(&path) {
            return reply::object(StatusCode::OK, &document);
        }
        if let Some(file) = node_files::asked(&path) {
            return match server.faults.answer("nodes/proxy") {
                Some((code, retry_after)) => refused(code, retry_after),
                None => node_files::answer(server, file),
            };
        }
    }
    let Some(target) = Target::parse(&path) else { return reply::unknown_path() };
    if request.method() == Method::POST && target.name.is_none() {
        return posted(server, &target, request).await;
    }
    resource(server, &target, request).await
}

async fn posted(server: &Server, target: &Target, request: Request<Incoming>) -> Reply {
    let body = match Limited::new(request.into_body(), BODY_LIMIT).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => Bytes::new(),
    };
    if let Some((code, retry_after)) = server.faults.answer(&target.rule_name()) {
        return refused(code, retry_after);
    }
    access::review(server, target, &body).unwrap_or_else(read_only)
}

async fn resource(server: &Arc<Server>, target: &Target, request: Request<Incoming>) -> Reply {
    let Some(resource) = catalog::find(&target.group, &target.version, &target.plural) else {
        return reply::unknown_path();
    };
    let query = Query::parse(request.uri().query().unwrap_or_default());
    server.happenings.before(server, target);
    let exec = target.subresource.as_deref() == Some("exec");
    let verb = match (request.method(), &target.name) {
        (&Method::POST, _) if exec => "create",
        (&Method::GET, Some(_)) => "get",
        (&Method::GET, None) if query.flag("watch") => "watch",
        (&Method::GET, None) => "list",
        _ => return read_only(),
    };
    if let Some((code, retry_after)) = server.faults.answer(&target.rule_name()) {
        return refused(code, retry_after);
    }
    if !access::allowed(server, &target.rule_name(), target.namespace.as_deref()) {
        return reply::forbidden(access::USER, verb, target);
    }
    match (&target.name, target.subresource.as_deref()) {
        (None, _) if verb == "watch" => list::watch(server, resource, target, &query),
        (None, _) => list::list(server, resource, target, &query),
        (Some(name), None) => list::get(server, resource, target, name),
        (Some(name), Some("log")) if target.plural == "pods" => log_endpoint::answer(server, target, name, &query),
        (Some(name), Some("exec")) if target.plural == "pods" => exec::answer(server, target, name, &query, request),
        _ => reply::unknown_path(),
    }
}

fn read_only() -> Reply {
    let message = "the server does not allow this method on the requested resource";
    reply::failure(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
}

fn refused(code: u16, retry_after: Option<u32>) -> Reply {
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let (reason, message) = match code {
        StatusCode::TOO_MANY_REQUESTS => {
            ("TooManyRequests", "the server has received too many requests and has asked us to try again later")
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            ("ServiceUnavailable", "the server is currently unable to handle the request")
        }
        _ => ("InternalError", "Internal error occurred: the recording was told to fail"),
    };
    let mut reply = reply::failure(code, reason, message);
    if let Some(seconds) = retry_after {
        reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    reply
}
