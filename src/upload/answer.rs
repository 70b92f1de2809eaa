//! An answer of the ingestion endpoint, and the service's own words in it.

use std::time::Duration;

use http::HeaderMap;
use jiff::{SignedDuration, fmt::rfc2822};
use serde::Deserialize;

use crate::ui::printable;

/// The longest message that is repeated to a person, in characters.
const LONGEST_MESSAGE: usize = 2000;

/// What came of a request.
#[derive(Debug)]
pub(super) enum Reply {
    /// The endpoint answered.
    Answered(Answer),
    /// No answer came: connection refused, reset or timed out, with the cause.
    Lost(String),
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// The service's words: `{"error":{"code":…,"message":…}}`.
#[derive(Debug, Default, Deserialize)]
struct ErrorBody {
    error: ErrorWords,
}

#[derive(Debug, Default, Deserialize)]
struct ErrorWords {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl Answer {
    /// The error code of the service; empty when it gave none.
    pub(super) fn code(&self) -> String {
        let in_header = self.header("x-ms-error-code").unwrap_or_default();
        let in_body = self.words().code;
        printable(if in_body.is_empty() { in_header } else { &in_body })
    }

    /// The message of the service in its own words, safe for a terminal.
    pub(super) fn message(&self) -> String {
        let words = self.words().message;
        let text = if words.is_empty() { String::from_utf8_lossy(&self.body).into_owned() } else { words };
        printable(&text.trim().chars().take(LONGEST_MESSAGE).collect::<String>())
    }

    pub(super) fn has_code(&self, code: &str) -> bool {
        self.code().eq_ignore_ascii_case(code)
    }

    /// Whether the body was too large; a proxy on the way may say so with 413 alone.
    pub(super) fn speaks_of_size(&self) -> bool {
        self.status == 413
            || ["ContentLengthLimitExceeded", "PayloadSizeLimitExceeded"].iter().any(|code| self.has_code(code))
    }

    /// How long the service asks to wait (RFC 9110, 10.2.3): seconds, or a date, which is read against the answer's own.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let text = self.header("retry-after")?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let moment = |text| rfc2822::DateTimeParser::new().parse_timestamp(text).ok();
        let pause: SignedDuration = moment(text)?.duration_since(moment(self.header("date")?)?);
        Some(Duration::try_from(pause).unwrap_or_default())
    }

    /// The service's own identity of the request, which its support asks for.
    pub(super) fn request_id(&self) -> Option<String> {
        self.header("x-ms-request-id").or_else(|| self.header("request-id")).map(printable)
    }

    /// The answer in one line: status, code, message.
    pub(super) fn in_words(&self) -> String {
        let parts = [self.status.to_string(), self.code(), self.message()];
        parts.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(" ")
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn words(&self) -> ErrorWords {
        serde_json::from_slice::<ErrorBody>(&self.body).unwrap_or_default().error
    }
}

impl Reply {
    /// The status of the answer, if there was one.
    pub(super) fn status(&self) -> Option<u16> {
        if let Self::Answered(answer) = self { Some(answer.status) } else { None }
    }

    /// The reply in one line.
    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Answered(answer) => answer.in_words(),
            Self::Lost(cause) => format!("no answer: {}", printable(cause)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn answer(headers: &[(&'static str, &'static str)], body: &str) -> Answer {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        Answer { status: 429, headers, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let pause = |headers: &[_]| answer(headers, "").retry_after();
        let date = ("date", "Tue, 01 Sep 2026 10:00:00 GMT");
        assert_eq!(pause(&[("retry-after", "3")]), Some(Duration::from_secs(3)));
        assert_eq!(pause(&[("retry-after", "Tue, 01 Sep 2026 10:01:30 GMT"), date]), Some(Duration::from_secs(90)));
        assert_eq!(pause(&[("retry-after", "Tue, 01 Sep 2026 09:59:00 GMT"), date]), Some(Duration::ZERO));
        assert_eq!(pause(&[("retry-after", "soon")]), None);
        assert_eq!(pause(&[]), None);
    }

    #[test]
    fn the_words_of_the_service_are_repeated_without_escapes() {
        let answer = answer(&[], "{\"error\":{\"code\":\"Throttled\",\"message\":\"slow\\u001b[31m down\"}}");
        assert_eq!(answer.in_words(), "429 Throttled slow\\u{1b}[31m down");
    }

    #[test]
    fn a_page_of_a_proxy_is_repeated_as_it_is() {
        assert_eq!(answer(&[("x-ms-error-code", "Busy")], "<html>\n").in_words(), "429 Busy <html>");
    }
}
