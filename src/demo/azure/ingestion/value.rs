//! What becomes of one value in a column of the workspace.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// The documented size of a field, in bytes of UTF-8; what is longer is cut without a word.
const MAX_FIELD_BYTES: usize = 64 * 1024;

/// How a value fitted its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    Whole,
    Cut,
    WrongType,
}

/// The value as it is stored in a column of type `kind` (in lower case). A value of another type becomes null; what Azure
/// makes of such a value is not documented.
pub(super) fn fit(kind: &str, value: Value) -> (Value, Fit) {
    let fits = match (kind, &value) {
        (_, Value::Null) | ("string", Value::String(_)) | ("boolean", Value::Bool(_)) | ("dynamic", _) => true,
        ("int" | "long", Value::Number(number)) => number.is_i64(),
        ("real", Value::Number(_)) => true,
        ("datetime", Value::String(text)) => text.parse::<Timestamp>().is_ok(),
        _ => false,
    };
    if !fits {
        return (Value::Null, Fit::WrongType);
    }
    match value {
        Value::String(mut text) if text.len() > MAX_FIELD_BYTES => {
            let end = (0..=MAX_FIELD_BYTES).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
            text.truncate(end);
            (Value::String(text), Fit::Cut)
        }
        whole => (whole, Fit::Whole),
    }
}

/// Whether a `TimeGenerated` is kept: not older than two days and not more than one day ahead of the time of receipt.
pub(super) fn is_recent(time: Timestamp, received: Timestamp) -> bool {
    let age = received.duration_since(time);
    age <= SignedDuration::from_hours(48) && age >= SignedDuration::from_hours(-24)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn times_are_kept_from_two_days_ago_to_one_day_ahead() {
        let received: Timestamp = "2026-01-10T00:00:00Z".parse().unwrap();
        for (time, kept) in [
            ("2026-01-07T23:59:59Z", false),
            ("2026-01-08T00:00:00Z", true),
            ("2026-01-11T00:00:00Z", true),
            ("2026-01-11T00:00:01Z", false),
        ] {
            assert_eq!(is_recent(time.parse().unwrap(), received), kept, "{time}");
        }
    }

    #[test]
    fn a_long_field_is_cut_between_characters() {
        let (value, fit) = fit("string", Value::String("é".repeat(40_000)));
        assert_eq!(fit, Fit::Cut);
        assert_eq!(value.as_str().unwrap().len(), MAX_FIELD_BYTES);
    }

    #[test]
    fn a_value_of_another_type_becomes_null() {
        assert_eq!(fit("long", Value::from("7")), (Value::Null, Fit::WrongType));
        assert_eq!(fit("long", Value::from(7)), (Value::from(7), Fit::Whole));
        assert_eq!(fit("datetime", Value::from("yesterday")), (Value::Null, Fit::WrongType));
    }
}
