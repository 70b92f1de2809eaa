//! Bodies and `Status` objects, worded as the API server words them.

use super::request::Target;
use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use serde_json::{Value, json};
use std::io;

/// An answer of the in-process API.
pub(super) type Reply = Response<UnsyncBoxBody<Bytes, io::Error>>;

/// A JSON answer.
pub(super) fn object(code: StatusCode, value: &Value) -> Reply {
    with_type(code, "application/json", full(value.to_string()))
}

/// A plain-text answer.
pub(super) fn text(code: StatusCode, body: impl Into<Bytes>) -> Reply {
    with_type(code, "text/plain", full(body))
}

/// An answer without a body.
pub(super) fn empty(code: StatusCode) -> Reply {
    let mut reply = Response::new(full(Bytes::new()));
    *reply.status_mut() = code;
    reply
}

/// A 200 whose body comes as it is made; an error item breaks the connection off.
pub(super) fn streamed(
    kind: &'static str,
    pieces: impl futures::Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> Reply {
    use futures::StreamExt as _;
    with_type(StatusCode::OK, kind, StreamBody::new(pieces.map(|piece| piece.map(Frame::data))).boxed_unsync())
}

fn with_type(code: StatusCode, kind: &'static str, body: UnsyncBoxBody<Bytes, io::Error>) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = code;
    reply.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    reply
}

fn full(body: impl Into<Bytes>) -> UnsyncBoxBody<Bytes, io::Error> {
    Full::new(body.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A failed `Status` as JSON.
pub(super) fn status(code: StatusCode, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code.as_u16(),
    })
}

/// An answer with a failed `Status`.
pub(super) fn failure(code: StatusCode, reason: &str, message: &str) -> Reply {
    object(code, &status(code, reason, message))
}

/// 400, as for a log that cannot be read.
pub(super) fn bad_request(message: &str) -> Reply {
    failure(StatusCode::BAD_REQUEST, "BadRequest", message)
}

/// 404 for a path that nothing serves.
pub(super) fn unknown_path() -> Reply {
    failure(StatusCode::NOT_FOUND, "NotFound", "the server could not find the requested resource")
}

/// 404 for an object.
pub(super) fn not_found(target: &Target) -> Reply {
    let qualified =
        if target.group.is_empty() { target.plural.clone() } else { format!("{}.{}", target.plural, target.group) };
    let name = target.name.as_deref().unwrap_or_default();
    let mut value = status(StatusCode::NOT_FOUND, "NotFound", &format!("{qualified} {name:?} not found"));
    details(&mut value, json!({ "name": name, "group": target.group, "kind": target.plural }));
    object(StatusCode::NOT_FOUND, &value)
}

/// 403 for `user`, naming verb, resource, group and scope.
pub(super) fn forbidden(user: &str, verb: &str, target: &Target) -> Reply {
    let name = target.name.as_deref();
    let what = name.map_or_else(|| target.plural.clone(), |name| format!("{} {name:?}", target.plural));
    let scope = target
        .namespace
        .as_ref()
        .map_or("at the cluster scope".to_owned(), |name| format!("in the namespace {name:?}"));
    let message = format!(
        "{what} is forbidden: User {user:?} cannot {verb} resource {:?} in API group {:?} {scope}",
        target.rule_name(),
        target.group
    );
    let mut value = status(StatusCode::FORBIDDEN, "Forbidden", &message);
    details(&mut value, json!({ "name": name, "group": target.group, "kind": target.plural }));
    object(StatusCode::FORBIDDEN, &value)
}

fn details(value: &mut Value, details: Value) {
    if let Some(fields) = value.as_object_mut() {
        fields.insert("details".to_owned(), details);
    }
}
