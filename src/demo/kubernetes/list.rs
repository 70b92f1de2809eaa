//! Lists in pages, single objects, and watches.
//!
//! A continue token is opaque to clients and bound to the resource version of the first page, so that all pages show one
//! state of the collection. A token can be made to expire once, as etcd's compaction does it: 410 with a way to go on from
//! the present state.

use super::catalog::Resource;
use super::reply::{self, Reply};
use super::request::{Query, Target};
use super::selector::Selector;
use super::server::Server;
use super::store::Change;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt as _};
use http::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// The objects of a kind, or one page of them.
pub(super) fn list(server: &Server, resource: &Resource, target: &Target, query: &Query) -> Reply {
    let selector = match Selector::parse(query.text("labelSelector"), query.text("fieldSelector")) {
        Ok(selector) => selector,
        Err(message) => return reply::bad_request(&message),
    };
    let (now, objects) = server.store.list(resource, target.namespace.as_deref());
    let (version, start, objects) = match query.text("continue").map(token) {
        None => (now, 0, objects),
        Some(None) => return reply::bad_request("continue key is not valid: illegal base64 data"),
        Some(Some((version, start))) => match server.store.list_at(version, resource, target.namespace.as_deref()) {
            Some(objects) if !server.faults.expires(resource.plural) => (version, start, objects),
            _ => return expired(now, start),
        },
    };
    let items: Vec<Value> = objects.into_iter().filter(|object| selector.matches(object)).collect();
    let page =
        usize::try_from(query.number("limit").filter(|&limit| limit > 0).unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    let remaining = items.len().saturating_sub(start.saturating_add(page));
    let items: Vec<Value> = items.into_iter().skip(start).take(page).map(without_type).collect();
    let mut metadata = json!({ "resourceVersion": version.to_string() });
    if remaining > 0 {
        server.store.keep(version);
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

/// A watch: what is there (or what has changed since the resource version given), a bookmark, and what happens until the
/// client goes away or `timeoutSeconds` are over.
pub(super) fn watch(server: &Arc<Server>, resource: &'static Resource, target: &Target, query: &Query) -> Reply {
    let selector = match Selector::parse(query.text("labelSelector"), query.text("fieldSelector")) {
        Ok(selector) => selector,
        Err(message) => return reply::bad_request(&message),
    };
    let asked = query.text("resourceVersion").filter(|version| *version != "0");
    let (now, objects) = server.store.list(resource, target.namespace.as_deref());
    let since = match asked.map(str::parse) {
        None => now,
        Some(Ok(version)) => version,
        Some(Err(_)) => return reply::bad_request("Invalid value: resource version must be a number"),
    };
    let Some((missed, version, changes)) = server.store.follow(since) else { return too_old(since, now) };
    let namespace = target.namespace.clone();
    let wanted = move |change: &Change| {
        change.plural == resource.plural
            && namespace
                .as_deref()
                .is_none_or(|name| change.object.pointer("/metadata/namespace") == Some(&json!(name)))
            && selector.matches(&change.object)
    };
    let mut first: Vec<Bytes> = Vec::new();
    if asked.is_none() || query.flag("sendInitialEvents") {
        let there = objects.into_iter().map(|object| Change::there(resource, object));
        first.extend(there.filter(&wanted).map(|change| event(change.kind, &change.object)));
    }
    first.extend(missed.iter().filter(|change| wanted(change)).map(|change| event(change.kind, &change.object)));
    if query.flag("allowWatchBookmarks") {
        first.push(bookmark(resource, version, query.flag("sendInitialEvents")));
    }
    let patience = Duration::from_secs(query.number("timeoutSeconds").unwrap_or(3600));
    let pieces = stream::iter(first).chain(later(changes, wanted)).map(Ok).take_until(tokio::time::sleep(patience));
    reply::streamed("application/json", pieces)
}

/// The wanted changes as they happen; it ends when they come faster than they are read.
fn later(
    changes: Receiver<Change>,
    wanted: impl Fn(&Change) -> bool + Send + 'static,
) -> impl Stream<Item = Bytes> + Send + 'static {
    stream::unfold((changes, wanted), |(mut changes, wanted)| async move {
        loop {
            match changes.recv().await {
                Ok(change) if wanted(&change) => return Some((event(change.kind, &change.object), (changes, wanted))),
                Ok(_) => {}
                Err(RecvError::Lagged(_) | RecvError::Closed) => return None,
            }
        }
    })
}

/// The one event of a watch whose beginning is forgotten.
fn too_old(since: u64, now: u64) -> Reply {
    let status = reply::status(StatusCode::GONE, "Expired", &format!("too old resource version: {since} ({now})"));
    reply::streamed("application/json", stream::iter([Ok(event("ERROR", &status))]))
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

fn expired(now: u64, start: usize) -> Reply {
    let message = "The provided continue parameter is too old to display a consistent list result. You can start a new list \
                   without the continue parameter, or use the continue token in this response to retrieve the remainder of the \
                   results. Continuing with the provided token results in an inconsistent list - objects that were created, \
                   modified, or deleted between the time the first chunk was returned and now may show up in the list.";
    let mut status = reply::status(StatusCode::GONE, "Expired", message);
    if let Some(fields) = status.as_object_mut() {
        fields.insert("metadata".to_owned(), json!({ "continue": continue_token(now, start) }));
    }
    reply::object(StatusCode::GONE, &status)
}
