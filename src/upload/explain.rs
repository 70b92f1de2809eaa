//! Answers that end an upload, translated into what to do.

use super::{
    answer::{Answer, Reply},
    route::TableRoute,
};
use crate::{failure::Failure, ui::printable};

/// The failure for a reply that no repetition can mend. Whatever was acknowledged before stays acknowledged.
pub(super) fn failure(reply: &Reply, table: &TableRoute, scope: &str) -> Failure {
    let fix = match reply {
        Reply::Answered(answer) => fix(answer, table, scope),
        Reply::Lost(_) => format!(
            "check the network and the address {}; {}",
            printable(&table.route.endpoint),
            "run the same upload again, it goes on where it stopped"
        ),
    };
    Failure::new(
        format!(
            "the rows of {} were not taken by {} (rule {}): {}",
            printable(&table.table),
            printable(&table.route.endpoint),
            printable(&table.route.rule),
            reply.in_words()
        ),
        fix,
    )
}

fn fix(answer: &Answer, table: &TableRoute, scope: &str) -> String {
    let rule = printable(&table.route.rule);
    let stream = printable(&table.route.stream);
    match answer.status {
        400 => {
            format!("declare the stream {stream} in the rule {rule}, or name the right stream in the deployment file")
        }
        401 => format!(
            "sign in again and check that --cloud fits the endpoint; the token was asked for with the scope {scope}"
        ),
        403 => fix_forbidden(&answer.message(), &rule),
        404 => format!(
            "check immutable_id and endpoint of {} in the deployment file: there is no rule {rule} behind the endpoint",
            printable(&table.table)
        ),
        408 | 429 | 500..=599 => "run the same upload again later, it goes on where it stopped".to_owned(),
        _ => format!(
            "check the endpoint {}: an ingestion endpoint answers 204, so this may be a proxy or another service",
            printable(&table.route.endpoint)
        ),
    }
}

/// The 403 has one status and several causes; only its text tells them apart
/// (<https://learn.microsoft.com/azure/azure-monitor/logs/logs-ingestion-api-overview>).
fn fix_forbidden(message: &str, rule: &str) -> String {
    if message.contains("IsDcrDceBindingValid: False") {
        return format!(
            "the rule {rule} is not bound to this endpoint: put the endpoint of its own data collection endpoint into the \
             deployment file, or run `kubectl forensys provision` again"
        );
    }
    if message.contains("IsRbacPresent: False") || message.contains("does not have access to ingest") {
        return format!(
            "give whoever uploads the role Monitoring Metrics Publisher on the data collection rule {rule} \
             (`kubectl forensys provision` does); a new role takes up to 30 minutes, see --warm-up"
        );
    }
    "check that the endpoint accepts requests from this network (public access, private link) and that whoever uploads has \
     the role Monitoring Metrics Publisher on the rule"
        .to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::upload::ledger::Route;

    fn explained(status: u16, message: &str) -> Failure {
        let body = serde_json::json!({"error": {"code": "Code", "message": message}}).to_string().into_bytes();
        let reply = Reply::Answered(Answer { status, headers: http::HeaderMap::new(), body });
        let route = Route {
            run_id: "r".into(),
            endpoint: "https://e".into(),
            rule: "dcr-1".into(),
            stream: "Custom-t_CL".into(),
        };
        let table = TableRoute { table: "t_CL".into(), route, url: "https://e/x".parse().unwrap(), columns: None };
        failure(&reply, &table, "https://monitor.azure.com/.default")
    }

    #[test]
    fn the_two_causes_of_403_are_told_apart() {
        let role =
            "PipelineAccessResult: AccessGranted: False, IsRbacPresent: False, IsDcrDceBindingValid: , DcrArmId: x";
        let binding = "PipelineAccessResult: AccessGranted: False, IsRbacPresent: True, IsDcrDceBindingValid: False";
        assert!(
            explained(403, role)
                .fix
                .unwrap()
                .contains("Monitoring Metrics Publisher on the data collection rule dcr-1")
        );
        assert!(explained(403, binding).fix.unwrap().contains("not bound to this endpoint"));
    }

    #[test]
    fn the_service_s_words_come_first_and_in_full() {
        let failure = explained(404, "Data collection rule with immutable Id 'dcr-1' not found.");
        assert_eq!(
            failure.message,
            "the rows of t_CL were not taken by https://e (rule dcr-1): 404 Code Data collection rule with immutable Id \
             'dcr-1' not found."
        );
    }
}
