//! What the in-process API can be told to do wrong. Each fault happens once and is then forgotten.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A fault to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The next continue token of this resource (plural name) has expired: 410 Gone.
    ExpireList(String),
    /// The next read of a log of this pod breaks off after so many bytes.
    CutLog {
        /// Namespace of the pod.
        namespace: String,
        /// Name of the pod.
        pod: String,
        /// How many bytes arrive.
        after: u64,
    },
    /// The next read of this file of a node (path below `/var/log/pods`) breaks off after so many bytes.
    CutFile {
        /// Path of the file.
        path: String,
        /// How many bytes arrive.
        after: u64,
    },
    /// This file of a node has another name and content when it is read next, as after the kubelet compressed it: 404.
    ReplaceFile {
        /// Path that it was listed with.
        path: String,
        /// Path that it has from then on.
        by: String,
        /// What it holds from then on.
        content: bytes::Bytes,
    },
    /// The next exec in this pod never ends: half of its output comes, and then nothing.
    HangExec {
        /// Namespace of the pod.
        namespace: String,
        /// Name of the pod.
        pod: String,
    },
    /// The next request for this resource (`pods`, `pods/log`) is answered with this HTTP status.
    Answer {
        /// Plural name with its subresource.
        resource: String,
        /// HTTP status code.
        code: u16,
        /// Seconds for a `Retry-After` header, if it shall have one.
        retry_after: Option<u32>,
    },
}

/// The faults that have not happened yet.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    /// Adds one.
    pub(super) fn add(&self, fault: Fault) {
        self.lock().push(fault);
    }

    /// Whether a continue token of `plural` has expired now.
    pub(super) fn expires(&self, plural: &str) -> bool {
        self.take(|fault| matches!(fault, Fault::ExpireList(name) if name == plural)).is_some()
    }

    /// After how many bytes the log of a pod breaks off now.
    pub(super) fn cut(&self, namespace: &str, pod: &str) -> Option<u64> {
        let ours =
            |fault: &Fault| matches!(fault, Fault::CutLog { namespace: n, pod: p, .. } if n == namespace && p == pod);
        self.take(ours).and_then(|fault| if let Fault::CutLog { after, .. } = fault { Some(after) } else { None })
    }

    /// After how many bytes a file of a node breaks off now.
    pub(super) fn cut_file(&self, path: &str) -> Option<u64> {
        let ours = |fault: &Fault| matches!(fault, Fault::CutFile { path: known, .. } if known == path);
        self.take(ours).and_then(|fault| if let Fault::CutFile { after, .. } = fault { Some(after) } else { None })
    }

    /// The name and the content that a file of a node gets now.
    pub(super) fn replaced(&self, path: &str) -> Option<(String, bytes::Bytes)> {
        let ours = |fault: &Fault| matches!(fault, Fault::ReplaceFile { path: known, .. } if known == path);
        self.take(ours).and_then(|fault| match fault {
            Fault::ReplaceFile { by, content, .. } => Some((by, content)),
            _ => None,
        })
    }

    /// Whether an exec in a pod never ends now.
    pub(super) fn hangs(&self, namespace: &str, pod: &str) -> bool {
        let ours =
            |fault: &Fault| matches!(fault, Fault::HangExec { namespace: n, pod: p } if n == namespace && p == pod);
        self.take(ours).is_some()
    }

    /// The status and the `Retry-After` that a request for `resource` is refused with now.
    pub(super) fn answer(&self, resource: &str) -> Option<(u16, Option<u32>)> {
        let ours = |fault: &Fault| matches!(fault, Fault::Answer { resource: name, .. } if name == resource);
        self.take(ours).and_then(|fault| {
            if let Fault::Answer { code, retry_after, .. } = fault { Some((code, retry_after)) } else { None }
        })
    }

    fn take(&self, wanted: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let mut faults = self.lock();
        let index = faults.iter().position(wanted)?;
        Some(faults.remove(index))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
