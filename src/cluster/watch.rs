//! Watches: what changes in a list after it was read, object by object, verbatim
//! (<https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes>).

use std::time::Duration;

use http::HeaderMap;
use http_body_util::BodyExt as _;
use kube::client::Body;
use memchr::memchr;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    connect::Cluster,
    list::{Resource, Selectors},
    problem::{Problem, ProblemKind},
};

/// The server ends a watch after this many seconds; it is then begun again where it ended.
const SERVER_TIMEOUT: u32 = 240;
/// Longer than the server's own timeout: a connection that says nothing for so long is dead.
const SILENCE: Duration = Duration::from_secs(300);
/// The longest line that is held. The server takes no objects over 1.5 MiB (etcd), and JSON makes them larger.
const LONGEST_LINE: usize = 32 * 1024 * 1024;

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It changed.
    Modified,
    /// It is gone; the object is its last state.
    Deleted,
    /// Nothing happened up to the object's resource version.
    Bookmark,
    /// The watch cannot go on; the object is a `Status`.
    Error,
}

/// One change.
#[derive(Debug, Deserialize)]
pub struct Change {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: ChangeKind,
    /// The object, verbatim.
    pub object: Box<RawValue>,
}

/// A watch under way.
pub struct Watch {
    body: Body,
    pending: Vec<u8>,
}

#[derive(Deserialize)]
struct Versioned {
    metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    resource_version: String,
}

impl Change {
    /// The version of the store that the change brought; the next watch begins there.
    pub fn version(&self) -> Option<String> {
        let object: Versioned = serde_json::from_str(self.object.get()).ok()?;
        Some(object.metadata.resource_version).filter(|version| !version.is_empty())
    }
}

impl Watch {
    /// The next change, or none when the server has ended the watch, as it does after some minutes.
    ///
    /// # Errors
    /// The connection broke, or the version to begin at is too old ([`ProblemKind::Gone`]): then the list has to be read again.
    pub async fn next(&mut self) -> Result<Option<Change>, Problem> {
        loop {
            if let Some(end) = memchr(b'\n', &self.pending) {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                return self.change(&line).map(Some);
            }
            if self.pending.len() > LONGEST_LINE {
                return Err(Problem::new(ProblemKind::Unreachable, "a change is longer than any object can be"));
            }
            let Ok(frame) = tokio::time::timeout(SILENCE, self.body.frame()).await else { return Ok(None) };
            match frame {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.pending.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => {
                    return Err(Problem::new(ProblemKind::Unreachable, format!("the watch broke off: {error}")));
                }
            }
        }
    }

    fn change(&self, line: &[u8]) -> Result<Change, Problem> {
        let change: Change = serde_json::from_slice(line).map_err(|error| {
            Problem::new(ProblemKind::Unreachable, format!("the watch sent what is no change: {error}"))
        })?;
        if change.kind != ChangeKind::Error {
            return Ok(change);
        }
        let status: serde_json::Value = serde_json::from_str(change.object.get()).unwrap_or_default();
        let code = status.get("code").and_then(serde_json::Value::as_u64).and_then(|code| u16::try_from(code).ok());
        let code = code.and_then(|code| http::StatusCode::from_u16(code).ok());
        Err(Problem::from_answer(
            code.unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR),
            None,
            change.object.get().as_bytes(),
        ))
    }
}

impl Cluster {
    /// Begins to watch a list from a version of the store on.
    ///
    /// # Errors
    /// As [`Cluster::page`]; the right to watch is one of its own.
    pub async fn watch(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selectors: &Selectors,
        version: &str,
    ) -> Result<Watch, Problem> {
        let mut target =
            format!("{}?watch=true&allowWatchBookmarks=true&timeoutSeconds={SERVER_TIMEOUT}", resource.path(namespace));
        selectors.append_to(&mut target);
        super::list::append_parameter(&mut target, "resourceVersion", version);
        let response = self.get(&target, &HeaderMap::new()).await?;
        Ok(Watch { body: response.into_body(), pending: Vec::new() })
    }
}
