//! What can go wrong with a request, sorted by what the caller does about it.

use std::fmt;

use http::StatusCode;

/// The kind of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// 401: the credential is not accepted.
    Unauthenticated,
    /// 403: the right is missing.
    Denied,
    /// 404: it is not there.
    NotFound,
    /// 410: the list's pages expired.
    Gone,
    /// 400 and other refusals that repeating does not change.
    Refused,
    /// The server, the kubelet or the way to them failed; repeating may help.
    Unreachable,
    /// The guard does not let this request out.
    Forbidden,
    /// The bundle cannot take what was read (a full disk): the run must stop.
    Local,
}

/// A request that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind.
    pub kind: ProblemKind,
    /// HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// The server's words, or the cause.
    pub message: String,
    /// Seconds that the server asked to wait.
    pub retry_after: Option<u64>,
}

impl Problem {
    /// A problem without an answer from the server.
    pub fn new(kind: ProblemKind, message: impl Into<String>) -> Self {
        Self { kind, status: None, message: message.into(), retry_after: None }
    }

    /// The problem that an answer stands for. The body is a `metav1.Status` from the API server, or plain text from a kubelet
    /// or a proxy in between.
    pub fn from_answer(status: StatusCode, retry_after: Option<u64>, body: &[u8]) -> Self {
        let words: Option<String> = serde_json::from_slice::<serde_json::Value>(body)
            .ok()
            .and_then(|body| body.get("message").and_then(serde_json::Value::as_str).map(str::to_owned));
        let words = words.unwrap_or_else(|| String::from_utf8_lossy(body.get(..500).unwrap_or(body)).trim().to_owned());
        let kind = match status.as_u16() {
            401 => ProblemKind::Unauthenticated,
            403 => ProblemKind::Denied,
            404 => ProblemKind::NotFound,
            410 => ProblemKind::Gone,
            408 | 429 | 500..=599 => ProblemKind::Unreachable,
            _ => ProblemKind::Refused,
        };
        let message =
            if words.is_empty() { format!("HTTP {status}") } else { format!("{words} (HTTP {})", status.as_u16()) };
        Self { kind, status: Some(status.as_u16()), message, retry_after }
    }

    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        self.kind == ProblemKind::Unreachable
    }

    /// What to do about it, where that can be said.
    pub fn fix(&self) -> Option<&'static str> {
        match self.kind {
            ProblemKind::Unauthenticated => Some("sign in again: the credential in the kubeconfig was not accepted"),
            ProblemKind::Denied => Some(
                "ask for the rights in plugin/rbac/, or narrow the scope with -n; what is allowed is collected anyway",
            ),
            ProblemKind::Unreachable => {
                Some("check --server, the context and the network (`kubectl version` should answer)")
            }
            _ => None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}
