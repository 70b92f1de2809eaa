//! One exchange against what is defined of it.

use forensys::demo::azure::{Alter, Exchange};
use serde_json::Value;

use super::{
    coverage::{Calls, Service, query, service},
    definitions::{Definition, Definitions},
    path::Template,
    shape::{Problem, Way},
};

/// An exchange that is checked.
pub(super) struct Check<'a> {
    pub(super) definitions: &'a Definitions,
    pub(super) calls: &'a Calls,
    pub(super) exchange: &'a Exchange,
    pub(super) path: Template,
    pub(super) version: Option<String>,
    problems: Vec<Problem>,
}

/// What is wrong with it: the operation, the place and the reason of each.
pub(super) fn problems(definitions: &Definitions, calls: &Calls, exchange: &Exchange) -> Vec<String> {
    let Service::Azure(path) = service(exchange) else { return Vec::new() };
    let version = query(exchange).into_iter().find(|(name, _)| name == "api-version").map(|(_, value)| value);
    let mut check = Check { definitions, calls, exchange, path, version, problems: Vec::new() };
    let listed = check.calls.find(exchange.method.as_str(), &check.path);
    let name = listed.map_or_else(|| check.path.text.clone(), |call| call.path.clone());
    // The version of an address that Azure gave is the service's matter.
    let version = if listed.is_some_and(|call| call.version.is_none()) { None } else { check.version.clone() };
    match definitions.find(exchange.method.as_str(), &check.path, version.as_deref()) {
        Some(definition) => check.defined(&definition),
        None => check.undefined(),
    }
    let (method, status) = (&exchange.method, exchange.status);
    check.problems.iter().map(|it| format!("{method} {name} ({status}) {}: {}", it.pointer, it.reason)).collect()
}

impl Check<'_> {
    pub(super) fn report(&mut self, pointer: &str, reason: impl Into<String>) {
        self.problems.push(Problem { pointer: pointer.to_owned(), reason: reason.into() });
    }

    fn defined(&mut self, definition: &Definition<'_>) {
        // Strangers may say what they like; only what they are answered matters.
        if is_of_the_program(self.exchange) {
            self.request(definition);
        }
        self.answer_headers(definition.is_long_running);
        if self.exchange.is_scripted {
            return;
        }
        match self.exchange.status {
            400.. => self.error(definition),
            status if definition.statuses.contains(&status) => self.answer_body(definition),
            status => self.report("answer", format!("{status} is none of {:?}", definition.statuses)),
        }
    }

    /// Of what nothing is defined, only what holds for all of Azure is checked.
    fn undefined(&mut self) {
        if is_of_the_program(self.exchange) {
            self.request_headers(None);
        }
        let is_put = matches!(self.exchange.method.as_str(), "PUT" | "PATCH" | "DELETE");
        self.answer_headers(is_put);
        let usual: &[u16] = match self.exchange.method.as_str() {
            "GET" if self.path.text.contains("/operationresults/") => &[200, 202],
            "GET" | "POST" => &[200],
            "DELETE" => &[200, 202, 204],
            _ => &[200, 201, 202],
        };
        if self.exchange.status < 400 && !self.exchange.is_scripted && !usual.contains(&self.exchange.status) {
            self.report("answer", format!("{} is none of {usual:?}", self.exchange.status));
        }
        match (self.exchange.status, &self.exchange.answer) {
            (400.., Some(body)) if !self.is_altered() => {
                self.shaped(self.definitions.error, body, "answer", Way::Answered)
            }
            (200, Some(body)) if self.is_status() => {
                self.shaped(self.definitions.status, body, "answer", Way::Answered)
            }
            _ => {}
        }
    }

    /// Whether it asks how an operation goes.
    pub(super) fn is_status(&self) -> bool {
        let path = self.path.text.to_lowercase();
        path.contains("operationstatuses/") || path.contains("/operations/")
    }

    /// Whether a fault has changed the body into what no definition can allow.
    pub(super) fn is_altered(&self) -> bool {
        self.exchange.altered.iter().any(|alter| matches!(alter, Alter::EmptyBody | Alter::FailedOperation))
    }

    /// Whether the OpenAPI file is asked for a body: it is of the version, or no other definition has one.
    pub(super) fn opens(&self, definition: &Definition<'_>, way: Way) -> bool {
        let is_of_version = definition.open.is_some_and(|open| self.version.as_deref() == Some(&open.version));
        is_of_version || definition.bicep.is_none() || way == Way::SentInPart
    }

    pub(super) fn shaped(&mut self, shape: usize, value: &Value, place: &str, way: Way) {
        for problem in self.definitions.shapes.check(shape, value, way) {
            self.report(&format!("{place}{}", problem.pointer), problem.reason);
        }
    }
}

/// Whether the program sent it, and not a stranger.
pub(super) fn is_of_the_program(exchange: &Exchange) -> bool {
    header(&exchange.headers, "user-agent").starts_with("kubectl-forensys/")
}

/// A header's value; nothing when it is not there.
pub(super) fn header<'a>(headers: &'a http::HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
