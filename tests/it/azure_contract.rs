//! The contract with Azure: what the program sends and the in-process Azure answers, against Microsoft's own definitions.
//!
//! Runs of the program that together send every request of `plugin/azure/operations.md`, and requests of strangers, are
//! recorded. Every request of the program has to be in that list, and everything in the list has to be sent with success;
//! this is checked in any case. Where Microsoft's definitions are at hand (see [`crate::azure_specs`]), everything that was
//! said is held against them as well:
//!
//! - path, version, query, status and whether an operation is long-running: Pandora's table of operations, made from the official
//!   specifications; OpenAPI where Pandora has nothing;
//! - bodies that are put: the JSON schema and the Bicep types of the version, else the OpenAPI file of the nearest version;
//!   bodies of a PATCH also the OpenAPI file, which says what a part is;
//! - answers: the Bicep types of the version, else the OpenAPI file; errors: the common types of Resource Manager, or the
//!   OpenAPI file of the ingestion API;
//! - headers: those that the OpenAPI file or HTTP knows; an operation is announced where there is one, at an address of the list.
//!
//! What cannot be checked:
//!
//! - What [`UNDEFINED`] lists, with the reason of each. Of these, only what holds for all of Azure is checked: status, the
//!   body of errors and of operations.
//! - The schema's list of streams and of the kinds of rules, which lack legal ones (see `azure_specs::template`).
//! - Versions whose OpenAPI files are not published with their own paths (workspaces and tables 2025-07-01, rules and endpoints
//!   2024-03-11, clusters 2026-05-01, private link scopes 2021-09-01): their bodies are those of the Bicep types, their paths and
//!   statuses those of Pandora, which has private link scopes of 2021-07-01-preview and clusters of 2026-04-01 only.
//! - Which error Azure answers when: the specifications say no more than how an error looks.
//! - Answers that were written into a fault, and bodies that a fault has emptied or replaced.
#![allow(clippy::print_stderr, reason = "whoever reads the results has to see that the definitions were not there")]

mod answer;
mod bicep;
mod check;
mod controls;
mod coverage;
mod definitions;
mod openapi;
mod path;
mod request;
mod runs;
mod shape;
mod strangers;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use forensys::demo::azure::Exchange;

use self::{
    coverage::{Calls, Service, service},
    definitions::Definitions,
};
use crate::azure_specs::specs;

/// Requests of which the definitions say nothing, with the reason.
const UNDEFINED: &[(&str, &str)] = &[
    ("GET /subscriptions", "the file of subscriptions is not among the definitions"),
    ("/privateDnsZones/", "nor that of private DNS"),
    (
        "/operationresults/",
        "addresses that Azure gives are in no file but that of Log Analytics and of private link scopes",
    ),
    ("/privateDnsOperationStatuses/", "the same; the path is that of the file's examples"),
    ("/locations/{location}/operations/", "the same; the path is that of the file's examples"),
    ("/v1/workspaces/{workspaceId}/query", "the file of the query API is not among the definitions"),
];

/// The definitions of whatever was said or can be said.
fn definitions(folder: &Path, calls: &Calls, exchanges: &[Exchange]) -> Definitions {
    let mut paths: BTreeSet<_> = calls.all().map(|(path, call)| (call.method.to_owned(), path.text.clone())).collect();
    for exchange in exchanges {
        if let Service::Azure(path) = service(exchange) {
            paths.insert((exchange.method.to_string(), path.text));
        }
    }
    Definitions::read(folder, &paths)
}

/// The requests of the list of which nothing is defined, or nothing in their version, without those that are known to be so.
fn undefined(definitions: &Definitions, calls: &Calls) -> Vec<String> {
    let is_defined = |method, path, version| definitions.find(method, path, version).is_some_and(|it| it.is_of_version);
    let missing: Vec<_> = calls
        .all()
        .filter(|(path, call)| !is_defined(call.method, path, call.version))
        .map(|(path, call)| format!("{} {}", call.method, path.text))
        .collect();
    let stale = UNDEFINED.iter().filter(|(part, _)| !missing.iter().any(|request| request.contains(part)));
    let stale: Vec<_> = stale.map(|(part, _)| format!("{part} is defined by now")).collect();
    missing
        .into_iter()
        .filter(|request| !UNDEFINED.iter().any(|(part, _)| request.contains(part)))
        .chain(stale)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_said_is_as_microsoft_defines_it() {
    let calls = Calls::read();
    let mut exchanges = runs::all().await;
    assert_eq!(calls.unlisted(&exchanges), BTreeSet::new(), "requests that src/reference/azure_calls.rs does not list");
    assert_eq!(calls.unsaid(&exchanges), BTreeSet::new(), "requests that no run sends");
    let is_signed = |it: &Exchange| check::is_of_the_program(it) || matches!(service(it), Service::Other);
    assert!(exchanges.iter().all(is_signed), "a request without the program's name would not be checked");
    exchanges.extend(strangers::all().await);
    let Some(folder) = specs() else { return };
    let definitions = definitions(&folder, &calls, &exchanges);
    assert_eq!(undefined(&definitions, &calls), [""; 0]);
    let mut found = BTreeMap::new();
    for problem in exchanges.iter().flat_map(|exchange| check::problems(&definitions, &calls, exchange)) {
        *found.entry(problem).or_insert(0) += 1;
    }
    assert!(found.is_empty(), "{} exchanges, in which differ, so often: {found:#?}", exchanges.len());
}
