//! Read-only by construction: the one gate through which every request to the cluster leaves.
//!
//! What is not on the list of methods and paths is refused here, in code, whatever asked for it. What passes gets an `Audit-ID` of
//! ours and the `User-Agent` of the run, and is recorded in [`Actions`]. The gate sits outside of kube's
//! own layers: tokens are added behind it and never seen here.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response};
use http_body::{Frame, SizeHint};
use kube::client::Body;
use tower::{BoxError, Layer, Service};
use uuid::Uuid;

use super::{
    actions::{Actions, Answer},
    level::{Level, Levels},
};

/// Header that names a request in the audit log (kube-apiserver, `audit.k8s.io/v1` `auditID`).
pub(super) const AUDIT_ID: &str = "audit-id";

/// The level that a request belongs to; none when no level lets it out. Core are reads of anything but secrets and node proxies, and
/// the reviews that ask what is allowed.
///
/// `GET` with `watch` or `follow` reads, too. Exec over WebSocket is a `GET` or `POST` on the `exec` subresource. Of a node's proxy
/// only the log files of pods can be read (`/logs/pods/…`, kubelet's system log handler).
pub fn level_of(method: &Method, path: &str) -> Option<Level> {
    let path = path.strip_suffix('/').filter(|path| path.contains("/proxy/logs/")).unwrap_or(path);
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    if parts.iter().any(|part| part.is_empty() || part.contains('%') || *part == ".." || *part == ".") && path != "/" {
        return None;
    }
    match parts.as_slice() {
        ["api", "v1", "namespaces", _, "pods", _, "exec"] => {
            (*method == Method::GET || *method == Method::POST).then_some(Level::Exec)
        }
        ["api", "v1", "namespaces", _, "pods", _, "ephemeralcontainers"] => {
            (*method == Method::PATCH).then_some(Level::DebugContainer)
        }
        ["api", "v1", "nodes", _, "proxy", "logs", "pods", ..] => (*method == Method::GET).then_some(Level::NodeLogs),
        parts => is_core(method, parts).then_some(Level::Core),
    }
}

fn is_core(method: &Method, parts: &[&str]) -> bool {
    match parts {
        ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"]
        | ["apis", "authentication.k8s.io", "v1", "selfsubjectreviews"] => *method == Method::POST,
        _ if *method != Method::GET => false,
        ["version"] | ["api"] | ["apis"] => true,
        ["api", "v1", "namespaces", _, "pods", _, "log"] => true,
        ["api", "v1", rest @ ..] | ["apis", _, _, rest @ ..] => is_readable(rest),
        _ => false,
    }
}

/// Whether the resource part of a path is a list or an object that is collected, and no subresource.
fn is_readable(parts: &[&str]) -> bool {
    let parts = match parts {
        ["namespaces", _, rest @ ..] if !rest.is_empty() => rest,
        _ => parts,
    };
    matches!(parts, [] | [_] | [_, _]) && !matches!(parts.first(), Some(&"secrets"))
}

/// The gate as a layer for kube's client.
#[derive(Clone)]
pub struct Guard {
    actions: Actions,
    user_agent: HeaderValue,
    levels: Levels,
}

impl Guard {
    /// A gate that lets out what belongs to `levels`, records in `actions` and names the run in the User-Agent.
    pub fn new(actions: Actions, run_id: &str, levels: Levels) -> anyhow::Result<Self> {
        let name = format!("kubectl-forensys/{} run/{run_id}", env!("CARGO_PKG_VERSION"));
        Ok(Self { actions, user_agent: HeaderValue::from_str(&name)?, levels })
    }
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;
    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, guard: self.clone() }
    }
}

/// A client service behind the gate.
pub struct Guarded<S> {
    inner: S,
    guard: Guard,
}

impl<S, B> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
{
    type Response = Response<Recorded<B>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let answer = match self.admit(&mut request) {
            Ok(answer) => answer,
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        };
        let sent = self.inner.call(request);
        Box::pin(async move {
            let mut answer = answer;
            match sent.await {
                Ok(response) => {
                    answer.status = Some(response.status().as_u16());
                    Ok(response.map(|body| Recorded { body, answer: Some(answer) }))
                }
                Err(error) => {
                    answer.error = Some(error.to_string());
                    Err(error)
                }
            }
        })
    }
}

