//! The Log Analytics query API (<https://learn.microsoft.com/azure/azure-monitor/logs/api/request-format>), as far as counting
//! goes: it answers the one query that `upload --verify-arrival` asks, and refuses every other.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{answer::Answer, call::Call, service::Service};

/// Audience of tokens for queries, that of the public cloud.
pub(super) const LOG_ANALYTICS: &str = "https://api.loganalytics.io";

/// Answers a request below `/v1/workspaces`.
pub(super) fn answer(service: &Service, call: &Call) -> Answer {
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    let ["v1", "workspaces", workspace, "query"] = segments.as_slice() else {
        return Answer::error(StatusCode::NOT_FOUND, "PathNotFoundError", "The requested path does not exist");
    };
    if call.method != Method::POST {
        return Answer::error(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "Only POST is known here.");
    }
    if service.signer.check(call.bearer(), LOG_ANALYTICS, Service::now()).is_err() {
        return Answer::error(StatusCode::UNAUTHORIZED, "InvalidTokenError", "Could not validate the token.");
    }
    if !is_workspace(service, workspace) {
        return Answer::error(StatusCode::NOT_FOUND, "WorkspaceNotFoundError", "The workspace could not be found.");
    }
    let body = match call.object() {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    let text = body.get("query").and_then(Value::as_str).unwrap_or_default();
    match asked(text) {
        Some((table, run_id)) => count(service, table, run_id),
        None => {
            let message = format!("The in-process Azure does not know this query: {text}");
            Answer::bad_request("BadArgumentError", message)
        }
    }
}

fn is_workspace(service: &Service, customer_id: &str) -> bool {
    let world = service.world();
    let mut workspaces = world.within("", "microsoft.operationalinsights/workspaces");
    workspaces.any(|workspace| {
        workspace.property("customerId").as_str().is_some_and(|id| id.eq_ignore_ascii_case(customer_id))
    })
}

/// The table and the run of the one query that is known.
fn asked(text: &str) -> Option<(&str, &str)> {
    let (table, rest) = text.strip_prefix("['")?.split_once("'] | where RunId == '")?;
    let run_id = rest.strip_suffix("' | count")?;
    (!table.contains('\'') && !run_id.contains('\'')).then_some((table, run_id))
}

fn count(service: &Service, table: &str, run_id: &str) -> Answer {
    let rows = service.arrivals().of_run(table, run_id);
    Answer::ok(json!({"tables": [{
        "name": "PrimaryResult",
        "columns": [{"name": "Count", "type": "long"}],
        "rows": [[rows]],
    }]}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_query_is_known() {
        assert_eq!(asked("['t_CL'] | where RunId == 'r' | count"), Some(("t_CL", "r")));
        for other in
            ["t_CL | count", "['t_CL'] | where RunId == 'r' or 'x' == 'x' | count", "['t_CL'] | where RunId == 'r'"]
        {
            assert_eq!(asked(other), None, "{other}");
        }
    }
}
