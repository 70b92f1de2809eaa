//! What all objects have: identity, age, labels and who changed them. Small helpers from API values to cells.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde::Serialize;

/// A value as JSON text, for a column that holds structure. None for nothing, `{}` and `[]`.
pub(crate) fn json<T: Serialize>(value: &T) -> Option<String> {
    let text = serde_json::to_string(value).ok()?;
    (!matches!(text.as_str(), "null" | "{}" | "[]")).then_some(text)
}

/// The moment of an API time.
pub(super) fn moment(time: Option<&Time>) -> Option<Timestamp> {
    time.map(|time| time.0)
}

/// When the object was created, by the server's clock.
pub(super) fn created(metadata: &ObjectMeta) -> Option<Timestamp> {
    moment(metadata.creation_timestamp.as_ref())
}

/// Names of the managers that changed the object (`metadata.managedFields[].manager`): programs, not people.
pub(super) fn managed_by(metadata: &ObjectMeta) -> Option<String> {
    let mut names: Vec<_> =
        metadata.managed_fields.iter().flatten().filter_map(|entry| entry.manager.clone()).collect();
    names.sort();
    names.dedup();
    json(&names)
}

/// When any manager last changed a field; it does not move for every kind of change.
pub(super) fn last_change(metadata: &ObjectMeta) -> Option<Timestamp> {
    metadata.managed_fields.iter().flatten().filter_map(|entry| moment(entry.time.as_ref())).max()
}

/// Kind and name of the controlling owner, or of the first owner.
pub(crate) fn owner(metadata: &ObjectMeta) -> (Option<String>, Option<String>) {
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    let owner = owners.iter().find(|owner| owner.controller == Some(true)).or_else(|| owners.first());
    (owner.map(|owner| owner.kind.clone()), owner.map(|owner| owner.name.clone()))
}