impl<S> Guarded<S> {
    /// Refuses a request, or names it and records that it leaves.
    fn admit(&self, request: &mut Request<Body>) -> Result<Answer, BoxError> {
        let path = request.uri().path();
        let level = level_of(request.method(), path);
        if level.is_none_or(|level| !self.guard.levels.has(level)) {
            return Err(format!("{} {path} is not on the list of requests that may leave", request.method()).into());
        }
        let id = match request.headers().get(AUDIT_ID).and_then(|value| value.to_str().ok()) {
            Some(id) => id.to_owned(),
            None => Uuid::new_v4().to_string(),
        };
        let headers = request.headers_mut();
        headers.insert(AUDIT_ID, HeaderValue::from_str(&id)?);
        headers.insert(http::header::USER_AGENT, self.guard.user_agent.clone());
        let target =
            request.uri().path_and_query().map_or_else(|| request.uri().path().to_owned(), ToString::to_string);
        Ok(self.guard.actions.sent(&id, request.method().as_str(), &target)?)
    }
}

/// A body whose bytes are counted for the record.
pub struct Recorded<B> {
    body: B,
    answer: Option<Answer>,
}

impl<B: http_body::Body<Data = Bytes> + Unpin> http_body::Body for Recorded<B>
where
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let Poll::Ready(frame) = polled else { return Poll::Pending };
        Poll::Ready(match frame {
            None => {
                self.answer = None;
                None
            }
            Some(Ok(frame)) => {
                if let (Some(answer), Some(data)) = (&mut self.answer, frame.data_ref()) {
                    answer.bytes += data.len() as u64;
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                let error = error.into();
                if let Some(answer) = &mut self.answer {
                    answer.error = Some(error.to_string());
                }
                self.answer = None;
                Some(Err(error))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_allowed(method: &Method, path: &str) -> bool {
        level_of(method, path).is_some()
    }

    #[test]
    fn what_leaves_a_footprint_belongs_to_a_level_of_its_own() {
        for (method, path, level) in [
            (Method::GET, "/api/v1/pods", Level::Core),
            (Method::GET, "/api/v1/namespaces/shop/pods/web/exec", Level::Exec),
            (Method::GET, "/api/v1/nodes/n1/proxy/logs/pods/shop_web_u/app/", Level::NodeLogs),
            (Method::GET, "/api/v1/nodes/n1/proxy/logs/pods/shop_web_u/app/0.log.20260102-030405.gz", Level::NodeLogs),
            (Method::PATCH, "/api/v1/namespaces/shop/pods/web/ephemeralcontainers", Level::DebugContainer),
        ] {
            assert_eq!(level_of(&method, path), Some(level), "{path}");
        }
        let core = Levels::default();
        assert!(core.has(Level::Core) && !Level::ALL[1..].iter().any(|level| core.has(*level)));
    }

    #[test]
    fn reads_pass_and_writes_do_not() {
        let get = |path| is_allowed(&Method::GET, path);
        assert!(get("/version"));
        assert!(get("/api/v1/pods"));
        assert!(get("/api/v1/namespaces/shop/pods/web/log"));
        assert!(get("/apis/rbac.authorization.k8s.io/v1/clusterroles"));
        assert!(get("/api/v1/namespaces/kube-system"));
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            assert!(!is_allowed(&method, "/api/v1/namespaces/shop/pods/web"), "{method}");
            assert!(!is_allowed(&method, "/api/v1/pods"), "{method}");
        }
    }

    #[test]
    fn secrets_proxies_and_odd_paths_do_not_pass() {
        for path in [
            "/api/v1/secrets",
            "/api/v1/namespaces/shop/secrets/token",
            "/api/v1/nodes/n1/proxy/run",
            "/api/v1/nodes/n1/proxy/logs/audit.log",
            "/api/v1/nodes/n1/proxy/logs/pods/../audit.log",
            "/api/v1/nodes/n1/proxy/logs/pods/./x//y",
            "/api/v1/namespaces/shop/pods/web/attach",
            "/api/v1/namespaces/shop/pods/web/portforward",
            "/api/v1/namespaces/shop/../secrets",
            "/api/v1/namespaces/%2e%2e/secrets",
            "/logs/",
        ] {
            assert!(!is_allowed(&Method::GET, path), "{path}");
        }
    }

    #[test]
    fn exec_and_the_reviews_pass() {
        assert!(is_allowed(&Method::POST, "/api/v1/namespaces/shop/pods/web/exec"));
        assert!(is_allowed(&Method::POST, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"));
        assert!(!is_allowed(&Method::POST, "/apis/authorization.k8s.io/v1/subjectaccessreviews"));
    }
}
