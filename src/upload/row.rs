//! One row before it is sent: is it an object that the service can take whole?
//!
//! The service answers 204 and drops what its stream does not declare, and cuts a field at 64 KB, both without a word; one row
//! that is no object makes it refuse the whole body. Rows as `collect` writes them pass a fast scan that accepts flat
//! objects without spaces; whatever the scan does not know is judged by a JSON parser.

use std::{collections::HashSet, fmt, sync::Arc};

use serde::{
    Deserializer as _,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::ui::printable;

/// The longest field that is sent, in bytes of UTF-8. The documented limit is 64 KB
/// (<https://learn.microsoft.com/azure/azure-monitor/fundamentals/service-limits#logs-ingestion-api>); this is its smaller reading.
pub(super) const LONGEST_FIELD: usize = 64_000;

/// Judges the rows of one table. Remembers the order of the last row's columns, for the next row's is mostly the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Judge {
    /// What the stream declares; none when that is not known.
    declared: Option<HashSet<Arc<[u8]>>>,
    order: Vec<Arc<[u8]>>,
}

impl Judge {
    /// A judge for rows of a stream with these columns.
    pub(super) fn of(columns: Option<&[String]>) -> Self {
        let declared = columns.map(|columns| columns.iter().map(|name| Arc::from(name.as_bytes())).collect());
        Self { declared, order: Vec::new() }
    }

    /// Whether a row can be sent; errors with the reason. `row` is one line without its newline.
    pub(super) fn check(&mut self, row: &[u8]) -> Result<(), String> {
        if self.scan(row).is_some() { Ok(()) } else { self.parse(row) }
    }

    /// The fast scan: something when the row is sound, nothing when it has to be parsed. UTF-8 is checked by the caller of
    /// [`Judge::check`] for whole blocks, and again by the parser.
    fn scan(&mut self, row: &[u8]) -> Option<()> {
        let mut rest = row.strip_prefix(b"{")?;
        for number in 0.. {
            rest = rest.strip_prefix(b"\"")?;
            let end = plain_length(rest);
            let (key, tail) = rest.split_at_checked(end)?;
            self.expect(number, key)?;
            rest = value(tail.strip_prefix(b"\":")?)?;
            match rest.split_first()? {
                (b',', tail) => rest = tail,
                (b'}', []) => return Some(()),
                _ => return None,
            }
        }
        None
    }

    /// Whether column number `number` may have this name.
    fn expect(&mut self, number: usize, key: &[u8]) -> Option<()> {
        let Some(declared) = &self.declared else { return Some(()) };
        if self.order.get(number).is_some_and(|last| **last == *key) {
            return Some(());
        }
        let name = declared.get(key)?;
        self.order.truncate(number);
        if self.order.len() == number {
            self.order.push(Arc::clone(name));
        }
        Some(())
    }

    fn parse(&self, row: &[u8]) -> Result<(), String> {
        let text = std::str::from_utf8(row).map_err(|_| "the row is not UTF-8".to_owned())?;
        let mut parser = serde_json::Deserializer::from_str(text);
        let wrong = parser.deserialize_map(Members(self)).and_then(|wrong| parser.end().map(|()| wrong));
        match wrong {
            Err(_) => Err("the row is no JSON object".to_owned()),
            Ok(wrong) => wrong.map_or(Ok(()), Err),
        }
    }

    /// What is wrong with a member, if anything.
    fn wrong(&self, key: &str, value: &RawValue) -> Option<String> {
        if self.declared.as_ref().is_some_and(|declared| !declared.contains(key.as_bytes())) {
            let name = printable(key);
            return Some(format!("the rule's stream does not declare the column `{name}`, which Azure drops"));
        }
        let raw = value.get();
        let length = match raw.len() {
            short if short <= LONGEST_FIELD => return None,
            long => serde_json::from_str::<String>(raw).map_or(long, |text| text.len()),
        };
        (length > LONGEST_FIELD)
            .then(|| format!("the column `{}` has {length} bytes, Azure cuts at 64 KB", printable(key)))
    }
}

/// Goes through the members of a row and returns what is wrong with the first one that cannot be sent.
struct Members<'a>(&'a Judge);

