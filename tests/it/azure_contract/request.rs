//! What the program sends: query, headers and body.

use std::io::Read as _;

use forensys::{demo::azure::Exchange, provision::Kind};
use jsonschema::{ValidationError, error::ValidationErrorKind};
use serde_json::{Value, json};

use super::{
    check::{Check, header},
    coverage::query,
    definitions::Definition,
    openapi::OpenApi,
    shape::Way,
};

/// Headers that HTTP itself, the library under it and every service of Azure know.
const USUAL_HEADERS: &[&str] =
    &["accept", "accept-encoding", "authorization", "content-length", "content-type", "host", "user-agent"];

impl Check<'_> {
    pub(super) fn request(&mut self, definition: &Definition<'_>) {
        self.request_query(definition);
        self.request_headers(definition.open);
        self.request_body(definition);
    }

    fn request_query(&mut self, definition: &Definition<'_>) {
        if !definition.is_of_version {
            self.report("request/query/api-version", format!("{:?} is defined nowhere", self.version));
        }
        if self.version.is_none() {
            self.report("request/query/api-version", "is missing");
        }
        for (name, _) in query(self.exchange).into_iter().filter(|(name, _)| name != "api-version") {
            if !definition.query.contains(&name.to_lowercase()) {
                self.report(&format!("request/query/{name}"), "is not defined");
            }
        }
        for name in definition.open.into_iter().flat_map(|open| &open.required_query) {
            if !query(self.exchange).iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                self.report(&format!("request/query/{name}"), "is missing");
            }
        }
    }

    /// `open` is the operation's definition, which may have headers of its own.
    pub(super) fn request_headers(&mut self, open: Option<&OpenApi>) {
        let of_operation = open.map(|open| &open.headers);
        let headers = &self.exchange.headers;
        let unknown: Vec<_> = headers
            .keys()
            .map(http::HeaderName::as_str)
            .filter(|name| !USUAL_HEADERS.contains(name))
            .filter(|name| !of_operation.is_some_and(|known| known.contains(*name)))
            .map(str::to_owned)
            .collect();
        unknown.iter().for_each(|name| self.report(&format!("request/headers/{name}"), "is not defined"));
        if !header(headers, "authorization").starts_with("Bearer ") {
            self.report("request/headers/authorization", "is no bearer token");
        }
        if !self.exchange.body.is_empty() && header(headers, "content-type") != "application/json" {
            self.report("request/headers/content-type", "is not application/json");
        }
        if self.exchange.method == "POST" && header(headers, "content-length").is_empty() {
            self.report("request/headers/content-length", "is missing");
        }
    }

    fn request_body(&mut self, definition: &Definition<'_>) {
        let takes_body = match definition.open {
            Some(open) => open.body.is_some(),
            None => matches!(self.exchange.method.as_str(), "PUT" | "PATCH"),
        };
        if self.exchange.body.is_empty() {
            if takes_body && matches!(self.exchange.method.as_str(), "PUT" | "PATCH") {
                self.report("request", "has no body");
            }
            return;
        }
        if !takes_body {
            return self.report("request", "takes no body");
        }
        let body = match plain(self.exchange) {
            Ok(body) => body,
            Err(reason) => return self.report("request", reason),
        };
        let way = if self.exchange.method == "PATCH" { Way::SentInPart } else { Way::Sent };
        if let Some(shape) = definition.open.filter(|_| self.opens(definition, way)).and_then(|open| open.body) {
            self.shaped(shape, &body, "request", way);
        }
        let mut resource = body;
        let Some(members) = resource.as_object_mut() else { return };
        // In a template, a resource has its name inside.
        let name = self.path.text.rsplit('/').next().unwrap_or_default();
        members.insert("name".to_owned(), json!(name));
        if let Some(shape) = definition.bicep {
            self.shaped(shape, &resource, "request", way);
        }
        if let (Some(schema), Way::Sent) = (definition.schema, way) {
            self.schema(schema, resource);
        }
    }

    fn schema(&mut self, schema: &jsonschema::Validator, mut resource: Value) {
        let (kind, _) = self.path.resource_type().unwrap_or_default();
        let kind = Kind::of(&self.path.text).map_or(kind.as_str(), |kind| kind.resource_type());
        resource["type"] = json!(kind);
        resource["apiVersion"] = json!(self.version);
        let found: Vec<_> = schema.iter_errors(&resource).flat_map(|error| innermost(&error)).collect();
        for (pointer, reason) in found {
            self.report(&format!("request{pointer}"), reason);
        }
    }
}

/// What an error comes down to: where there are alternatives, what is wrong with the one that went furthest.
fn innermost(error: &ValidationError<'_>) -> Vec<(String, String)> {
    let depth = |error: &ValidationError<'_>| error.instance_path().to_string().matches('/').count();
    match error.kind() {
        ValidationErrorKind::OneOfNotValid { context } | ValidationErrorKind::AnyOf { context } => {
            let furthest = context.iter().max_by_key(|errors| errors.iter().map(depth).max());
            furthest.into_iter().flatten().flat_map(innermost).collect()
        }
        _ => vec![(error.instance_path().to_string(), error.to_string())],
    }
}

/// The body as JSON, decompressed.
fn plain(exchange: &Exchange) -> Result<Value, String> {
    let mut bytes = Vec::new();
    match header(&exchange.headers, "content-encoding") {
        "" => bytes.extend_from_slice(&exchange.body),
        "gzip" => drop(
            flate2::read::GzDecoder::new(exchange.body.as_ref())
                .read_to_end(&mut bytes)
                .map_err(|error| format!("is no gzip: {error}"))?,
        ),
        other => return Err(format!("has the encoding {other}")),
    }
    serde_json::from_slice(&bytes).map_err(|error| format!("is no JSON: {error}"))
}
