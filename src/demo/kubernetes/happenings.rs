//! What happens in the recorded cluster when somebody asks for something: a pod restarts just before its log is read. So that what depends
//! on the order of events can be shown without waiting for a clock.

use super::request::Target;
use super::server::Server;
use crate::demo::scenario::RecordedContainer;
use serde_json::Value;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// What happens, given the cluster to change.
type Change = Box<dyn FnOnce(&Cluster<'_>) + Send>;

/// The recorded cluster, while something happens in it.
pub struct Cluster<'a>(&'a Server);

impl Cluster<'_> {
    /// Adds an object, or replaces the one of its name, and tells the open watches; false when its kind is not served.
    pub fn put(&self, object: Value) -> bool {
        self.0.store.put(object)
    }

    /// Deletes a pod and tells the open watches; whether it was there.
    pub fn delete_pod(&self, namespace: &str, name: &str) -> bool {
        self.0.store.delete("pods", namespace, name)
    }

    /// Adds the recording of a container, or puts it in the place of the one there is.
    pub fn record(&self, container: RecordedContainer) {
        self.0.record(container);
    }
}

struct Happening {
    resource: String,
    name: Option<String>,
    /// How many such requests pass before.
    after: usize,
    change: Change,
}

/// What has not happened yet.
#[derive(Default)]
pub(super) struct Happenings(Mutex<Vec<Happening>>);

impl fmt::Debug for Happenings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Happenings")
    }
}

impl Happenings {
    /// Adds what happens right before a request for `resource` (`pods`, `pods/log`) is answered: of the object `name`, or of a list; `after`
    /// as many others.
    pub(super) fn add(&self, resource: &str, name: Option<&str>, after: usize, change: Change) {
        let (resource, name) = (resource.to_owned(), name.map(str::to_owned));
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(Happening { resource, name, after, change });
    }

    /// Lets happen what is to happen before a request is answered.
    pub(super) fn before(&self, server: &Server, target: &Target) {
        let mut due = Vec::new();
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for mut one in std::mem::take(&mut *waiting) {
            let is_meant = one.resource == target.rule_name() && one.name == target.name;
            match is_meant && one.after == 0 {
                true => due.push(one.change),
                false => {
                    one.after -= usize::from(is_meant);
                    waiting.push(one);
                }
            }
        }
        drop(waiting);
        due.into_iter().for_each(|change| change(&Cluster(server)));
    }
}
