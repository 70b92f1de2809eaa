//! Container logs: bytes from the kubelet to rows, in constant memory, nothing lost whatever the bytes are.
//!
//! A physical line is a row. The kubelet writes a timestamp before a line only when the one before it ended, so a line without
//! one inherits the last time and is flagged. A line over 60 KiB becomes consecutive rows. Facts of the container
//! stand in `containers_CL`, not on each line.

mod assembler;
mod cri;
mod moment;
mod overlap;
mod renderer;
#[cfg(test)]
mod traps;

pub use assembler::{Assembler, Line, Sink};
pub use cri::CriText;
pub use overlap::{Overlap, time_of};
pub use renderer::{LineRenderer, Metadata, Seen};

crate::table! {
    /// Lines of container logs. Facts of the container instance are in `containers_CL`, joined by `pod_uid`, `container_name` and
    /// `restart_count`; facts of the pod in `pods_CL`.
    "kubelogs_CL": LogRow {
        /// The line without its timestamp and newline.
        [key] message: Option<String>,
        /// Name of the container.
        [key] container_name: String,
        /// Namespace.
        [key] namespace: String,
        /// Name of the pod.
        [key] pod_name: String,
        /// UID of the pod.
        [key] pod_uid: String,
        /// Which instance of the container: how often it had been restarted before.
        [key] restart_count: i64,
        /// Image of the container (`--log-metadata labels` and `full`).
        [derived] containerimages: Option<String>,
        /// Labels of the pod, JSON (`--log-metadata labels` and `full`).
        [derived] labels: Option<String>,
        /// Annotations of the pod, JSON (`--log-metadata full`).
        [derived] annotations: Option<String>,
        /// The line's bytes in base64 where they are not UTF-8; `message` then holds the readable part.
        message_b64: Option<String>,
        /// What is odd about the line (JSON array): `no_timestamp`, `no_final_newline`, `invalid_utf8`,
        /// `nul` (it holds a NUL byte).
        [derived] flags: Option<String>,
    }
}

/// The line that the API server sends with status 200 instead of a log it could not get (kubelet and container runtime).
pub fn is_error_body(line: &[u8]) -> bool {
    const WORDS: [&[u8]; 2] = [b"unable to retrieve container logs for ", b"failed to try resolving symlinks in path "];
    WORDS.iter().any(|words| line.starts_with(words))
}
