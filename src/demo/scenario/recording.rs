//! What a recording is: API objects as they were stored, what each container printed, and the files an exec may read.
//! Plain data; the in-process API decides what to answer from it.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// A recorded cluster, with every time relative to one instant.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The instant that the recording calls now (T0).
    pub now: Timestamp,
    /// Complete API objects, each with `apiVersion` and `kind`.
    pub objects: Vec<Value>,
    /// What the containers printed and hold.
    pub containers: Vec<RecordedContainer>,
    /// What the demo's user may not do.
    pub denials: Vec<Denial>,
}

/// One container of one pod: its logs and its files.
#[derive(Clone, Debug)]
pub struct RecordedContainer {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// Name of the container.
    pub container: String,
    /// What the instance printed that the pod's status names first.
    pub current: RecordedLog,
    /// What the instance before it printed.
    pub previous: RecordedLog,
    /// The shells that an exec finds, as they are called; none in a distroless image.
    pub shells: Vec<String>,
    /// The files that the history reader finds.
    pub files: Vec<RecordedFile>,
}

/// What a container instance printed.
#[derive(Clone, Debug)]
pub enum RecordedLog {
    /// The kubelet finds the file, in pieces as the runtime wrote them.
    Chunks(Vec<LogChunk>),
    /// About this many bytes of regular lines, made while they are sent.
    Generated(u64),
    /// The kubelet answers 200 with the sentence that it cannot retrieve the log.
    Unretrievable,
}

/// One record of a container runtime's log file.
#[derive(Clone, Debug)]
pub struct LogChunk {
    /// When the runtime read it; absent for text that the kubelet writes itself and never prefixes.
    pub time: Option<Timestamp>,
    /// The bytes, without the end of line.
    pub bytes: Vec<u8>,
    /// Whether an end of line follows (`F` in the file); a part of a longer line (`P`) has none.
    pub full: bool,
}

/// A file in a container.
#[derive(Clone, Debug)]
pub struct RecordedFile {
    /// Absolute path.
    pub path: String,
    /// The whole content.
    pub bytes: Vec<u8>,
}

/// Something that the API forbids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Plural name of the resource, with its subresource (`pods/log`); `*` for all.
    pub resource: String,
    /// Where.
    pub reach: Reach,
}

/// Where a [`Denial`] holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// For requests without a namespace only: lists over the whole cluster, cluster-scoped objects.
    ClusterWide,
    /// In one namespace only.
    Namespace(String),
    /// Everywhere but in one namespace, as a RoleBinding alone gives.
    OutsideNamespace(String),
    /// Everywhere.
    Everywhere,
}

impl Denial {
    /// Forbids `resource` within `reach`, for every verb.
    pub fn new(resource: &str, reach: Reach) -> Self {
        Self { resource: resource.to_owned(), reach }
    }

    /// Whether a request for `resource` in `namespace` (absent: without one) falls under it.
    pub fn covers(&self, resource: &str, namespace: Option<&str>) -> bool {
        let named = self.resource == "*" || self.resource == resource;
        named
            && match &self.reach {
                Reach::ClusterWide => namespace.is_none(),
                Reach::Namespace(denied) => namespace == Some(denied),
                Reach::OutsideNamespace(allowed) => namespace != Some(allowed),
                Reach::Everywhere => true,
            }
    }
}

impl RecordedContainer {
    /// A container that printed nothing, with a POSIX shell and no files.
    pub fn new(namespace: &str, pod: &str, container: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
            container: container.to_owned(),
            current: RecordedLog::Chunks(Vec::new()),
            previous: RecordedLog::Unretrievable,
            shells: ["sh", "/bin/sh"].map(str::to_owned).into(),
            files: vec![file("/etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")],
        }
    }

    /// The same container with this log.
    pub fn printed(mut self, chunks: Vec<LogChunk>) -> Self {
        self.current = RecordedLog::Chunks(chunks);
        self
    }

    /// The same container with this log of the instance before.
    pub fn printed_before(mut self, chunks: Vec<LogChunk>) -> Self {
        self.previous = RecordedLog::Chunks(chunks);
        self
    }

    /// The same container with one more file, or with other content for a file it has.
    pub fn holds(mut self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.files.retain(|known| known.path != path);
        self.files.push(file(path, bytes.as_ref()));
        self
    }

    /// The same container with the given shells.
    pub fn shells(mut self, shells: &[&str]) -> Self {
        self.shells = shells.iter().map(|&shell| shell.to_owned()).collect();
        self
    }
}

fn file(path: &str, bytes: &[u8]) -> RecordedFile {
    RecordedFile { path: path.to_owned(), bytes: bytes.to_vec() }
}

/// The instants of a recording, relative to its now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(pub(super) Timestamp);

impl Clock {
    /// The instant `seconds` before now.
    pub(super) fn ago(self, seconds: i64) -> Timestamp {
        self.0.checked_sub(SignedDuration::from_secs(seconds)).unwrap_or(self.0)
    }

    /// The same in RFC 3339 with whole seconds, as `metav1.Time` is written.
    pub(super) fn text(self, seconds: i64) -> String {
        self.ago(seconds).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// The same with microseconds, as `metav1.MicroTime` is written.
    pub(super) fn micro_text(self, seconds: i64) -> String {
        self.ago(seconds).strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
    }
}
