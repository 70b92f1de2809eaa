//! Rows to JSON lines: the identity of a row, and the splitting of fields that are too long for one.
//!
//! Azure Monitor cuts a field at 64 KB without a word (service limits, Logs Ingestion API), so no field leaves here
//! longer than [`MAX_FIELD_BYTES`]: the row is repeated with consecutive pieces, and nothing is lost.

use std::ops::Range;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{Column, Envelope, Role, Row, Table};

/// The longest text that one field may hold, in bytes of UTF-8. Below Azure's 64 KB, with room for their way of counting.
pub const MAX_FIELD_BYTES: usize = 60 * 1024;

/// Builds the identity of a row: the first 128 bits of a SHA-256 over the table's name and its columns.
pub struct RecordHasher(Sha256);

impl RecordHasher {
    /// Starts with the table's name.
    pub fn new(table: &Table) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(table.name.as_bytes());
        Self(hasher)
    }

    /// Adds one value under its column's name. Lengths are hashed too, so that values cannot run into each other.
    pub fn add(&mut self, name: &str, value: &[u8]) {
        self.0.update((name.len() as u64).to_le_bytes());
        self.0.update(name.as_bytes());
        self.0.update((value.len() as u64).to_le_bytes());
        self.0.update(value);
    }

    /// The identity of the row's piece number `chunk` (0 for a row in one piece): 32 hexadecimal digits.
    pub fn finish(&self, chunk: u64) -> String {
        let mut hasher = self.0.clone();
        if chunk > 0 {
            hasher.update(chunk.to_le_bytes());
        }
        let digest = hasher.finalize();
        hex_text(digest.iter().take(16))
    }
}

/// What a row became: one JSON line, or several where a field had to be split.
#[derive(Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The lines, each ended by a newline.
    pub bytes: Vec<u8>,
    /// How many lines.
    pub rows: u64,
}

/// Renders a row with its envelope. `event_time` is the evidence's own time; `collected_at` is when it was read.
pub fn render<R: Row>(
    row: &R,
    envelope: &Envelope,
    event_time: Option<Timestamp>,
    collected_at: Timestamp,
) -> Rendered {
    let mut hasher = RecordHasher::new(R::TABLE);
    let cells = Cells::of(row, &mut hasher);
    let open = |out: &mut Vec<u8>, chunk: u64| {
        Envelope::append_times(out, event_time, collected_at);
        envelope.append_constants(out);
        out.extend_from_slice(b",\"RecordId\":\"");
        out.extend_from_slice(hasher.finish(chunk).as_bytes());
        out.push(b'"');
    };
    if cells.cells.iter().any(|cell| cell.long.is_some()) {
        return render_pieces(&cells, &open);
    }
    let mut bytes = Vec::with_capacity(cells.json.len() + 1024);
    open(&mut bytes, 0);
    for (cell, json) in cells.iter() {
        append_member(&mut bytes, cell.column.name, json);
    }
    bytes.extend_from_slice(b"}\n");
    Rendered { bytes, rows: 1 }
}

/// The cells of a row that are not empty. Their JSON stands in one text, for rows have many and most are short.
struct Cells {
    json: Vec<u8>,
    cells: Vec<Cell>,
}

struct Cell {
    column: &'static Column,
    json: Range<usize>,
    /// The text, where it is too long for one field.
    long: Option<String>,
}

impl Cells {
    /// The cells of a row, of which those that are evidence go into its identity.
    fn of<R: Row>(row: &R, hasher: &mut RecordHasher) -> Self {
        let (mut json, mut cells) = (Vec::with_capacity(1024), Vec::with_capacity(32));
        row.cells(&mut |column, value| {
            let from = json.len();
            if !value.append_json(&mut json) {
                return json.truncate(from);
            }
            if column.role != Role::Derived {
                hasher.add(column.name, json.get(from..).unwrap_or_default());
            }
            let long = value.text().filter(|text| text.len() > MAX_FIELD_BYTES).map(str::to_owned);
            cells.push(Cell { column, json: from..json.len(), long });
        });
        Self { json, cells }
    }

