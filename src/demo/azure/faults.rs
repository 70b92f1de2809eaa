//! What goes wrong on purpose. A fault matches requests by method and path, lets the first ones through, then acts on
//! some or all of the rest. In a file, a list of them:
//!
//! ```json
//! [
//!   {"method": "POST", "path": "*/streams/Custom-kubelogs_CL", "after": 3, "times": 2,
//!    "answer": {"status": 429, "retry_after": 1}},
//!   {"path": "/subscriptions/*", "times": 1, "answer": {"status": 409, "code": "Conflict", "message": "try again"}},
//!   {"path": "*", "delay_ms": 50},
//!   {"path": "*/streams/*", "after": 10, "times": 1, "cut": "after"},
//!   {"path": "*/streams/*", "after": 5, "times": 1, "expire_token": true},
//!   {"path": "*/oauth2/v2.0/token", "times": 1, "answer": {"status": 401,
//!    "body": {"error": "invalid_client", "error_description": "AADSTS7000222: expired", "error_codes": [7000222]}}},
//!   {"path": "*/operationstatuses/*", "times": 1, "alter": "failed_operation"}
//! ]
//! ```

use std::path::Path;

use anyhow::Context as _;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Answer;

/// One thing that goes wrong.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// HTTP method; absent matches all.
    #[serde(default)]
    pub method: Option<String>,
    /// The request's path without its query, in any case; `*` stands for any text.
    pub path: String,
    /// How many matching requests pass first.
    #[serde(default)]
    pub after: u64,
    /// How many are then acted on; absent means all.
    #[serde(default)]
    pub times: Option<u64>,
    /// Milliseconds to wait before anything else.
    #[serde(default)]
    pub delay_ms: Option<u64>,
    /// Answer this instead of doing what was asked.
    #[serde(default)]
    pub answer: Option<Scripted>,
    /// End the connection without an answer.
    #[serde(default)]
    pub cut: Option<Cut>,
    /// The request's token has expired, now and for good.
    #[serde(default)]
    pub expire_token: bool,
    /// Do what was asked, but spoil the answer.
    #[serde(default)]
    pub alter: Option<Alter>,
}

/// An answer that was decided beforehand.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scripted {
    /// HTTP status.
    pub status: u16,
    /// Seconds for the `Retry-After` header.
    #[serde(default)]
    pub retry_after: Option<u64>,
    /// The error's code; without one the body is empty.
    #[serde(default)]
    pub code: Option<String>,
    /// The error's message.
    #[serde(default)]
    pub message: String,
    /// The whole body, where the service's errors have another form, as the token service's have.
    #[serde(default)]
    pub body: Option<Value>,
}

/// When a connection is ended.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// Before anything was done.
    Before,
    /// After it was done: the client cannot know.
    After,
}

/// How an answer is spoiled.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Alter {
    /// A UTF-8 byte order mark before the body.
    ByteOrderMark,
    /// The right status, but no body.
    EmptyBody,
    /// Resource ids in the other case, capitals small and small letters capital.
    IdCase,
    /// What an operation came to: 200, and in it that it failed.
    FailedOperation,
}

impl Alter {
    /// Spoils an answer.
    pub(super) fn apply(self, answer: &mut Answer) {
        match self {
            // The mark is put before the bytes of the body.
            Self::ByteOrderMark => {}
            Self::EmptyBody => answer.body = None,
            Self::IdCase => answer.body.iter_mut().for_each(change_case),
            Self::FailedOperation => {
                let error = json!({"code": "InternalServerError", "message": "The operation failed on purpose."});
                answer.body = Some(json!({"status": "Failed", "error": error}));
            }
        }
    }
}

/// Changes the case of every resource id.
fn change_case(value: &mut Value) {
    match value {
        Value::String(text) if text.starts_with("/subscriptions/") => {
            let other = |letter: char| {
                if letter.is_lowercase() { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() }
            };
            *text = text.chars().map(other).collect();
        }
        Value::Array(items) => items.iter_mut().for_each(change_case),
        Value::Object(members) => members.values_mut().for_each(change_case),
        _ => {}
    }
}

/// All faults, with what they have seen.
#[derive(Debug)]
pub(super) struct Faults(Vec<(Fault, u64)>);

/// Reads a list of faults from a JSON file.
///
/// # Errors
/// The file cannot be read, or is not a list of faults; names the file.
pub fn read_faults(path: &Path) -> anyhow::Result<Vec<Fault>> {
    let bytes = fs_err::read(path)?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is not a list of faults", path.display()))
}

impl Faults {
    pub(super) fn new(faults: Vec<Fault>) -> Self {
        Self(faults.into_iter().map(|fault| (fault, 0)).collect())
    }

    /// The faults that act on this request, in the order of the list. Counts the request.
    pub(super) fn acting(&mut self, method: &Method, path: &str) -> Vec<Fault> {
        let mut acting = Vec::new();
        for (fault, seen) in &mut self.0 {
            if fault.matches(method, path) {
                let number = *seen;
                *seen += 1;
                if number >= fault.after && fault.times.is_none_or(|times| number - fault.after < times) {
                    acting.push(fault.clone());
                }
            }
        }
        acting
    }
}

impl Fault {
    fn matches(&self, method: &Method, path: &str) -> bool {
        let method = self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method.as_str()));
        method && glob(&self.path.to_lowercase(), &path.to_lowercase())
    }
}

impl Scripted {
    pub(super) fn to_answer(&self) -> Answer {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let answer = match (&self.body, &self.code) {
            (Some(body), _) => Answer::json(status, body.clone()),
            (None, Some(code)) => Answer::error(status, code, self.message.clone()),
            (None, None) => Answer::empty(status),
        };
        match self.retry_after {
            Some(seconds) => answer.header("retry-after", seconds.to_string()),
            None => answer,
        }
    }
}

/// Whether `text` is `pattern`, in which `*` stands for any text.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(head) else { return false };
    (0..=text.len()).any(|at| text.get(at..).is_some_and(|tail| glob(rest, tail)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn a_fault_lets_the_first_requests_pass_and_ends() {
        let json = r#"[{"method":"post","path":"/a/*/c","after":1,"times":2,"answer":{"status":500}}]"#;
        let mut faults = Faults::new(serde_json::from_str(json).unwrap());
        let mut acts = |method, path| !faults.acting(&method, path).is_empty();
        assert!(!acts(Method::POST, "/a/b/c"), "the first passes");
        assert!(!acts(Method::GET, "/a/b/c"), "another method is not counted");
        assert!(!acts(Method::POST, "/a/b/d"), "another path is not counted");
        assert!(acts(Method::POST, "/A/x/y/C"));
        assert!(acts(Method::POST, "/a/b/c"));
        assert!(!acts(Method::POST, "/a/b/c"), "it acts twice only");
    }
}
