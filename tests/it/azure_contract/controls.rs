//! The check finds what is wrong: exchanges that were right, each with one thing changed.

use std::collections::BTreeSet;

use forensys::demo::azure::Exchange;
use http::{HeaderValue, Method};
use serde_json::{Value, json};

use super::{check::problems, coverage::Calls, definitions, runs};
use crate::{azure_simulator::client::gzip, azure_specs::specs};

/// The first exchange with that method, that part in its path and that status.
fn find(exchanges: &[Exchange], method: Method, part: &str, status: u16) -> Exchange {
    let fits = |it: &&Exchange| {
        it.method == method && it.status == status && it.target.path().to_lowercase().contains(&part.to_lowercase())
    };
    exchanges.iter().find(fits).unwrap_or_else(|| panic!("no {method} {part} {status}")).clone()
}

/// The exchange with the body of its request changed.
fn sending(exchange: &Exchange, change: impl FnOnce(&mut Value)) -> Exchange {
    let mut body = serde_json::from_slice(&exchange.body).unwrap();
    change(&mut body);
    Exchange { body: body.to_string().into(), ..exchange.clone() }
}

/// The exchange with the body of its answer changed.
fn answering(exchange: &Exchange, change: impl FnOnce(&mut Value)) -> Exchange {
    let mut changed = exchange.clone();
    change(changed.answer.as_mut().unwrap());
    changed
}

fn to(exchange: &Exchange, old: &str, new: &str) -> Exchange {
    let target = exchange.target.to_string();
    assert!(target.contains(old), "{target}");
    Exchange { target: target.replace(old, new).parse().unwrap(), ..exchange.clone() }
}

fn with_status(exchange: &Exchange, status: u16) -> Exchange {
    Exchange { status, ..exchange.clone() }
}

/// What is wrong in a request, with the place where it has to be found.
fn wrong_requests(all: &[Exchange]) -> Vec<(&'static str, Exchange)> {
    let rule = find(all, Method::PUT, "/dataCollectionRules/", 201);
    let table = find(all, Method::PUT, "/tables/", 202);
    let workspace = find(all, Method::PUT, "/workspaces/logs", 201);
    let patch = find(all, Method::PATCH, "/tables/", 202);
    let role = find(all, Method::PUT, "/roleAssignments/", 201);
    let upload = find(all, Method::POST, "/streams/", 204);
    let list = find(all, Method::GET, "/roleAssignments", 200);
    let mut unsigned = rule.clone();
    unsigned.headers.remove("authorization");
    let mut of_text = rule.clone();
    of_text.headers.insert("content-type", HeaderValue::from_static("text/plain"));
    let mut own = upload.clone();
    own.headers.insert("x-own", HeaderValue::from_static("1"));
    let object = Exchange { body: gzip(b"{}").into(), ..upload.clone() };
    let plain = Exchange { body: b"[]".as_slice().into(), ..upload.clone() };
    let empty = Exchange { body: Default::default(), ..rule.clone() };
    vec![
        (
            "request/properties/immutableId: cannot be written",
            sending(&rule, |it| it["properties"]["immutableId"] = json!("x")),
        ),
        ("request/properties/dataFlow: is not defined", sending(&rule, |it| it["properties"]["dataFlow"] = json!([]))),
        (
            "request/properties/dataFlows/0/streams: is no list",
            sending(&rule, |it| it["properties"]["dataFlows"][0]["streams"] = json!("x")),
        ),
        (
            "request: \"properties\" is a required property",
            sending(&rule, |it| drop(it.as_object_mut().unwrap().remove("properties"))),
        ),
        ("request/location: is missing", sending(&rule, |it| drop(it.as_object_mut().unwrap().remove("location")))),
        ("request: has no body", empty),
        (
            "request/properties/retentionInDays: 3 is not between",
            sending(&table, |it| it["properties"]["retentionInDays"] = json!(3)),
        ),
        (
            "request/properties/plan: is none of the values",
            sending(&table, |it| it["properties"]["plan"] = json!("Cheap")),
        ),
        (
            "request/properties/schema/columns/0/type: is none of",
            sending(&table, |it| it["properties"]["schema"]["columns"][0]["type"] = json!("text")),
        ),
        (
            "request/properties/provisioningState: cannot",
            sending(&patch, |it| it["properties"]["provisioningState"] = json!("Succeeded")),
        ),
        ("request/properties/sku/name: is missing", sending(&workspace, |it| it["properties"]["sku"] = json!({}))),
        ("request/name: `no`", to(&workspace, "/workspaces/logs", "/workspaces/no")),
        (
            "request/properties/principalId: is missing",
            sending(&role, |it| drop(it["properties"].as_object_mut().unwrap().remove("principalId"))),
        ),
        ("request/query/api-version: Some(\"2023-07-07\") is defined nowhere", to(&rule, "2024-03-11", "2023-07-07")),
        ("request/query/api-version: is missing", to(&rule, "api-version", "version")),
        ("request/query/filter: is not defined", to(&list, "$filter", "filter")),
        ("request/headers/authorization: is no bearer token", unsigned),
        ("request/headers/content-type: is not application/json", of_text),
        ("request/headers/x-own: is not defined", own),
        ("request: is no list: {}", object),
        ("request: is no gzip", plain),
    ]
}

