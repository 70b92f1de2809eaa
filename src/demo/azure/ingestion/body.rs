//! The body of an upload: gzip or plain, an array of objects, read row by row.

use std::{borrow::Cow, io::Read as _};

use flate2::read::MultiGzDecoder;
use http::StatusCode;
use jiff::Timestamp;
use serde::{
    Deserializer as _,
    de::{Error as _, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

use super::{
    MAX_CALL_BYTES,
    access::Sink,
    too_long,
    value::{self, Fit},
};
use crate::demo::azure::{
    answer::Answer,
    arrivals::{Batch, RecordId, StoredRow},
    call::Call,
    settings::Settings,
};

/// What a body may grow to (reported by users of the service, not documented).
const MAX_INFLATED_BYTES: u64 = 50 << 20;

/// The rows of the body. None for a body that is a single object: it is answered with success and dropped.
pub(super) fn read(call: &Call, sink: &Sink, settings: &Settings) -> Result<Option<Batch>, Answer> {
    let json = call.header("content-type").is_some_and(|kind| kind.to_lowercase().starts_with("application/json"));
    if !json {
        let message = "The request's content type has to be application/json.";
        return Err(Answer::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message));
    }
    if call.body.is_empty() {
        return Err(Answer::empty(StatusCode::INTERNAL_SERVER_ERROR));
    }
    let body = inflate(call)?;
    if settings.limit_plain_size && body.len() > MAX_CALL_BYTES {
        return Err(too_long(body.len()));
    }
    let start = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if start == Some(&b'{') {
        return match serde_json::from_slice::<Map<String, Value>>(&body) {
            Ok(_) => Ok(None),
            Err(error) => Err(malformed(&error)),
        };
    }
    let mut deserializer = serde_json::Deserializer::from_slice(&body);
    let rows = Rows { sink, keep: settings.keep_rows, received: Timestamp::now() };
    let batch = deserializer.deserialize_seq(rows).map_err(|error| malformed(&error))?;
    deserializer.end().map_err(|error| malformed(&error))?;
    Ok(Some(batch))
}

fn inflate(call: &Call) -> Result<Cow<'_, [u8]>, Answer> {
    match call.header("content-encoding") {
        None | Some("identity") => Ok(Cow::Borrowed(&call.body)),
        Some(encoding) if encoding.eq_ignore_ascii_case("gzip") => {
            let mut plain = Vec::new();
            MultiGzDecoder::new(call.body.as_ref())
                .take(MAX_INFLATED_BYTES + 1)
                .read_to_end(&mut plain)
                .map_err(|error| Answer::bad_request("InvalidContent", format!("The body is not gzip: {error}.")))?;
            if plain.len() as u64 > MAX_INFLATED_BYTES {
                let message = format!("The decompressed body is larger than {MAX_INFLATED_BYTES} bytes.");
                return Err(Answer::error(StatusCode::PAYLOAD_TOO_LARGE, "PayloadSizeLimitExceeded", message));
            }
            Ok(Cow::Owned(plain))
        }
        Some(other) => {
            let message = format!("The content encoding {other} is not supported.");
            Err(Answer::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message))
        }
    }
}

/// Microsoft names the status only.
fn malformed(error: &serde_json::Error) -> Answer {
    Answer::bad_request("InvalidContent", format!("The body is not an array of JSON objects: {error}."))
}

struct Rows<'a> {
    sink: &'a Sink,
    keep: bool,
    received: Timestamp,
}

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = Batch;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Batch, A::Error> {
        let mut batch = Batch::default();
        while let Some(row) = rows.next_element::<Value>()? {
            let Value::Object(row) = row else { return Err(A::Error::custom("an element is not an object")) };
            batch.rows += 1;
            if let Some(Value::String(id)) = row.get("RecordId") {
                batch.record_ids.push(RecordId::parse(id));
            }
            if let Some(Value::String(run_id)) = row.get("RunId") {
                *batch.runs.entry(run_id.clone()).or_default() += 1;
            }
            let stored = self.store(row, &mut batch);
            if self.keep {
                batch.kept.push(stored);
            }
        }
        Ok(batch)
    }
}

impl Rows<'_> {
    /// The row as the workspace holds it: unknown columns dropped, long fields cut, old times replaced.
    fn store(&self, row: StoredRow, batch: &mut Batch) -> StoredRow {
        let mut lose = |what: String| *batch.losses.entry(what).or_default() += 1;
        let mut stored = StoredRow::new();
        for (name, given) in row {
            let Some(kind) = self.sink.columns.get(&name) else {
                lose(format!("{name}: no such column"));
                continue;
            };
            let (given, fit) = value::fit(kind, given);
            match fit {
                Fit::Whole => {}
                Fit::Cut => lose(format!("{name}: longer than 64 KB")),
                Fit::WrongType => lose(format!("{name}: not of type {kind}")),
            }
            stored.insert(name, given);
        }
        // Replacement is documented and harmless here, for rows carry their event's own time in another column.
        let time = stored.get("TimeGenerated").and_then(Value::as_str).and_then(|text| text.parse().ok());
        if !time.is_some_and(|time| value::is_recent(time, self.received)) {
            stored.insert("TimeGenerated".to_owned(), Value::String(self.received.to_string()));
        }
        stored
    }
}