impl<'de> Visitor<'de> for Members<'_> {
    type Value = Option<String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut first = None;
        while let Some((key, value)) = members.next_entry::<String, &RawValue>()? {
            first = first.or_else(|| self.0.wrong(&key, value));
        }
        Ok(first)
    }
}

/// What follows a value that the fast scan knows: a string, digits, true or false.
fn value(text: &[u8]) -> Option<&[u8]> {
    match text.first()? {
        b'"' => string(text.get(1..)?),
        b't' => text.strip_prefix(b"true"),
        b'f' => text.strip_prefix(b"false"),
        b'1'..=b'9' => {
            let length = text.iter().position(|byte| !byte.is_ascii_digit())?;
            matches!(text.get(length)?, b',' | b'}').then(|| text.get(length..))?
        }
        b'0' => text.strip_prefix(b"0").filter(|rest| matches!(rest.first(), Some(b',' | b'}'))),
        _ => None,
    }
}

/// What follows a string, of which the opening quote has been taken; nothing when it is too long or has a rare escape.
fn string(text: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    loop {
        at += plain_length(text.get(at..)?);
        match text.get(at)? {
            b'"' => return text.get(at + 1..).filter(|_| at <= LONGEST_FIELD),
            b'\\' => match text.get(at + 1)? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                // Control characters; halves of surrogate pairs are the parser's.
                b'u' if text.get(at + 2..at + 4)? == b"00"
                    && text.get(at + 4..at + 6)?.iter().all(u8::is_ascii_hexdigit) =>
                {
                    at += 6;
                }
                _ => return None,
            },
            _ => return None,
        }
    }
}

const ONES: u64 = u64::MAX / 255;
const HIGHS: u64 = ONES << 7;

/// How many bytes come before the first quote, backslash or control character; all of them when there is none. Looks at
/// eight bytes at once: the lowest marked byte is exact.
fn plain_length(text: &[u8]) -> usize {
    let (words, tail) = text.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let is_zero = |word: u64| word.wrapping_sub(ONES) & !word;
        let quote = is_zero(word ^ (ONES * u64::from(b'"')));
        let backslash = is_zero(word ^ (ONES * u64::from(b'\\')));
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let marked = (quote | backslash | control) & HIGHS;
        if marked != 0 {
            return number * 8 + (marked.trailing_zeros() / 8) as usize;
        }
    }
    let in_tail = tail.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).unwrap_or(tail.len());
    words.len() * 8 + in_tail
}

