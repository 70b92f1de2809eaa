//! What was said against the list of what can be said: nothing that is not in it, and all that is.

use std::collections::BTreeSet;

use forensys::{
    demo::azure::Exchange,
    reference::{Call, azure_calls},
};

use super::path::Template;

/// The services: everything but signing in and the addresses of the in-process Azure's own.
pub(super) enum Service {
    Azure(Template),
    Other,
}

/// The service that was spoken to, and the path there. An ingestion endpoint has an address of its own in Azure.
pub(super) fn service(exchange: &Exchange) -> Service {
    let path = exchange.target.path();
    let mut parts = path.splitn(4, '/').skip(1);
    match (parts.next(), parts.next(), parts.next()) {
        (Some("ingest"), Some(_), Some(rest)) => Service::Azure(Template::new(&format!("/{rest}"))),
        (Some("subscriptions" | "v1"), _, _) => Service::Azure(Template::new(path)),
        _ if path.ends_with("/oauth2/v2.0/token") || path.contains("/.well-known/") => Service::Other,
        _ if path.starts_with("/common/discovery/") || path.starts_with("/arrived") => Service::Other,
        _ => Service::Azure(Template::new(path)),
    }
}

/// The list, to look requests up in.
pub(super) struct Calls(Vec<(Template, Call)>);

impl Calls {
    pub(super) fn read() -> Self {
        Self(azure_calls().into_iter().map(|call| (Template::new(&call.path), call)).collect())
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&Template, &Call)> {
        self.0.iter().map(|(path, call)| (path, call))
    }

    /// The request of the list that this is: the one whose path says most.
    pub(super) fn find(&self, method: &str, path: &Template) -> Option<&Call> {
        let fitting = self.0.iter().filter(|(template, call)| call.method == method && template.covers(path));
        fitting.max_by_key(|(template, _)| template.names()).map(|(_, call)| call)
    }

    /// What was said and is not in the list, with whatever of the query or the version is not.
    pub(super) fn unlisted(&self, exchanges: &[Exchange]) -> BTreeSet<String> {
        exchanges.iter().filter_map(|exchange| self.unlisted_one(exchange)).collect()
    }

    fn unlisted_one(&self, exchange: &Exchange) -> Option<String> {
        let Service::Azure(path) = service(exchange) else { return None };
        let Some(call) = self.find(exchange.method.as_str(), &path) else {
            return Some(format!("{} {} is not in the list", exchange.method, path.text));
        };
        let mut versions = Vec::new();
        for (name, value) in query(exchange) {
            if name == "api-version" {
                versions.push(value);
            } else if !call.query.contains(&name.as_str()) {
                return Some(format!("{} {}: the list has no `{name}` in the query", call.method, call.path));
            }
        }
        let is_given = call.version.is_none() || versions == [call.version.unwrap_or_default()];
        (!is_given).then(|| format!("{} {}: the version is {versions:?}", call.method, call.path))
    }

    /// What is in the list and was not said with success.
    pub(super) fn unsaid(&self, exchanges: &[Exchange]) -> BTreeSet<String> {
        let said: BTreeSet<_> = exchanges
            .iter()
            .filter(|exchange| exchange.status < 300 && !exchange.is_scripted)
            .filter_map(|exchange| match service(exchange) {
                Service::Azure(path) => self.find(exchange.method.as_str(), &path),
                Service::Other => None,
            })
            .map(|call| (call.method, &call.path))
            .collect();
        let unsaid = self.0.iter().filter(|(_, call)| !said.contains(&(call.method, &call.path)));
        unsaid.map(|(_, call)| format!("{} {}", call.method, call.path)).collect()
    }
}

/// The names and values of a query.
pub(super) fn query(exchange: &Exchange) -> Vec<(String, String)> {
    url::form_urlencoded::parse(exchange.target.query().unwrap_or_default().as_bytes()).into_owned().collect()
}