    /// Each cell with its JSON.
    fn iter(&self) -> impl Iterator<Item = (&Cell, &[u8])> {
        self.cells.iter().map(|cell| (cell, self.json.get(cell.json.clone()).unwrap_or_default()))
    }
}

/// Pieces of a row whose text columns are too long: keys and short columns stand on every piece, long ones piece by piece.
fn render_pieces(cells: &Cells, open: &dyn Fn(&mut Vec<u8>, u64)) -> Rendered {
    let mut pieces: Vec<Vec<&str>> = Vec::new();
    let mut whole = Sha256::new();
    for cell in &cells.cells {
        let text = cell.long.as_deref().unwrap_or_default();
        whole.update(text.as_bytes());
        pieces.push(split_text(text, MAX_FIELD_BYTES));
    }
    let count = pieces.iter().map(Vec::len).max().unwrap_or_default();
    let digest = hex_text(whole.finalize().iter());
    let mut bytes = Vec::new();
    for chunk in 0..count {
        open(&mut bytes, chunk as u64);
        bytes.extend_from_slice(format!(",\"chunk\":{chunk}").as_bytes());
        if chunk + 1 == count {
            bytes.extend_from_slice(format!(",\"chunk_last\":true,\"chunk_sha256\":\"{digest}\"").as_bytes());
        }
        for ((cell, json), pieces) in cells.iter().zip(&pieces) {
            match (&cell.long, pieces.get(chunk)) {
                (None, _) => append_member(&mut bytes, cell.column.name, json),
                (Some(_), Some(piece)) => {
                    let mut json = Vec::new();
                    append_json_string(&mut json, piece);
                    append_member(&mut bytes, cell.column.name, &json);
                }
                (Some(_), None) => {}
            }
        }
        bytes.extend_from_slice(b"}\n");
    }
    Rendered { bytes, rows: count as u64 }
}

fn append_member(out: &mut Vec<u8>, name: &str, json: &[u8]) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    out.extend_from_slice(json);
}

/// Splits text into pieces of at most `limit` bytes, never inside a character.
pub fn split_text(text: &str, limit: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while rest.len() > limit {
        let at = (1..=limit).rev().find(|&at| rest.is_char_boundary(at)).unwrap_or(rest.len());
        let (piece, tail) = rest.split_at(at);
        pieces.push(piece);
        rest = tail;
    }
    if !rest.is_empty() {
        pieces.push(rest);
    }
    pieces
}

/// Appends text as a JSON string (RFC 8259, section 7). The bulk of a collection passes through here: what needs no escape is found eight
/// bytes at a time and copied in one piece.
pub fn append_json_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let plain = plain_prefix(rest);
        let (head, tail) = rest.split_at(plain);
        out.extend_from_slice(head);
        let Some((&byte, tail)) = tail.split_first() else { break };
        rest = tail;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => out.extend_from_slice(&unicode_escape(other)),
        }
    }
    out.push(b'"');
}

/// How many bytes at the beginning stand for themselves in a JSON string.
fn plain_prefix(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        if let Some(at) = first_special(*word) {
            return number * 8 + at;
        }
    }
    let mut last = [b' '; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    bytes.len() - rest.len() + first_special(last).unwrap_or(rest.len())
}