/// How many bytes the object at the beginning of `text` takes; none when its end is not there yet. For text that has been
/// judged before.
pub(super) fn object_end(text: &[u8]) -> Option<usize> {
    let (mut depth, mut at) = (0_u32, 0);
    loop {
        match text.get(at)? {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => at = string_end(text, at + 1)?,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

/// Where the closing quote of a string stands.
fn string_end(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += plain_length(text.get(at..)?);
        match text.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::{
        evidence::{events::EventRow, log_lines::LogRow, registry, service_accounts::ServiceAccountRow},
        table::{Envelope, Row, render},
    };

    fn judged(table: &str, row: &[u8]) -> Result<(), String> {
        judge(table).check(row)
    }

    /// For the columns of this version's table, if it knows one of the name.
    fn judge(table: &str) -> Judge {
        let known = registry::tables().into_iter().find(|known| known.name == table);
        let columns = known.map(|table| table.columns().map(|column| column.name.to_owned()).collect::<Vec<_>>());
        Judge::of(columns.as_deref())
    }

    fn sample<R: Row>() -> Vec<u8> {
        let envelope = Envelope { case_id: Some("c\u{1}\"\\é".into()), run_id: "R".into() };
        let mut line = render(&R::sample(), &envelope, None, jiff::Timestamp::now()).bytes;
        line.pop();
        line
    }

    #[test]
    fn our_own_rows_are_sound_at_first_sight() {
        for (table, row) in [
            (EventRow::TABLE, sample::<EventRow>()),
            (LogRow::TABLE, sample::<LogRow>()),
            (ServiceAccountRow::TABLE, sample::<ServiceAccountRow>()),
        ] {
            assert!(judge(table.name).scan(&row).is_some(), "{}", String::from_utf8_lossy(&row));
        }
    }

    #[test]
    fn only_whole_objects_are_rows() {
        for sound in
            [&br#"{"a":"b"}"#[..], b"{}", br#" { "a" : [1, {"b":null}] , "c":-1.5e3 } "#, br#"{"a":"\ud83d\ude00"}"#]
        {
            assert_eq!(judged("other_CL", sound), Ok(()), "{}", String::from_utf8_lossy(sound));
        }
        for broken in [
            &b"[]"[..],
            b"",
            b"{",
            b"{}{}",
            br#"{"a":1},{"b":2}"#,
            br#"{"a":01}"#,
            br#"{"a":1,}"#,
            br#"{"a":truey}"#,
            b"{\"a\":\"\x01\"}",
            br#"{"a":"\u00zz"}"#,
            br#"{"a":"\x"}"#,
        ] {
            assert!(judged("other_CL", broken).is_err(), "{}", String::from_utf8_lossy(broken));
        }
    }

    #[test]
    fn a_column_that_the_stream_does_not_declare_is_named() {
        assert_eq!(judged("kubelogs_CL", br#"{"message":"m","RunId":"R"}"#), Ok(()));
        for row in [&br#"{"message":"m","Message":"n"}"#[..], br#"{ "Message": "n"}"#] {
            let reason = judged("kubelogs_CL", row).unwrap_err();
            assert!(reason.contains("does not declare the column `Message`"), "{reason}");
        }
        let mut judge = judge("kubelogs_CL");
        for row in [&br#"{"message":"m","RunId":"R"}"#[..], br#"{"RunId":"R"}"#, br#"{"RunId":"R","message":"m"}"#] {
            assert_eq!(judge.check(row), Ok(()), "the order does not matter");
        }
    }

    #[test]
    fn a_field_that_azure_would_cut_is_named() {
        let row = |text: &str| json!({"a": 1, "message": text}).to_string().into_bytes();
        assert!(judged("kubelogs_CL", &row("x")).unwrap_err().contains("`a`"));
        let row = |text: &str| json!({"message": text}).to_string().into_bytes();
        assert_eq!(judged("kubelogs_CL", &row(&"x".repeat(LONGEST_FIELD))), Ok(()));
        assert_eq!(judged("kubelogs_CL", &row(&"\n".repeat(LONGEST_FIELD))), Ok(()), "escapes are not counted");
        let reason = judged("kubelogs_CL", &row(&"é".repeat(LONGEST_FIELD / 2 + 1))).unwrap_err();
        assert!(reason.contains("`message` has 64002 bytes"), "{reason}");
        let nested = json!({"a": vec!["x".repeat(1000); 70]}).to_string();
        assert!(judged("other_CL", nested.as_bytes()).is_err());
    }

    fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<i64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            Just(Value::Null)
        ]
    }

    proptest! {
        #[test]
        fn the_scan_accepts_nothing_that_a_parser_refuses(
            members in prop::collection::vec((any::<String>(), any_value()), 0..5), at in any::<prop::sample::Index>(), byte in any::<u8>()
        ) {
            let row = Value::Object(members.into_iter().collect::<Map<_, _>>()).to_string().into_bytes();
            let mut judge = Judge::default();
            prop_assert_eq!(judge.check(&row), Ok(()));
            prop_assert_eq!(object_end(&row), Some(row.len()));
            let mut spoiled = row.clone();
            spoiled[at.index(row.len())] = byte;
            // The caller checks UTF-8.
            let is_object = std::str::from_utf8(&spoiled).is_ok_and(|text| serde_json::from_str::<Map<String, Value>>(text).is_ok());
            if std::str::from_utf8(&spoiled).is_ok() && judge.scan(&spoiled).is_some() {
                prop_assert!(is_object, "{}", String::from_utf8_lossy(&spoiled));
            }
        }

        #[test]
        fn plain_bytes_end_at_the_first_special_one(text in prop::collection::vec(any::<u8>(), 0..40)) {
            let expected = text.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).unwrap_or(text.len());
            prop_assert_eq!(plain_length(&text), expected);
        }
    }
}
