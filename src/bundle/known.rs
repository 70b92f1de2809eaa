//! What earlier tries of a unit kept, so that a later one does not write it again. Memory: 16 bytes and a little for each row and object
//! of a unit that is tried again; nothing otherwise.

use std::{
    collections::{HashMap, HashSet},
    io::{BufRead as _, BufReader, Read},
    path::Path,
};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use super::{journal::PartEntry, place};

/// An identity: a `RecordId`, or the first half of a SHA-256.
pub type Identity = u128;

/// What is there already.
#[derive(Debug)]
pub(super) enum Known {
    /// The unit is read again from its beginning: what was kept so many times is left out so many times. What is the same twice in
    /// the cluster stays twice.
    Again(HashMap<Identity, u32>),
    /// Each thing is taken once only, however often it is seen.
    Once(HashSet<Identity>),
}

impl Known {
    /// Notes what is there.
    pub(super) fn add(&mut self, identity: Identity) {
        match self {
            Self::Again(counts) => *counts.entry(identity).or_default() += 1,
            Self::Once(seen) => drop(seen.insert(identity)),
        }
    }

    /// Whether this is to be left out, now that it is seen.
    pub(super) fn has(&mut self, identity: Identity) -> bool {
        match self {
            Self::Again(counts) => counts.get_mut(&identity).is_some_and(|count| {
                let is_left = *count > 0;
                *count = count.saturating_sub(1);
                is_left
            }),
            Self::Once(seen) => !seen.insert(identity),
        }
    }

    /// Notes the rows and the objects of parts.
    pub(super) fn add_parts<'a>(
        &mut self,
        dir: &Path,
        parts: impl Iterator<Item = &'a PartEntry>,
    ) -> anyhow::Result<()> {
        for part in parts {
            if part.table.is_some() {
                visit_lines(dir, part, &mut |row| {
                    if let Some(identity) = of_row(row) {
                        self.add(identity);
                    }
                })?;
            } else if part.path.ends_with(".zst") {
                let kind = part.path.split('/').nth(1).unwrap_or_default();
                visit_lines(dir, part, &mut |object| {
                    self.add(of_object(kind, object.strip_suffix(b"\n").unwrap_or(object)));
                })?;
            }
        }
        Ok(())
    }
}

/// The identity of a row as it was rendered: its `RecordId`, of several pieces that of the first.
pub fn of_row(row: &[u8]) -> Option<Identity> {
    // Within a JSON string the quotes would be escaped.
    const MEMBER: &[u8] = b"\"RecordId\":\"";
    let at = memchr::memmem::find(row, MEMBER)? + MEMBER.len();
    let digits = std::str::from_utf8(row.get(at..at + 32)?).ok()?;
    Identity::from_str_radix(digits, 16).ok()
}

/// The identity of an object of a kind.
pub(super) fn of_object(kind: &str, object: &[u8]) -> Identity {
    let mut hasher = Sha256::new();
    hasher.update(kind.as_bytes());
    hasher.update([0]);
    hasher.update(object);
    hasher.finalize().iter().take(16).fold(0, |identity, byte| identity << 8 | Identity::from(*byte))
}

/// The parts of one place in the order in which they were written.
pub(super) fn in_order<'a>(parts: impl Iterator<Item = &'a PartEntry>) -> Vec<PartEntry> {
    let mut parts: Vec<_> = parts.cloned().collect();
    parts.sort_by_key(|part| place::number_of(&part.path));
    parts
}

/// Every line of a part, with its newline, one at a time.
pub(super) fn visit_lines(dir: &Path, part: &PartEntry, visit: &mut dyn FnMut(&[u8])) -> anyhow::Result<()> {
    let path = dir.join(&part.path);
    let file = fs_err::File::open(&path)?;
    let reader: Box<dyn Read> = match part.path.ends_with(".zst") {
        true => Box::new(zstd::Decoder::new(file).with_context(|| format!("reading {}", path.display()))?),
        false => Box::new(file),
    };
    let mut lines = BufReader::new(reader);
    let mut line = Vec::new();
    // No more than the journal says: behind that a kill may have left a piece.
    for _ in 0..part.rows {
        line.clear();
        lines.read_until(b'\n', &mut line).with_context(|| format!("reading {}", path.display()))?;
        visit(&line);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_twice_stays_twice_and_no_more() {
        let mut again = Known::Again(HashMap::new());
        for identity in [1, 2, 2] {
            again.add(identity);
        }
        let seen: Vec<_> = [2, 1, 2, 2, 3, 1].into_iter().filter(|identity| !again.has(*identity)).collect();
        assert_eq!(seen, [2, 3, 1]);
        let mut once = Known::Once(HashSet::from([1]));
        let seen: Vec<_> = [2, 1, 2, 3].into_iter().filter(|identity| !once.has(*identity)).collect();
        assert_eq!(seen, [2, 3]);
    }

    #[test]
    fn a_row_is_known_by_the_identity_that_it_was_written_with() {
        let row =
            br#"{"TimeGenerated":"x","RecordId":"000000000000000000000000000000ff","message":"\"RecordId\":\"11\""}"#;
        assert_eq!(of_row(row), Some(255));
        assert_eq!(of_row(br#"{"seen":"x","type":"ADDED"}"#), None);
    }
}
