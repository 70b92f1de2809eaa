//! SHA-256 of what is written and read, in hexadecimal.

use std::{
    io::{self, Read},
    path::Path,
};

use sha2::{Digest, Sha256};

/// Digests bytes as they pass.
#[derive(Clone, Default)]
pub(super) struct Hasher {
    digest: Sha256,
    bytes: u64,
}

impl Hasher {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// Bytes seen so far and their digest in hexadecimal.
    pub(super) fn finish(self) -> (u64, String) {
        (self.bytes, hex(&self.digest.finalize()))
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    crate::table::hex_text(bytes.iter())
}

/// Size in bytes and SHA-256 of a file; reads it once, in constant memory.
pub(super) fn of_file(path: &Path) -> io::Result<(u64, String)> {
    let mut file = fs_err::File::open(path)?;
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(hasher.finish());
        }
        hasher.update(buffer.get(..count).unwrap_or_default());
    }
}
