//! Long-running operations: the headers that announce one, and the addresses at which clients poll it
//! (<https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations>).

use http::StatusCode;

use super::Request;
use crate::demo::azure::{
    answer::Answer,
    world::{Progress, World},
};

/// Adds `Azure-AsyncOperation` and `Retry-After` to the answer that started an operation of Log Analytics.
pub(super) fn announce(answer: Answer, request: &Request<'_>, location: &str, operation: &str) -> Answer {
    let at = format!("providers/Microsoft.OperationalInsights/locations/{location}/operationstatuses");
    announce_at(answer, request, &at, operation)
}

/// The same for any provider; `at` is what stands between the subscription and the operation's id.
pub(super) fn announce_at(answer: Answer, request: &Request<'_>, at: &str, operation: &str) -> Answer {
    let url = format!(
        "{}/subscriptions/{}/{at}/{operation}?api-version={}",
        request.base, request.subscription, request.version
    );
    answer.header("azure-asyncoperation", url).header("retry-after", request.settings.retry_after.to_string())
}

/// Adds a `Location` below the resource.
pub(super) fn announce_result(answer: Answer, request: &Request<'_>, operation: &str) -> Answer {
    let url = format!("{}{}/operationresults/{operation}?api-version={}", request.base, request.id, request.version);
    answer.header("location", url)
}

/// Answers a poll of either address.
pub(super) fn poll(world: &mut World, request: &Request<'_>) -> Answer {
    let id = request.call.name();
    let Some(progress) = world.poll(id) else { return Answer::resource_not_found(&request.id) };
    let again = request.settings.retry_after.to_string();
    if !request.call.lower.iter().any(|segment| segment == "operationresults") {
        let answer = Answer::ok(world.operation_body(id, &progress));
        return if progress == Progress::Running { answer.header("retry-after", again) } else { answer };
    }
    match progress {
        Progress::Running => {
            let url = format!("{}{}?api-version={}", request.base, request.id, request.version);
            Answer::empty(StatusCode::ACCEPTED).header("location", url).header("retry-after", again)
        }
        Progress::Succeeded => Answer::empty(StatusCode::OK),
        Progress::Failed { code, message } => Answer::error(StatusCode::CONFLICT, &code, message),
    }
}
