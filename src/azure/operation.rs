//! Long-running operations of Resource Manager, as pure decisions: given an answer, what to ask next
//! (<https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations>).
//!
//! `Azure-AsyncOperation` is preferred to `Location`. Whatever the operation says, a PUT ends only when the resource itself
//! says `Succeeded`, or says nothing; a 404 while that is awaited is a create that is not visible yet.

use super::{
    answer::Answer,
    error::{AzureError, ErrorBody, ServiceError},
};

/// What the operation does to the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// The resource is there at the end.
    Put,
    /// It is gone at the end.
    Delete,
}

/// Where to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// The address from `Azure-AsyncOperation`.
    Operation(String),
    /// The address from `Location`.
    Location(String),
    /// The resource itself.
    Resource,
}

/// What follows from an answer.
#[derive(Debug)]
pub(super) enum Next {
    /// The operation is over and the answer is the last one.
    Done,
    /// Ask there, after a pause.
    Poll(Ask),
    /// The operation is over and there is nothing to ask but the resource, at once.
    Confirm,
    /// The operation failed.
    Failed(AzureError),
}

/// After the answer to the PUT or DELETE itself, which is a success.
pub(super) fn begun(effect: Effect, answer: &Answer, request: &str, resource: &str) -> Next {
    let accepted = matches!(answer.status, 200..=202);
    if accepted && let Some(url) = &answer.operation {
        return Next::Poll(Ask::Operation(url.clone()));
    }
    if matches!(answer.status, 201 | 202)
        && let Some(url) = answer.location.as_ref().filter(|url| !is_same(url, resource))
    {
        return Next::Poll(Ask::Location(url.clone()));
    }
    match effect {
        Effect::Delete if answer.status == 202 => Next::Poll(Ask::Resource),
        Effect::Delete => Next::Done,
        Effect::Put if answer.body.is_none() => Next::Confirm,
        Effect::Put => by_state(answer, request),
    }
}

/// After an answer to a poll.
pub(super) fn polled(effect: Effect, ask: &Ask, answer: &Answer, request: &str) -> Next {
    if answer.status == 404 {
        return match effect {
            Effect::Delete => Next::Done,
            Effect::Put => Next::Poll(ask.clone()),
        };
    }
    if answer.status >= 400 {
        return Next::Failed(answer.error(request));
    }
    match ask {
        Ask::Resource if effect == Effect::Delete => Next::Poll(Ask::Resource),
        Ask::Resource => by_state(answer, request),
        Ask::Operation(_) | Ask::Location(_) => by_status(effect, ask, answer, request),
    }
}

fn by_status(effect: Effect, ask: &Ask, answer: &Answer, request: &str) -> Next {
    let over = || if effect == Effect::Put { Next::Confirm } else { Next::Done };
    let status = answer.body.as_ref().and_then(|body| body.get("status")).and_then(serde_json::Value::as_str);
    match (status, ask) {
        (Some(status), _) if is_failure(status) => Next::Failed(failed(answer, request, status)),
        (Some(status), Ask::Operation(_)) if !status.eq_ignore_ascii_case("Succeeded") => Next::Poll(ask.clone()),
        (_, Ask::Location(_)) if answer.status == 202 => {
            Next::Poll(answer.location.clone().map_or_else(|| ask.clone(), Ask::Location))
        }
        (None, Ask::Operation(_)) if answer.status == 202 => Next::Poll(ask.clone()),
        _ => over(),
    }
}

fn by_state(answer: &Answer, request: &str) -> Next {
    match answer.provisioning_state() {
        None => Next::Done,
        Some(state) if state.eq_ignore_ascii_case("Succeeded") => Next::Done,
        Some(state) if is_failure(state) => Next::Failed(failed(answer, request, state)),
        Some(_) => Next::Poll(Ask::Resource),
    }
}

fn is_failure(state: &str) -> bool {
    ["Failed", "Canceled", "Cancelled"].iter().any(|failure| state.eq_ignore_ascii_case(failure))
}

