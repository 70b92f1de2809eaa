//! A request after it was read: decoded path, query and the whole body.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri, header, request::Parts};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::answer::Answer;

/// Nothing that a client may send to any of the services is larger; what is larger is not read.
const MAX_READ_BYTES: usize = 64 << 20;

/// A request to any of the services.
pub(super) struct Call {
    pub(super) method: Method,
    /// Path and query as they were sent.
    pub(super) target: Uri,
    /// The path's segments, percent-decoded, in the case in which they were sent.
    pub(super) segments: Vec<String>,
    /// The same in lower case: ARM compares ids and names so.
    pub(super) lower: Vec<String>,
    query: BTreeMap<String, String>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Call {
    /// Reads the body and takes the request apart.
    pub(super) async fn read(request: Request<Incoming>) -> Result<Self, Answer> {
        let (parts, body) = request.into_parts();
        let body = match Limited::new(body, MAX_READ_BYTES).collect().await {
            Ok(collected) => collected.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => return Err(too_large()),
            Err(_) => return Err(Answer::bad_request("IncompleteBody", "The request's body ended early.")),
        };
        Ok(Self::new(parts, body))
    }

    fn new(parts: Parts, body: Bytes) -> Self {
        let segments: Vec<String> = parts
            .uri
            .path()
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect();
        let query = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
            .map(|(key, value)| (key.to_lowercase(), value.into_owned()))
            .collect();
        let lower = segments.iter().map(|segment| segment.to_lowercase()).collect();
        Self { method: parts.method, target: parts.uri, lower, segments, query, headers: parts.headers, body }
    }

    /// A parameter of the query; `name` in lower case.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The bearer token, if the request carries one.
    pub(super) fn bearer(&self) -> Option<&str> {
        let value = self.header(header::AUTHORIZATION.as_str())?;
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// The resource id that the path is.
    pub(super) fn id(&self) -> String {
        format!("/{}", self.segments.join("/"))
    }

    /// The last segment of the path: the resource's name.
    pub(super) fn name(&self) -> &str {
        self.segments.last().map_or("", String::as_str)
    }

    /// The body as a JSON object.
    pub(super) fn object(&self) -> Result<Value, Answer> {
        match serde_json::from_slice::<Value>(&self.body) {
            Ok(value) if value.is_object() => Ok(value),
            Ok(_) => Err(invalid_content("a JSON object was expected")),
            Err(error) => Err(invalid_content(&error.to_string())),
        }
    }
}

fn invalid_content(reason: &str) -> Answer {
    let message = format!("The request content was invalid and could not be deserialized: '{reason}'.");
    Answer::bad_request("InvalidRequestContent", message)
}

fn too_large() -> Answer {
    let message = format!("The request's body is larger than {MAX_READ_BYTES} bytes.");
    Answer::error(StatusCode::PAYLOAD_TOO_LARGE, "RequestContentTooLarge", message)
}