/// Which is the first of eight bytes that needs an escape. Each test marks the high bit of the bytes that it finds; what it marks in
/// error lies above one that it found rightly, for it is that one's borrow.
fn first_special(word: [u8; 8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let word = u64::from_le_bytes(word);
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGH;
    let found = below(word, 0x20) | below(word ^ (ONES * 0x22), 1) | below(word ^ (ONES * 0x5c), 1);
    (found != 0).then(|| (found.trailing_zeros() / 8) as usize)
}

/// An identity in lower-case hexadecimal.
pub(crate) fn hex(bytes: [u8; 16]) -> [u8; 32] {
    let mut text = [0; 32];
    for (digits, byte) in text.as_chunks_mut().0.iter_mut().zip(bytes) {
        *digits = hex_of(byte);
    }
    text
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex_text<'a>(bytes: impl Iterator<Item = &'a u8>) -> String {
    bytes.flat_map(|&byte| hex_of(byte)).map(char::from).collect()
}

/// A byte in lower-case hexadecimal.
pub(crate) fn hex_of(byte: u8) -> [u8; 2] {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    [digit(byte >> 4), digit(byte & 15)]
}

fn unicode_escape(byte: u8) -> [u8; 6] {
    let [high, low] = hex_of(byte);
    [b'\\', b'u', b'0', b'0', high, low]
}

#[cfg(test)]
#[allow(unreachable_pub, reason = "table! declares public rows")]
mod tests {
    use super::*;

    crate::table! {
        /// A table for these tests.
        "things_CL": Thing {
            /// Name.
            [key] name: String,
            /// Text.
            text: Option<String>,
            /// Score.
            [derived] score: i64,
        }
    }

    fn envelope() -> Envelope {
        Envelope { case_id: None, run_id: "R".to_owned() }
    }

    fn lines(thing: &Thing) -> Vec<serde_json::Value> {
        let rendered = render(thing, &envelope(), None, Timestamp::UNIX_EPOCH);
        let text = String::from_utf8(rendered.bytes).unwrap();
        let lines: Vec<_> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len() as u64, rendered.rows);
        lines
    }

    #[test]
    fn identity_ignores_derived_columns_and_the_envelope() {
        let one = Thing { name: "a".into(), text: None, score: 1 };
        let two = Thing { score: 2, ..one.clone() };
        let other = Thing { text: Some(String::new()), ..one.clone() };
        assert_eq!(lines(&one)[0]["RecordId"], lines(&two)[0]["RecordId"]);
        assert_ne!(lines(&one)[0]["RecordId"], lines(&other)[0]["RecordId"]);
    }

    #[test]
    fn a_field_too_long_becomes_consecutive_rows_and_nothing_is_lost() {
        let text = "é\u{1}\"x".repeat(40_000);
        let rows = lines(&Thing { name: "a".into(), text: Some(text.clone()), score: 1 });
        let joined: String = rows.iter().map(|row| row["text"].as_str().unwrap()).collect();
        assert_eq!(joined, text);
        assert!(rows.len() > 2);
        for (number, row) in rows.iter().enumerate() {
            assert_eq!(row["chunk"], number);
            assert_eq!(row["name"], "a");
            assert!(row["text"].as_str().unwrap().len() <= MAX_FIELD_BYTES);
            assert_eq!(row["chunk_last"].as_bool().unwrap_or(false), number + 1 == rows.len());
        }
        let ids: std::collections::BTreeSet<_> = rows.iter().map(|row| row["RecordId"].to_string()).collect();
        assert_eq!(ids.len(), rows.len());
    }

    #[test]
    fn every_character_survives_the_json_string() {
        let text: String = (0..0x3000u32).filter_map(char::from_u32).collect();
        let mut out = Vec::new();
        append_json_string(&mut out, &text);
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
    }

    proptest::proptest! {
        #[test]
        fn json_strings_are_those_of_a_library(text in r#"[\x00-\x21"\\\\\]\x7f\u{80}é]{0,40}"#) {
            let mut out = Vec::new();
            append_json_string(&mut out, &text);
            let theirs = serde_json::to_vec(&text).unwrap();
            proptest::prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
            // The library has short escapes for two more characters.
            if !theirs.windows(2).any(|pair| pair == b"\\b" || pair == b"\\f") {
                proptest::prop_assert_eq!(out, theirs);
            }
        }
    }
}
