//! Log bodies as frames of bytes, with an idle timeout: a kubelet that hangs must not hang the run.

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use http_body::Frame;
use http_body_util::BodyExt as _;
use jiff::{SignedDuration, Timestamp};
use kube::client::Body;
use tokio::time::{Instant, Sleep};

use super::{
    connect::Cluster,
    problem::{Problem, ProblemKind},
};

/// How long a log may say nothing before it counts as broken.
const IDLE: Duration = Duration::from_secs(60);

/// Which log is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRequest {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// Name of the container.
    pub container: String,
    /// The terminated instance before the current one.
    pub previous: bool,
    /// Not much more than so many bytes, from the beginning; the server may cut inside a line.
    pub limit: Option<u64>,
    /// Nothing older. The server knows whole seconds only: it gets the second before, the caller drops the rest.
    pub since: Option<Timestamp>,
}

impl LogRequest {
    /// The whole second from which on the server gives lines; none when it gives all.
    pub fn served_from(&self) -> Option<Timestamp> {
        let before = self.since?.checked_sub(SignedDuration::from_secs(1)).ok()?;
        Timestamp::from_second(before.as_second()).ok()
    }

    /// Path and query of the request (API reference, `read log of the specified Pod`).
    pub fn target(&self) -> String {
        let mut target = format!(
            "/api/v1/namespaces/{}/pods/{}/log?container={}&timestamps=true",
            self.namespace, self.pod, self.container
        );
        if self.previous {
            target.push_str("&previous=true");
        }
        if let Some(since) = self.served_from() {
            target.push_str(&format!("&sinceTime={}", since.strftime("%Y-%m-%dT%H%%3A%M%%3A%SZ")));
        }
        if let Some(limit) = self.limit {
            target.push_str(&format!("&limitBytes={limit}"));
        }
        target
    }
}

/// A file below a node's `/var/log/pods`, or a folder of it, as the kubelet's system log handler serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLogFile {
    /// Name of the node.
    pub node: String,
    /// Folder of the pod, `NAMESPACE_NAME_UID`.
    pub pod: String,
    /// Name of the container.
    pub container: String,
    /// Name of the file; empty for the list of files.
    pub file: String,
}

impl NodeLogFile {
    /// Path of the request (`get` on `nodes/proxy`).
    pub fn target(&self) -> String {
        format!("/api/v1/nodes/{}/proxy/logs/pods/{}/{}/{}", self.node, self.pod, self.container, self.file)
    }
}

/// A log body being read.
pub struct LogStream {
    body: Body,
    /// Runs out [`IDLE`] after it was set. It is set anew when it runs out, not with each of many frames.
    alarm: Pin<Box<Sleep>>,
}

impl LogStream {
    fn new(body: Body) -> Self {
        Self { body, alarm: Box::pin(tokio::time::sleep(IDLE)) }
    }

    /// The next frame of the body, waited for no longer than [`IDLE`].
    async fn frame(&mut self) -> Result<Option<Result<Frame<Bytes>, kube::Error>>, Problem> {
        let asked = Instant::now();
        loop {
            tokio::select! {
                biased;
                frame = self.body.frame() => return Ok(frame),
                () = &mut self.alarm => {}
            }
            if asked.elapsed() >= IDLE {
                let words = format!("the log said nothing for {} s", IDLE.as_secs());
                return Err(Problem::new(ProblemKind::Unreachable, words));
            }
            self.alarm.as_mut().reset(asked + IDLE);
        }
    }

    /// The next bytes, or none at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        loop {
            match self.frame().await? {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
                Some(Err(error)) => {
                    return Err(Problem::new(ProblemKind::Unreachable, format!("the log broke off: {error}")));
                }
            }
        }
    }
}

impl Cluster {
    /// Opens a file of a node, or the list of files.
    pub async fn node_log(&self, file: &NodeLogFile) -> Result<LogStream, Problem> {
        self.stream(&file.target()).await
    }

    /// Opens a log. An answer 204 (a pod without a node) is an empty log.
    pub async fn log(&self, request: &LogRequest) -> Result<LogStream, Problem> {
        self.stream(&request.target()).await
    }

    async fn stream(&self, target: &str) -> Result<LogStream, Problem> {
        let mut headers = HeaderMap::new();
        // Only the first member of a gzip body is decoded by the client, and log bodies may have several.
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let response = self.get(target, &headers).await?;
        Ok(LogStream::new(response.into_body()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_floored_and_one_second_earlier_so_that_no_line_is_lost() {
        let request = LogRequest {
            namespace: "shop".into(),
            pod: "web".into(),
            container: "app".into(),
            previous: true,
            limit: Some(7),
            since: Some("2026-01-02T03:04:05.999999999Z".parse().unwrap()),
        };
        assert_eq!(
            request.target(),
            "/api/v1/namespaces/shop/pods/web/log?container=app&timestamps=true&previous=true&sinceTime=2026-01-02T03%3A04%3A04Z&limitBytes=7"
        );
    }
}