fn failed(answer: &Answer, request: &str, state: &str) -> AzureError {
    let mut body = answer.body.as_ref().and_then(|body| body.get("error")).map(ErrorBody::of).unwrap_or_default();
    if body.code.is_empty() {
        body.code = state.to_owned();
    }
    let (status, request_id) = (answer.status, answer.request_id.clone());
    AzureError::Service(Box::new(ServiceError { request: request.to_owned(), status, body, request_id }))
}

/// Services answer with changed case, and the same address with and without a query.
fn is_same(url: &str, resource: &str) -> bool {
    let path = |url: &str| url.split('?').next().unwrap_or_default().trim_end_matches('/').to_ascii_lowercase();
    path(url).ends_with(&path(resource))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn answer(status: u16, body: Value) -> Answer {
        Answer { status, body: (!body.is_null()).then_some(body), ..Answer::default() }
    }

    fn say(next: &Next) -> String {
        match next {
            Next::Done => "done".to_owned(),
            Next::Confirm => "confirm".to_owned(),
            Next::Poll(Ask::Resource) => "poll resource".to_owned(),
            Next::Poll(Ask::Operation(url) | Ask::Location(url)) => format!("poll {url}"),
            Next::Failed(error) => format!("failed: {error}"),
        }
    }

    #[test]
    fn the_operation_header_comes_before_location() {
        let both = Answer { operation: Some("op".into()), location: Some("loc".into()), ..answer(202, Value::Null) };
        assert_eq!(say(&begun(Effect::Put, &both, "PUT", "/r")), "poll op");
        let location = Answer { operation: None, ..both };
        assert_eq!(say(&begun(Effect::Delete, &location, "DELETE", "/r")), "poll loc");
    }

    #[test]
    fn without_headers_the_provisioning_state_decides() {
        let state = |state: &str| answer(201, json!({"properties": {"provisioningState": state}}));
        let next = |answer: &Answer| say(&begun(Effect::Put, answer, "PUT /r", "/r"));
        assert_eq!(next(&state("ProvisioningAccount")), "poll resource");
        assert_eq!(next(&state("Succeeded")), "done");
        assert_eq!(next(&state("Canceled")), "failed: PUT /r was refused: 201 Canceled");
        assert_eq!(next(&answer(200, json!({}))), "done");
        assert_eq!(next(&answer(200, Value::Null)), "confirm");
        let itself = Answer { location: Some("https://m/R?api-version=1".into()), ..state("Updating") };
        assert_eq!(next(&itself), "poll resource");
    }

    #[test]
    fn a_poll_of_200_can_be_a_failure() {
        let error = json!({"status": "Failed", "error": {"code": "SchemaUpdateFatalError", "message": "MSG 1005"}});
        let next = polled(Effect::Put, &Ask::Operation("op".into()), &answer(200, error), "PUT /t");
        assert_eq!(say(&next), "failed: PUT /t was refused: 200 SchemaUpdateFatalError: MSG 1005");
    }

    #[test]
    fn polls_go_on_until_the_operation_and_then_the_resource_say_so() {
        let operation = Ask::Operation("op".into());
        let next = |body: Value| say(&polled(Effect::Put, &operation, &answer(200, body), "PUT /t"));
        assert_eq!(next(json!({"status": "InProgress"})), "poll op");
        assert_eq!(next(json!({"status": "Succeeded"})), "confirm");
        let location = Ask::Location("loc".into());
        assert_eq!(say(&polled(Effect::Delete, &location, &answer(202, Value::Null), "D")), "poll loc");
        assert_eq!(say(&polled(Effect::Delete, &location, &answer(204, Value::Null), "D")), "done");
    }

    #[test]
    fn not_found_ends_a_delete_and_delays_a_create() {
        for ask in [Ask::Resource, Ask::Operation("op".into())] {
            assert_eq!(say(&polled(Effect::Delete, &ask, &answer(404, Value::Null), "D")), "done");
            assert!(say(&polled(Effect::Put, &ask, &answer(404, Value::Null), "P")).starts_with("poll"));
        }
    }
}