/// The same for answers.
fn wrong_answers(all: &[Exchange]) -> Vec<(&'static str, Exchange)> {
    let rule = find(all, Method::PUT, "/dataCollectionRules/", 201);
    let found = find(all, Method::GET, "/tables/", 200);
    let table = find(all, Method::PUT, "/tables/", 202);
    let removed = find(all, Method::DELETE, "/dataCollectionRules/", 200);
    let upload = find(all, Method::POST, "/streams/", 204);
    let group = find(all, Method::GET, "/resourceGroups/rg", 404);
    let status = find(all, Method::GET, "/operationstatuses/", 200);
    let mut silent = table.clone();
    silent.answer_headers.remove("azure-asyncoperation");
    let mut astray = table.clone();
    let nowhere = HeaderValue::from_static("https://127.0.0.1/subscriptions/s/providers/Microsoft.Other/operations/x");
    astray.answer_headers.insert("azure-asyncoperation", nowhere.clone());
    let mut eager = rule.clone();
    eager.answer_headers.insert("azure-asyncoperation", nowhere);
    let remark = Exchange { answer: Some(json!({})), ..upload.clone() };
    vec![
        ("answer/etags: is not defined", answering(&rule, |it| it["etags"] = json!("x"))),
        ("answer/id: `/subscriptions/other`", answering(&rule, |it| it["id"] = json!("/subscriptions/other"))),
        ("answer/type: \"x\" is not", answering(&rule, |it| it["type"] = json!("x"))),
        (
            "answer/properties/provisioningState: is none of",
            answering(&found, |it| it["properties"]["provisioningState"] = json!("Done")),
        ),
        (
            "answer/properties/schema/columns/0/name: is no text",
            answering(&found, |it| it["properties"]["schema"]["columns"][0]["name"] = json!(1)),
        ),
        ("answer: 202 is none of {200, 201}", with_status(&rule, 202)),
        ("answer: 200 is none of {204}", with_status(&upload, 200)),
        ("answer: has a body where none is defined", remark),
        ("answer: 201 is none of {200, 202}", with_status(&table, 201)),
        ("answer: 202 is none of {200, 204}", with_status(&removed, 202)),
        ("answer/headers: 202, and no address to ask at", silent),
        ("answer/headers/azure-asyncoperation: ", astray),
        ("answer/headers: announces an operation where none is long-running", eager),
        (
            "answer/error/code: is missing",
            answering(&group, |it| drop(it["error"].as_object_mut().unwrap().remove("code"))),
        ),
        ("answer/code: is not defined", answering(&group, |it| *it = it["error"].clone())),
        ("answer/status: is no text", answering(&status, |it| it["status"] = json!(1))),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_is_found_where_it_is() {
    let calls = Calls::read();
    let all = runs::own_endpoints_and_plans().await;
    let Some(folder) = specs() else { return };
    let definitions = definitions(&folder, &calls, &all);
    let mut missed = Vec::new();
    for (wanted, exchange) in wrong_requests(&all).into_iter().chain(wrong_answers(&all)) {
        let found = problems(&definitions, &calls, &exchange);
        if !found.iter().any(|problem| problem.contains(&format!(" {wanted}"))) {
            missed.push((wanted, exchange.method, exchange.target, found));
        }
    }
    assert!(missed.is_empty(), "what is wanted is not among what was found: {missed:#?}");
}

#[tokio::test]
async fn a_request_that_is_not_listed_and_one_that_is_not_sent_are_found() {
    let calls = Calls::read();
    let all = runs::own_endpoints_and_plans().await;
    assert_eq!(calls.unlisted(&all), BTreeSet::new());
    let rule = find(&all, Method::PUT, "/dataCollectionRules/", 201);
    let others = [
        to(&rule, "/dataCollectionRules/", "/dataCollectionRuleAssociations/"),
        to(&rule, "2024-03-11", "2023-03-11"),
        to(&rule, "api-version", "force=true&api-version"),
        Exchange { method: Method::PATCH, ..rule },
    ];
    assert_eq!(calls.unlisted(&others).len(), others.len());
    let unsaid = calls.unsaid(&all);
    assert!(unsaid.iter().any(|request| request.ends_with("/privateLinkScopes/{privateLinkScopeName}")), "{unsaid:?}");
    assert!(!unsaid.iter().any(|request| request.ends_with("/streams/{stream}")), "{unsaid:?}");
}
