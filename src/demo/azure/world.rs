//! What the in-process subscription holds, and its long-running operations.
//!
//! An operation ends after a number of polls. If nobody polls, what it was started for never takes effect: a client that
//! goes on without waiting is found out.
#![allow(clippy::indexing_slicing, reason = "a JSON value that lacks the member gives null, not a panic")]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::settings::Lags;

/// A resource as ARM shows it, and what of it is still under way.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// The body of a GET.
    pub(super) body: Value,
    /// The operation that has to end before the resource can be used.
    pub(super) operation: Option<String>,
    /// How many requests that depend on the resource are refused before it takes effect.
    pub(super) lag: u32,
}

/// A long-running operation.
#[derive(Debug)]
struct Operation {
    polls_left: u32,
    effect: Effect,
    failure: Option<(String, String)>,
    started: jiff::Timestamp,
}

/// What the end of an operation does; the text is the key of a resource.
#[derive(Debug)]
pub(super) enum Effect {
    /// The resource is ready.
    Settle(String),
    /// The resource is as it was before, or gone if it was new.
    Revert(String, Option<Box<Record>>),
    /// The resource and all below it are gone.
    Remove(String),
    /// The workspace can be recovered from now on.
    SoftDelete(String),
    /// Everything has been done already.
    Nothing,
}

/// The state of an operation, as a poll finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Running,
    Succeeded,
    Failed { code: String, message: String },
}

/// The subscription.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) lags: Lags,
    /// Keyed by resource id in lower case.
    pub(super) resources: BTreeMap<String, Record>,
    /// Soft-deleted workspaces with all below them, keyed by the workspace's id in lower case.
    pub(super) deleted: BTreeMap<String, BTreeMap<String, Record>>,
    /// Registered provider namespaces in lower case, with the polls that still find them `Registering`.
    pub(super) providers: BTreeMap<String, u32>,
    operations: BTreeMap<String, Operation>,
    /// Uploads that do not yet find the streams of a rule, keyed by the rule's id in lower case.
    late_streams: BTreeMap<String, u32>,
}

/// Whether `id` is `scope` or below it; both in lower case.
pub(super) fn is_within(id: &str, scope: &str) -> bool {
    let scope = scope.trim_end_matches('/');
    id.strip_prefix(scope).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Sets one of a body's `properties`.
pub(super) fn set_property(body: &mut Value, name: &str, value: Value) {
    if let Some(properties) = body.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert(name.to_owned(), value);
    }
}

impl Record {
    pub(super) fn new(body: Value) -> Self {
        Self { body, operation: None, lag: 0 }
    }

    pub(super) fn property(&self, name: &str) -> &Value {
        &self.body["properties"][name]
    }

    /// Counts one dependent request; true while it has to be refused.
    pub(super) fn is_late(&mut self) -> bool {
        let late = self.lag > 0;
        self.lag = self.lag.saturating_sub(1);
        late
    }
}

impl World {
    /// The resources of a type (`microsoft.insights/datacollectionrules`) within a scope, both in lower case.
    pub(super) fn within<'a>(&'a self, scope: &'a str, kind: &'a str) -> impl Iterator<Item = &'a Record> {
        let of_kind =
            move |record: &&Record| record.body["type"].as_str().is_some_and(|t| t.eq_ignore_ascii_case(kind));
        self.resources.iter().filter(move |(key, _)| is_within(key, scope)).map(|(_, record)| record).filter(of_kind)
    }

    /// Removes a resource and all below it, and returns them.
    pub(super) fn take(&mut self, key: &str) -> BTreeMap<String, Record> {
        let (taken, left) = std::mem::take(&mut self.resources).into_iter().partition(|(id, _)| is_within(id, key));
        self.resources = left;
        taken
    }

    /// A rule was made or changed: its streams are found late.
    pub(super) fn delay_streams(&mut self, rule: &str) {
        self.late_streams.insert(rule.to_owned(), self.lags.stream_unknown);
    }

    /// Counts one upload to a rule; true while its streams are not found.
    pub(super) fn stream_is_late(&mut self, rule: &str) -> bool {
        let Some(left) = self.late_streams.get_mut(rule) else { return false };
        let late = *left > 0;
        *left = left.saturating_sub(1);
        late
    }

    /// Starts an operation and returns its id. `failure` is the code and message that it will end with.
    pub(super) fn start(&mut self, polls: u32, effect: Effect, failure: Option<(String, String)>) -> String {
        let id = Uuid::new_v4().to_string();
        if let Effect::Settle(key) | Effect::Revert(key, _) | Effect::Remove(key) | Effect::SoftDelete(key) = &effect
            && let Some(record) = self.resources.get_mut(key)
        {
            record.operation = Some(id.clone());
        }
        let operation = Operation { polls_left: polls, effect, failure, started: jiff::Timestamp::now() };
        self.operations.insert(id.clone(), operation);
        id
    }

    /// Counts one poll of an operation; none if there is no such operation.
    pub(super) fn poll(&mut self, id: &str) -> Option<Progress> {
        let operation = self.operations.get_mut(id)?;
        if operation.polls_left > 0 {
            operation.polls_left -= 1;
            return Some(Progress::Running);
        }
        let effect = std::mem::replace(&mut operation.effect, Effect::Nothing);
        let progress = match &operation.failure {
            None => Progress::Succeeded,
            Some((code, message)) => Progress::Failed { code: code.clone(), message: message.clone() },
        };
        self.apply(effect);
        Some(progress)
    }

    /// The body of `Azure-AsyncOperation` for an operation in that state.
    pub(super) fn operation_body(&self, id: &str, progress: &Progress) -> Value {
        let started = self.operations.get(id).map(|operation| operation.started.to_string());
        match progress {
            Progress::Running => json!({"name": id, "status": "InProgress", "startTime": started}),
            Progress::Succeeded => json!({"name": id, "status": "Succeeded", "startTime": started}),
            Progress::Failed { code, message } => {
                json!({"name": id, "status": "Failed", "startTime": started, "error": {"code": code, "message": message}})
            }
        }
    }

    /// Polls the operation of a resource, as a GET of the resource does.
    pub(super) fn touch(&mut self, key: &str) {
        if let Some(operation) = self.resources.get(key).and_then(|record| record.operation.clone()) {
            self.poll(&operation);
        }
    }

    fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::Settle(key) => {
                if let Some(record) = self.resources.get_mut(&key) {
                    record.operation = None;
                    set_property(&mut record.body, "provisioningState", json!("Succeeded"));
                }
            }
            Effect::Revert(key, Some(before)) => {
                self.resources.insert(key, *before);
            }
            Effect::Revert(key, None) | Effect::Remove(key) => drop(self.take(&key)),
            Effect::SoftDelete(key) => {
                let taken = self.take(&key);
                self.deleted.insert(key, taken);
            }
            Effect::Nothing => {}
        }
    }
}
