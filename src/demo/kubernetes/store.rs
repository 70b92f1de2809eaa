//! The objects, and what happens to them while the server runs: additions and deletions reach the open watches.
//!
//! States that a continue token refers to are kept, so that the pages of one list show one state; so are the latest changes, so that
//! a watch can begin where a list ended.

use super::catalog::{self, Resource};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;

/// How many changes are remembered, and how many a slow watch may lag behind before it is cut off.
const BACKLOG: usize = 256;

/// The resource version before the first change.
const FIRST_VERSION: u64 = 100_000;

/// One change, as a watch tells it.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) plural: &'static str,
    pub(super) kind: &'static str,
    pub(super) object: Value,
    version: u64,
}

impl Change {
    /// An object that was there when the watch began.
    pub(super) fn there(resource: &Resource, object: Value) -> Self {
        Self { plural: resource.plural, kind: "ADDED", object, version: 0 }
    }
}

type Objects = Arc<Vec<(&'static str, Value)>>;

/// The stored objects with their resource version.
#[derive(Debug)]
pub(super) struct Store {
    inner: Mutex<Inner>,
    changes: broadcast::Sender<Change>,
}

#[derive(Debug)]
struct Inner {
    version: u64,
    objects: Objects,
    /// States that continue tokens refer to, by resource version.
    kept: BTreeMap<u64, Objects>,
    /// The latest changes, oldest first.
    recent: VecDeque<Change>,
}

impl Store {
    /// A store of `objects`; those of kinds that are not served are left out.
    pub(super) fn new(objects: Vec<Value>) -> Self {
        let kept = objects.into_iter().filter_map(|object| Some((catalog::of_object(&object)?.plural, object)));
        let mut objects: Vec<_> = kept.collect();
        objects.sort_by_key(|(_, object)| key(object));
        let (changes, _) = broadcast::channel(BACKLOG);
        let inner = Inner {
            version: FIRST_VERSION,
            objects: Arc::new(objects),
            kept: BTreeMap::new(),
            recent: VecDeque::new(),
        };
        Self { inner: Mutex::new(inner), changes }
    }

    /// The collection's resource version and the objects of a kind, in the order of namespace and name.
    pub(super) fn list(&self, resource: &Resource, namespace: Option<&str>) -> (u64, Vec<Value>) {
        let inner = self.lock();
        (inner.version, of_kind(&inner.objects, resource, namespace))
    }

    /// The same as it was at a version that [`Store::keep`] kept; nothing when it was not kept.
    pub(super) fn list_at(&self, version: u64, resource: &Resource, namespace: Option<&str>) -> Option<Vec<Value>> {
        let inner = self.lock();
        let objects = if version == inner.version { &inner.objects } else { inner.kept.get(&version)? };
        Some(of_kind(objects, resource, namespace))
    }

    /// Keeps the present state, if it is still that of `version`, for the pages to come.
    pub(super) fn keep(&self, version: u64) {
        let mut inner = self.lock();
        if version == inner.version {
            let objects = Arc::clone(&inner.objects);
            inner.kept.insert(version, objects);
        }
    }

    /// One object.
    pub(super) fn get(&self, resource: &Resource, namespace: Option<&str>, name: &str) -> Option<Value> {
        self.list(resource, namespace).1.into_iter().find(|object| key(object).1 == name)
    }

    /// The changes after `since` that are remembered, the version that they lead to, and the changes from now on, none of them twice.
    /// Nothing when changes after `since` are forgotten.
    pub(super) fn follow(&self, since: u64) -> Option<(Vec<Change>, u64, broadcast::Receiver<Change>)> {
        let inner = self.lock();
        let oldest = inner.recent.front().map_or(inner.version, |change| change.version - 1);
        let missed = inner.recent.iter().filter(|change| change.version > since).cloned().collect();
        (since >= oldest).then(|| (missed, inner.version, self.changes.subscribe()))
    }

    /// Adds an object, or replaces the one of that name, and tells the watches.
    pub(super) fn put(&self, mut object: Value) -> bool {
        let Some(resource) = catalog::of_object(&object) else { return false };
        let mut inner = self.lock();
        inner.version += 1;
        stamp(&mut object, inner.version);
        let same = |(plural, known): &(&str, Value)| *plural == resource.plural && key(known) == key(&object);
        let kind = if inner.objects.iter().any(same) { "MODIFIED" } else { "ADDED" };
        let objects = Arc::make_mut(&mut inner.objects);
        objects.retain(|known| !same(known));
        objects.push((resource.plural, object.clone()));
        objects.sort_by_key(|(_, object)| key(object));
        self.tell(&mut inner, resource.plural, kind, object);
        true
    }

    /// Deletes an object and tells the watches; whether it was there.
    pub(super) fn delete(&self, plural: &str, namespace: &str, name: &str) -> bool {
        let mut inner = self.lock();
        let doomed =
            |(known, object): &(&str, Value)| *known == plural && key(object) == (namespace.into(), name.into());
        let Some(index) = inner.objects.iter().position(doomed) else { return false };
        inner.version += 1;
        let (plural, mut object) = Arc::make_mut(&mut inner.objects).remove(index);
        stamp(&mut object, inner.version);
        self.tell(&mut inner, plural, "DELETED", object);
        true
    }

    fn tell(&self, inner: &mut Inner, plural: &'static str, kind: &'static str, object: Value) {
        let change = Change { plural, kind, object, version: inner.version };
        if inner.recent.len() == BACKLOG {
            inner.recent.pop_front();
        }
        inner.recent.push_back(change.clone());
        // An error says that nobody watches, which is no concern here.
        drop(self.changes.send(change));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of_kind(objects: &Objects, resource: &Resource, namespace: Option<&str>) -> Vec<Value> {
    let wanted = |(plural, object): &&(&str, Value)| {
        *plural == resource.plural && namespace.is_none_or(|name| key(object).0 == name)
    };
    objects.iter().filter(wanted).map(|(_, object)| object.clone()).collect()
}

fn stamp(object: &mut Value, version: u64) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("resourceVersion".to_owned(), json!(version.to_string()));
    }
}

/// Namespace (empty when cluster-scoped) and name.
fn key(object: &Value) -> (String, String) {
    let text = |path| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    (text("/metadata/namespace"), text("/metadata/name"))
}
