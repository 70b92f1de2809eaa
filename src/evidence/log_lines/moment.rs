//! The times of a log's lines. Nearly every line lies in the minute of the line before, so a minute is parsed once and only the
//! seconds of each line are read.

use jiff::{SignedDuration, Timestamp};

/// Length of `2006-01-02T15:04:`, what lines of one minute have in common.
const MINUTE: usize = 17;

/// Reads times one after the other. Gives for every text what `Timestamp` gives when it parses it.
#[derive(Debug, Default)]
pub(super) struct Moments {
    /// The last minute that was parsed, as printed, and when it begins.
    minute: Option<(String, Timestamp)>,
}

impl Moments {
    /// The moment that an RFC 3339 text names; none when it names none.
    pub(super) fn parse(&mut self, text: &str) -> Option<Timestamp> {
        if let Some((minute, begins)) = &self.minute
            && let Some(seconds) = text.strip_prefix(minute.as_str())
            && let Some(since) = seconds_in_utc(seconds)
        {
            return begins.checked_add(since).ok();
        }
        let time = text.parse().ok()?;
        self.minute = minute_of(text);
        Some(time)
    }
}

/// The minute in UTC that a text begins with.
fn minute_of(text: &str) -> Option<(String, Timestamp)> {
    let minute = text.get(..MINUTE).filter(|_| text.ends_with('Z'))?;
    Some((minute.to_owned(), format!("{minute}00Z").parse().ok()?))
}

/// Seconds and nanoseconds of `05Z` or `05.000000000Z`; none for all other shapes, which are rare and left to the parser.
fn seconds_in_utc(text: &str) -> Option<SignedDuration> {
    let text = text.strip_suffix('Z')?;
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if seconds.len() != 2 || !(1..=9).contains(&fraction.len()) {
        return None;
    }
    let seconds = number(seconds).filter(|seconds| *seconds < 60)?;
    let missing = u32::try_from(9 - fraction.len()).ok()?;
    let nanoseconds = number(fraction)? * 10_i32.pow(missing);
    Some(SignedDuration::new(i64::from(seconds), nanoseconds))
}

/// A number of at most nine decimal digits.
fn number(digits: &str) -> Option<i32> {
    digits.bytes().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i32::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_text_gives_what_the_parser_gives(
            texts in prop::collection::vec(r"2026-0[1-3]-0[12]T0[34]:5[89]:[0-6][0-9](\.[0-9]{0,10})?(Z|\+01:00)", 1..50),
        ) {
            let mut moments = Moments::default();
            for text in texts {
                prop_assert_eq!(moments.parse(&text), text.parse().ok(), "{}", text);
            }
        }
    }
}
