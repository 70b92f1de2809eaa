//! Lines of a file of which the beginning may be there already: read by an earlier try, or before the file was rotated, under another name.
//!
//! A file only grows, so what is there is its beginning, row by row. It is followed while the rows are the same, and only then: what
//! differs is another file's. Memory: one line.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
};

use crate::bundle::{Identity, identity_of_row};

/// Leaves out what is there.
pub(super) struct KeptLines {
    /// Files of rows that may be the beginning, each list in order.
    candidates: Vec<Vec<PathBuf>>,
    following: Following,
}

enum Following {
    /// No row was seen yet.
    NotYet,
    /// So far all rows were there: the rest of what is there.
    Rows { open: BufReader<fs_err::File>, rest: std::vec::IntoIter<PathBuf> },
    /// What comes is new.
    Over,
}

impl KeptLines {
    /// What may be there, in lists of files of rows.
    pub(super) fn new(candidates: Vec<Vec<PathBuf>>) -> Self {
        Self { candidates, following: Following::NotYet }
    }

    /// Takes rows as they are read. Returns those that are new, and how many they are.
    pub(super) fn leave_out<'a>(&mut self, mut rows: &'a [u8], mut count: u64) -> std::io::Result<(&'a [u8], u64)> {
        while count > 0 && !matches!(self.following, Following::Over) {
            let end = memchr::memchr(b'\n', rows).map_or(rows.len(), |at| at + 1);
            let (row, rest) = rows.split_at(end);
            if !self.is_there(row)? {
                self.following = Following::Over;
                break;
            }
            (rows, count) = (rest, count - 1);
        }
        Ok((rows, count))
    }

    fn is_there(&mut self, row: &[u8]) -> std::io::Result<bool> {
        let Some(identity) = identity_of_row(row) else { return Ok(false) };
        if matches!(self.following, Following::NotYet) {
            self.following = self.beginning_with(identity)?;
        }
        Ok(self.next()? == Some(identity))
    }

    /// What begins with a row.
    fn beginning_with(&self, identity: Identity) -> std::io::Result<Following> {
        for files in &self.candidates {
            for (number, path) in files.iter().enumerate() {
                if next_of(&mut BufReader::new(fs_err::File::open(path)?))? == Some(identity) {
                    let rest: Vec<_> = files.iter().skip(number + 1).cloned().collect();
                    return Ok(Following::Rows {
                        open: BufReader::new(fs_err::File::open(path)?),
                        rest: rest.into_iter(),
                    });
                }
            }
        }
        Ok(Following::Over)
    }

    fn next(&mut self) -> std::io::Result<Option<Identity>> {
        let Following::Rows { open, rest } = &mut self.following else { return Ok(None) };
        loop {
            if let Some(identity) = next_of(open)? {
                return Ok(Some(identity));
            }
            let Some(path) = rest.next() else { return Ok(None) };
            *open = BufReader::new(fs_err::File::open(path)?);
        }
    }
}

fn next_of(rows: &mut BufReader<fs_err::File>) -> std::io::Result<Option<Identity>> {
    let mut row = Vec::new();
    rows.read_until(b'\n', &mut row)?;
    Ok(identity_of_row(&row))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(identities: &[u8]) -> Vec<u8> {
        let row = |identity: &u8| format!("{{\"RecordId\":\"{identity:032x}\",\"message\":\"m\"}}\n").into_bytes();
        identities.iter().flat_map(row).collect()
    }

    /// What is new of rows that come two at a time, when these files are there.
    fn new_of(there: &[&[&[u8]]], read: &[u8]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let file = |list: usize, number: usize, content: &[u8]| {
            let path = folder.path().join(format!("{list}-{number}"));
            fs_err::write(&path, rows(content)).unwrap();
            path
        };
        let lists = there.iter().enumerate().map(|(list, files)| {
            files.iter().enumerate().map(|(number, content)| file(list, number, content)).collect()
        });
        let mut kept = KeptLines::new(lists.collect());
        let mut new = Vec::new();
        for pair in read.chunks(2) {
            let text = rows(pair);
            let (left, count) = kept.leave_out(&text, pair.len() as u64).unwrap();
            new.extend_from_slice(&pair[pair.len() - usize::try_from(count).unwrap()..]);
            assert_eq!(left, rows(&pair[pair.len() - usize::try_from(count).unwrap()..]));
        }
        new
    }

    #[test]
    fn the_beginning_that_is_there_is_left_out_over_several_files() {
        assert_eq!(new_of(&[&[&[1, 2], &[3]]], &[1, 2, 3, 4, 5]), [4, 5]);
        assert_eq!(new_of(&[], &[1, 2, 3]), [1, 2, 3]);
        assert_eq!(new_of(&[&[&[1, 2, 3, 4]]], &[1, 2]), [] as [u8; 0]);
    }

    #[test]
    fn what_begins_otherwise_is_another_file() {
        assert_eq!(new_of(&[&[&[1, 2]]], &[7, 1, 2]), [7, 1, 2]);
        assert_eq!(new_of(&[&[&[1, 2], &[7, 8]]], &[7, 8, 9]), [9], "the second of the files is this one");
        assert_eq!(new_of(&[&[&[1, 2], &[7, 8]]], &[1, 2, 3, 7, 8]), [3, 7, 8], "the first was rotated in between");
    }
}
