//! The Logs Ingestion API: `POST {endpoint}/dataCollectionRules/{immutable id}/streams/{stream}`
//! (<https://learn.microsoft.com/azure/azure-monitor/logs/logs-ingestion-api-overview>).
//!
//! The checks come in this order: token, length, rule, endpoint and role, stream, body. Microsoft documents each but not
//! their order.

mod access;
mod body;
mod value;

use http::{Method, StatusCode};

use self::access::Target;
use super::{answer::Answer, call::Call, entra, service::Service, token::Refusal};

/// The documented limit of a call, in bytes as sent.
const MAX_CALL_BYTES: usize = 1_048_576;

/// Answers a request below `/ingest/{endpoint}`.
pub(super) fn answer(service: &Service, call: &Call) -> Answer {
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    let [_, endpoint, collection, rule, streams, stream] = segments.as_slice() else {
        return Answer::error(StatusCode::NOT_FOUND, "NotFound", "The requested path is not known.");
    };
    let known = collection.eq_ignore_ascii_case("dataCollectionRules") && streams.eq_ignore_ascii_case("streams");
    if !known || call.method != Method::POST {
        return Answer::error(StatusCode::NOT_FOUND, "NotFound", "The requested path is not known.");
    }
    match upload(service, call, &Target { endpoint, rule, stream }) {
        Ok(answer) | Err(answer) => answer,
    }
}

fn upload(service: &Service, call: &Call, target: &Target<'_>) -> Result<Answer, Answer> {
    let claims = service
        .signer
        .check(call.bearer(), entra::MONITOR, Service::now())
        .map_err(|refusal| unauthorized(service, refusal))?;
    match call.query("api-version") {
        Some("2023-01-01" | "2023-04-01-preview" | "2021-11-01-preview") => {}
        other => {
            return Err(Answer::bad_request(
                "UnsupportedApiVersion",
                format!("api-version {other:?} is not supported."),
            ));
        }
    }
    if call.body.len() > MAX_CALL_BYTES {
        return Err(too_long(call.body.len()));
    }
    let sink = access::find(&mut service.world(), target, &claims)?;
    let batch = body::read(call, &sink, &service.settings)?;
    if let Some(batch) = batch {
        service.arrivals().add(&sink.table, batch);
    }
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

fn too_long(length: usize) -> Answer {
    let message = format!(
        "Maximum allowed content length: {MAX_CALL_BYTES} bytes (1 MB). Provided content length: {length} bytes."
    );
    Answer::error(StatusCode::PAYLOAD_TOO_LARGE, "ContentLengthLimitExceeded", message)
}

/// `InvalidAudience` is documented; the bodies for a missing, bad or expired token are not.
fn unauthorized(service: &Service, refusal: Refusal) -> Answer {
    let (code, message) = match refusal {
        Refusal::Audience => ("InvalidAudience", "The authentication token does not have a valid audience."),
        Refusal::Missing => ("AuthenticationFailed", "No authentication token was provided."),
        Refusal::Invalid => ("InvalidToken", "The authentication token is not valid."),
        Refusal::Expired => ("ExpiredToken", "The authentication token has expired."),
    };
    let authority = format!("{}/{}", service.base, service.credentials.tenant_id);
    Answer::error(StatusCode::UNAUTHORIZED, code, message)
        .header("www-authenticate", format!("Bearer authorization_uri=\"{authority}\""))
}
