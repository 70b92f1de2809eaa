//! Lists in pages, single objects, and watches.
//!
//! A continue token is opaque to clients and bound to the resource version of the first page, so that all pages show one
//! state of the collection. A token can be made to expire once, as etcd's compaction does it: 410 with a way to go on.

use super::catalog::Resource;
use super::reply::{self, Reply};
use super::request::{Query, Target};
use super::selector::Selector;
use super::server::Server;
use super::store::Change;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use http::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;

/// The objects of a kind, or one page of them.
pub(super) fn list(server: &Server, resource: &Resource, target: &Target, query: &Query) -> Reply {
    let selector = match Selector::parse(query.text("labelSelector"), query.text("fieldSelector")) {
        Ok(selector) => selector,
        Err(message) => return reply::bad_request(&message),
    };
    let (now, objects) = server.store.list(resource, target.namespace.as_deref());
    let items: Vec<Value> = objects.into_iter().filter(|object| selector.matches(object)).collect();
    let (version, start) = match query.text("continue").map(token) {
        None => (now, 0),
        Some(None) => return reply::bad_request("continue key is not valid: illegal base64 data"),
        Some(Some(position)) if server.faults.expires(resource.plural) => return expired(position),
        Some(Some(position)) => position,
    };
    let page =
        usize::try_from(query.number("limit").filter(|&limit| limit > 0).unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    let remaining = items.len().saturating_sub(start.saturating_add(page));
    let items: Vec<Value> = items.into_iter().skip(start).take(page).map(without_type).collect();
    let mut metadata = json!({ "resourceVersion": version.to_string() });
    if remaining > 0 {
        metadata = json!({
            "resourceVersion": version.to_string(),
            "continue": continue_token(version, start + items.len()),
            "remainingItemCount": remaining,
        });
    }
    let kind = format!("{}List", resource.kind);
    let body = json!({ "kind": kind, "apiVersion": resource.api_version(), "metadata": metadata, "items": items });
    reply::object(StatusCode::OK, &body)
}

/// One object, or 404.
pub(super) fn get(server: &Server, resource: &Resource, target: &Target, name: &str) -> Reply {
    match server.store.get(resource, target.namespace.as_deref(), name) {
        Some(object) => reply::object(StatusCode::OK, &object),
        None => reply::not_found(target),
    }
}

/// A watch: what is there (unless a resource version is given), a bookmark, and what happens until the client goes away or
/// `timeoutSeconds` are over.
pub(super) fn watch(server: &Arc<Server>, resource: &'static Resource, target: &Target, query: &Query) -> Reply {
    let selector = match Selector::parse(query.text("labelSelector"), query.text("fieldSelector")) {
        Ok(selector) => selector,
        Err(message) => return reply::bad_request(&message),
    };
    let changes = server.store.subscribe();
    let (version, objects) = server.store.list(resource, target.namespace.as_deref());
    let from_start =
        query.text("resourceVersion").is_none_or(|version| version == "0") || query.flag("sendInitialEvents");
    let mut first: Vec<Bytes> = Vec::new();
    if from_start {
        let wanted = objects.iter().filter(|object| selector.matches(object));
        first.extend(wanted.map(|object| event("ADDED", object)));
    }
    if query.flag("allowWatchBookmarks") {
        first.push(bookmark(resource, version, query.flag("sendInitialEvents")));
    }
    let namespace = target.namespace.clone();
    let wanted = move |change: &Change| {
        change.plural == resource.plural
            && namespace
                .as_deref()
                .is_none_or(|name| change.object.pointer("/metadata/namespace") == Some(&json!(name)))
            && selector.matches(&change.object)
    };
    let later = stream::unfold((changes, wanted), |(mut changes, wanted)| async move {
        loop {
            match changes.recv().await {
                Ok(change) if wanted(&change) => return Some((event(change.kind, &change.object), (changes, wanted))),
                Ok(_) => {}
                Err(RecvError::Lagged(_) | RecvError::Closed) => return None,
            }
        }
    });
    let patience = Duration::from_secs(query.number("timeoutSeconds").unwrap_or(3600));
    let pieces = stream::iter(first).chain(later).map(Ok).take_until(tokio::time::sleep(patience));
    reply::streamed("application/json", pieces)
}

fn event(kind: &str, object: &Value) -> Bytes {
    let mut line = json!({ "type": kind, "object": object }).to_string();
    line.push('\n');
    line.into()
}

fn bookmark(resource: &Resource, version: u64, ends_initial: bool) -> Bytes {
    let annotations = if ends_initial { json!({ "k8s.io/initial-events-end": "true" }) } else { json!({}) };
    let metadata = json!({ "resourceVersion": version.to_string(), "annotations": annotations });
    event("BOOKMARK", &json!({ "kind": resource.kind, "apiVersion": resource.api_version(), "metadata": metadata }))
}

/// Items of a list carry neither `kind` nor `apiVersion`, as the list says both.
fn without_type(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.remove("kind");
        fields.remove("apiVersion");
    }
    object
}

fn continue_token(version: u64, start: usize) -> String {
    URL_SAFE_NO_PAD.encode(json!({ "v": "meta.k8s.io/v1", "rv": version, "start": start }).to_string())
}

fn token(text: &str) -> Option<(u64, usize)> {
    let value: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    Some((value.get("rv")?.as_u64()?, usize::try_from(value.get("start")?.as_u64()?).ok()?))
}

fn expired((version, start): (u64, usize)) -> Reply {
    let message = "The provided continue parameter is too old to display a consistent list result. You can start a new list \
                   without the continue parameter, or use the continue token in this response to retrieve the remainder of the \
                   results. Continuing with the provided token results in an inconsistent list - objects that were created, \
                   modified, or deleted between the time the first chunk was returned and now may show up in the list.";
    let mut status = reply::status(StatusCode::GONE, "Expired", message);
    if let Some(fields) = status.as_object_mut() {
        fields.insert("metadata".to_owned(), json!({ "continue": continue_token(version, start) }));
    }
    reply::object(StatusCode::GONE, &status)
}
