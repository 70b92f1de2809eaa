//! The columns that every row of every table carries, fixed when the row is collected.

use jiff::Timestamp;

use super::{Column, Kind, Role, append_json_string};

const fn column(name: &'static str, kind: Kind, doc: &'static str) -> Column {
    Column { name, kind, role: Role::Derived, doc }
}

/// The envelope, in the order of the row. The last three are present only on rows that are pieces of one longer field.
pub const COLUMNS: &[Column] = &[
    column(
        "TimeGenerated",
        Kind::DateTime,
        "`EventTime` where there is one, else the time of collection. Azure replaces its copy when it is more than two days old: query `EventTime`.",
    ),
    column("EventTime", Kind::DateTime, "The evidence's own time, never rewritten; absent when the evidence has none."),
    column("CaseId", Kind::String, "The case that the responder named with `--case-id`."),
    column("RunId", Kind::String, "ULID of the collection."),
    column(
        "RecordId",
        Kind::String,
        "Identity of the evidence: equal evidence has an equal id in every run. Repeated uploads are removed by (`RunId`, `RecordId`).",
    ),
    column(
        "chunk",
        Kind::Long,
        "Number of this piece, from 0, where a field was longer than 60 KiB and the row was split into consecutive rows.",
    ),
    column("chunk_last", Kind::Boolean, "True on the last piece."),
    column("chunk_sha256", Kind::String, "On the last piece: SHA-256 of the whole field's bytes."),
];

/// What the envelope of a run's rows has in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The case, if the responder named one.
    pub case_id: Option<String>,
    /// ULID of the run.
    pub run_id: String,
}

impl Envelope {
    /// Appends the constant columns `CaseId` and `RunId` as members of an open JSON object, each preceded by a comma.
    pub fn append_constants(&self, out: &mut Vec<u8>) {
        if let Some(case) = &self.case_id {
            out.extend_from_slice(b",\"CaseId\":");
            append_json_string(out, case);
        }
        out.extend_from_slice(b",\"RunId\":");
        append_json_string(out, &self.run_id);
    }

    /// The same from a text that is RFC 3339 in UTC already.
    pub fn append_time_text(out: &mut Vec<u8>, text: &str) {
        for part in ["{\"TimeGenerated\":\"", text, "\",\"EventTime\":\"", text, "\""] {
            out.extend_from_slice(part.as_bytes());
        }
    }

    /// Appends the opening of a row: `{"TimeGenerated":…` and, where there is one, `EventTime`.
    pub fn append_times(out: &mut Vec<u8>, event_time: Option<Timestamp>, collected_at: Timestamp) {
        out.extend_from_slice(b"{\"TimeGenerated\":");
        append_json_string(out, &event_time.unwrap_or(collected_at).to_string());
        if let Some(time) = event_time {
            out.extend_from_slice(b",\"EventTime\":");
            append_json_string(out, &time.to_string());
        }
    }
}
