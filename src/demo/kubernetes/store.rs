//! The objects, and what happens to them while the server runs: additions and deletions reach the open watches.

use super::catalog::{self, Resource};
use serde_json::{Value, json};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;

/// How many changes a slow watch may lag behind before it is cut off.
const WATCH_BACKLOG: usize = 256;

/// One change, as a watch tells it.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) plural: &'static str,
    pub(super) kind: &'static str,
    pub(super) object: Value,
}

/// The stored objects with their resource version.
#[derive(Debug)]
pub(super) struct Store {
    inner: Mutex<Inner>,
    changes: broadcast::Sender<Change>,
}

#[derive(Debug)]
struct Inner {
    version: u64,
    objects: Vec<(&'static str, Value)>,
}

impl Store {
    /// A store of `objects`; those of kinds that are not served are left out.
    pub(super) fn new(objects: Vec<Value>) -> Self {
        let kept = objects.into_iter().filter_map(|object| Some((catalog::of_object(&object)?.plural, object)));
        let mut objects: Vec<_> = kept.collect();
        objects.sort_by_key(|(_, object)| key(object));
        let (changes, _) = broadcast::channel(WATCH_BACKLOG);
        Self { inner: Mutex::new(Inner { version: 100_000, objects }), changes }
    }

    /// The collection's resource version and the objects of a kind, in the order of namespace and name.
    pub(super) fn list(&self, resource: &Resource, namespace: Option<&str>) -> (u64, Vec<Value>) {
        let inner = self.lock();
        let wanted = |(plural, object): &&(&str, Value)| {
            *plural == resource.plural && namespace.is_none_or(|name| key(object).0 == name)
        };
        (inner.version, inner.objects.iter().filter(wanted).map(|(_, object)| object.clone()).collect())
    }

    /// One object.
    pub(super) fn get(&self, resource: &Resource, namespace: Option<&str>, name: &str) -> Option<Value> {
        self.list(resource, namespace).1.into_iter().find(|object| key(object).1 == name)
    }

    /// Changes from now on.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// Adds an object, or replaces the one of that name, and tells the watches.
    pub(super) fn put(&self, mut object: Value) -> bool {
        let Some(resource) = catalog::of_object(&object) else { return false };
        let mut inner = self.lock();
        inner.version += 1;
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("resourceVersion".to_owned(), json!(inner.version.to_string()));
        }
        let same = |(plural, known): &(&str, Value)| *plural == resource.plural && key(known) == key(&object);
        let kind = if inner.objects.iter().any(same) { "MODIFIED" } else { "ADDED" };
        inner.objects.retain(|known| !same(known));
        inner.objects.push((resource.plural, object.clone()));
        inner.objects.sort_by_key(|(_, object)| key(object));
        self.tell(Change { plural: resource.plural, kind, object });
        true
    }

    /// Deletes an object and tells the watches; whether it was there.
    pub(super) fn delete(&self, plural: &str, namespace: &str, name: &str) -> bool {
        let mut inner = self.lock();
        let doomed =
            |(known, object): &(&str, Value)| *known == plural && key(object) == (namespace.into(), name.into());
        let Some(index) = inner.objects.iter().position(doomed) else { return false };
        inner.version += 1;
        let (plural, object) = inner.objects.remove(index);
        self.tell(Change { plural, kind: "DELETED", object });
        true
    }

    fn tell(&self, change: Change) {
        // An error says that nobody watches, which is no concern here.
        drop(self.changes.send(change));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Namespace (empty when cluster-scoped) and name.
fn key(object: &Value) -> (String, String) {
    let text = |path| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    (text("/metadata/namespace"), text("/metadata/name"))
}
