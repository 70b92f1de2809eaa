//! The bytes of a log, as the kubelet makes them from a runtime's log file.
//!
//! The options narrow in the kubelet's order: `tailLines` counts records of the file, `sinceTime` drops records, `timestamps`
//! prefixes a record only when the one before ended its line, and `limitBytes` cuts wherever the count is reached.

use super::request::Query;
use crate::demo::scenario::LogChunk;
use jiff::{SignedDuration, Timestamp};

/// What a log request asks for.
#[derive(Clone, Debug, Default)]
pub(super) struct LogOptions {
    pub(super) container: Option<String>,
    pub(super) previous: bool,
    pub(super) follow: bool,
    pub(super) timestamps: bool,
    pub(super) since: Option<Timestamp>,
    pub(super) tail: Option<usize>,
    pub(super) limit: Option<u64>,
}

impl LogOptions {
    /// The options of a query; the error is the message of the refusal. `now` is what `sinceSeconds` counts from.
    pub(super) fn parse(query: &Query, now: Timestamp) -> Result<Self, String> {
        if query.text("stream").is_some() {
            return Err("PodLogOptions \"\" is invalid: stream: Forbidden: may not be specified".to_owned());
        }
        let time = query.text("sinceTime").map(str::parse::<Timestamp>).transpose();
        let time = time.map_err(|_| "unable to parse sinceTime: not an RFC 3339 time".to_owned())?;
        let seconds = query.number("sinceSeconds").and_then(|seconds| i64::try_from(seconds).ok());
        if time.is_some() && seconds.is_some() {
            return Err("PodLogOptions \"\" is invalid: sinceSeconds: Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified".to_owned());
        }
        let relative = seconds.and_then(|seconds| now.checked_sub(SignedDuration::from_secs(seconds)).ok());
        Ok(Self {
            container: query.text("container").map(str::to_owned),
            previous: query.flag("previous"),
            follow: query.flag("follow"),
            timestamps: query.flag("timestamps"),
            since: time.or(relative).map(whole_seconds),
            tail: query.number("tailLines").and_then(|lines| usize::try_from(lines).ok()),
            limit: query.number("limitBytes"),
        })
    }
}

/// A time reaches the kubelet in whole seconds: the API server formats it so, and that rounds down.
fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_nanosecond().div_euclid(1_000_000_000).try_into().unwrap_or_default())
        .unwrap_or(time)
}

/// The body for `chunks`.
pub(super) fn render(chunks: &[LogChunk], options: &LogOptions) -> Vec<u8> {
    let skipped = options.tail.map_or(0, |lines| chunks.len().saturating_sub(lines));
    let mut body = Vec::new();
    let mut at_line_start = true;
    for chunk in chunks.iter().skip(skipped) {
        if chunk.time.zip(options.since).is_some_and(|(time, since)| time < since) {
            continue;
        }
        if let Some(time) = chunk.time.filter(|_| options.timestamps && at_line_start) {
            body.extend_from_slice(prefix(time).as_bytes());
        }
        body.extend_from_slice(&chunk.bytes);
        if chunk.full {
            body.push(b'\n');
        }
        at_line_start = chunk.full;
    }
    if let Some(limit) = options.limit {
        body.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    body
}

/// A log prefix: RFC 3339 with nine digits of the second, and a space.
pub(super) fn prefix(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%9fZ ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(seconds: i64, text: &str, full: bool) -> LogChunk {
        LogChunk { time: Timestamp::from_second(seconds).ok(), bytes: text.into(), full }
    }

    fn options(raw: &str) -> LogOptions {
        LogOptions::parse(&Query::parse(raw), Timestamp::from_second(100).unwrap()).unwrap()
    }

    #[test]
    fn a_record_after_a_part_is_glued_to_it_without_a_prefix() {
        let chunks = [chunk(1, "out", false), chunk(2, "err", true), chunk(3, "rest", true)];
        let text = String::from_utf8(render(&chunks, &options("timestamps=true"))).unwrap();
        assert_eq!(text, "1970-01-01T00:00:01.000000000Z outerr\n1970-01-01T00:00:03.000000000Z rest\n");
    }

    #[test]
    fn since_is_floored_and_tail_and_limit_narrow() {
        let chunks = [chunk(1, "a", true), chunk(2, "b", true), chunk(3, "c", true)];
        assert_eq!(render(&chunks, &options("sinceTime=1970-01-01T00:00:02.999Z")), b"b\nc\n");
        assert_eq!(render(&chunks, &options("sinceSeconds=97")), b"c\n");
        assert_eq!(render(&chunks, &options("tailLines=1")), b"c\n");
        assert_eq!(render(&chunks, &options("timestamps=true&limitBytes=5")), b"1970-");
    }
}
