//! Whether lists are asked for compressed. Compressing is worth its while where the network is slow; where it is fast, the API server
//! spends more time on it than it saves. So lists come uncompressed until one shows that the network is slow.
//!
//! Limits: the server compresses answers from 128 KiB on only (kube-apiserver, feature `APIResponseCompression`), so smaller ones say
//! nothing, and are not measured.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Answers smaller than this are not measured.
const MEASURED: usize = 128 * 1024;
/// Bytes in a second at which a network is fast: about what the server compresses in a second, divided by what it gains.
const FAST: f64 = 25e6;

/// What is known of the network to the API server. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Compression {
    is_slow: Arc<AtomicBool>,
}

impl Compression {
    /// Whether the next list is to come compressed.
    pub(super) fn is_wanted(&self) -> bool {
        self.is_slow.load(Ordering::Relaxed)
    }

    /// Notes that an uncompressed body of so many bytes took so long, from its headers to its end.
    pub(super) fn note(&self, bytes: usize, took: Duration) {
        if bytes >= MEASURED && (bytes as f64) < FAST * took.as_secs_f64() {
            self.is_slow.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_compressed_from_the_first_one_on_that_came_slowly() {
        let compression = Compression::default();
        compression.note(1000, Duration::from_secs(1));
        compression.note(5_000_000, Duration::from_millis(20));
        assert!(!compression.is_wanted(), "small ones say nothing, and the large one came fast");
        compression.clone().note(1_000_000, Duration::from_millis(800));
        assert!(compression.is_wanted());
        compression.note(5_000_000, Duration::from_millis(1));
        assert!(compression.is_wanted(), "it stays so");
    }
}
