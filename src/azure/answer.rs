//! One answer of Resource Manager, reduced to what is decided upon.

use std::time::Duration;

use http::HeaderMap;
use jiff::{Timestamp, fmt::rfc2822};
use serde_json::Value;

use super::error::{AzureError, ErrorBody, ServiceError};

/// Status, the headers of long-running operations, and the body.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Answer {
    pub status: u16,
    /// Header `Azure-AsyncOperation`: where to ask how an operation goes.
    pub operation: Option<String>,
    /// Header `Location`: where the result will be.
    pub location: Option<String>,
    pub retry_after: Option<Duration>,
    pub request_id: Option<String>,
    /// None for an empty body.
    pub body: Option<Value>,
}

impl Answer {
    /// Reads an answer. `request` is the method and path, for errors.
    pub(super) fn read(request: &str, status: u16, headers: &HeaderMap, bytes: &[u8]) -> Result<Self, AzureError> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut answer = Self {
            status,
            operation: text("azure-asyncoperation"),
            location: text("location"),
            retry_after: text("retry-after").and_then(|text| retry_after(&text, Timestamp::now())),
            request_id: text("x-ms-request-id"),
            body: None,
        };
        // Some services begin their JSON with a byte order mark.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii();
        if bytes.is_empty() {
            return Ok(answer);
        }
        answer.body = match serde_json::from_slice(bytes) {
            Ok(body) => Some(body),
            Err(_) if status >= 400 => Some(Value::String(String::from_utf8_lossy(bytes).chars().take(300).collect())),
            Err(error) => {
                return Err(AzureError::Unexpected {
                    what: request.to_owned(),
                    problem: format!("status {status}, and a body that is not JSON: {error}"),
                });
            }
        };
        Ok(answer)
    }

    /// The error that the answer is.
    pub(super) fn error(&self, request: &str) -> AzureError {
        let body = match &self.body {
            Some(Value::String(text)) => ErrorBody { message: text.clone(), ..ErrorBody::default() },
            Some(body) => ErrorBody::of(body),
            None => ErrorBody::default(),
        };
        AzureError::Service(Box::new(ServiceError {
            request: request.to_owned(),
            status: self.status,
            body,
            request_id: self.request_id.clone(),
        }))
    }

    /// Whether asking again can help: timeouts, throttling and the service's own faults.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self.status, 408 | 429 | 500 | 502 | 503 | 504)
    }

    /// `properties.provisioningState`.
    pub(super) fn provisioning_state(&self) -> Option<&str> {
        self.body.as_ref()?.pointer("/properties/provisioningState")?.as_str()
    }
}

/// `Retry-After` (RFC 9110, 10.2.3): seconds or a date.
fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()?;
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn a_byte_order_mark_and_an_empty_body_are_no_errors() {
        let read = |bytes: &[u8]| Answer::read("GET /x", 200, &HeaderMap::new(), bytes).unwrap().body;
        assert_eq!(read(b"\xef\xbb\xbf{\"a\":1}"), Some(serde_json::json!({"a": 1})));
        assert_eq!(read(b" \n"), None);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        assert_eq!(retry_after("7", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Tue, 24 Nov 2026 12:00:30 GMT", now), Some(Duration::from_secs(30)));
        assert_eq!(retry_after("Tue, 24 Nov 2026 11:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
    }

    #[test]
    fn an_error_page_is_quoted() {
        let answer = Answer::read("GET /x", 502, &HeaderMap::new(), b"<html>Bad Gateway").unwrap();
        assert_eq!(answer.error("GET /x").to_string(), "GET /x was refused: 502 <html>Bad Gateway");
    }
}
