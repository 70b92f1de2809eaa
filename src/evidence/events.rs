//! Cluster events. They live one hour by default, so they are listed first.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;

use super::{Inventory, Source, identity};
use crate::cluster::Resource;

crate::table! {
    /// Cluster events: what the control plane, the kubelets and controllers say they did. Best-effort by their own
    /// definition, and anyone who may create events can forge them.
    "kubeevents_CL": EventRow {
        /// Namespace of the event object.
        [key] event_namespace: Option<String>,
        /// Name of the event object.
        [key] event_name: Option<String>,
        /// UID of the event object.
        [key] event_uid: Option<String>,
        /// What the reporting controller did (`Binding`, `Killing` …); new-style events only.
        action: Option<String>,
        /// When it was first seen.
        first_timestamp: Option<Timestamp>,
        /// When it was last seen.
        last_timestamp: Option<Timestamp>,
        /// Time with microseconds of new-style events.
        event_time: Option<Timestamp>,
        /// Name of the object that it is about.
        involved_object_name: Option<String>,
        /// UID of the object that it is about; outlives the object.
        involved_object_uid: Option<String>,
        /// Kind of the object.
        involved_object_kind: Option<String>,
        /// Namespace of the object; none for cluster-scoped ones.
        involved_object_namespace: Option<String>,
        /// API version of the object.
        involved_object_api_version: Option<String>,
        /// Part of the object, for example `spec.containers{app}`.
        involved_object_field_path: Option<String>,
        /// Kind of a second object.
        related_kind: Option<String>,
        /// Name of a second object.
        related_name: Option<String>,
        /// Message.
        message: Option<String>,
        /// Reason, one word.
        reason: Option<String>,
        /// `Normal` or `Warning`.
        event_type: Option<String>,
        /// Controller that reports it.
        reporting_component: Option<String>,
        /// Instance of the controller.
        reporting_instance: Option<String>,
        /// Component of an old-style event.
        source_component: Option<String>,
        /// Node of an old-style event.
        source_host: Option<String>,
        /// How often it was seen.
        count: Option<i64>,
        /// How often it was seen, by the series of a new-style event.
        series_count: Option<i64>,
        /// When the series was last seen.
        series_last_observed: Option<Timestamp>,
        /// When the event object was created.
        created_at: Option<Timestamp>,
        /// Managers of the event object (JSON array).
        managed_by: Option<String>,
        /// Which field `EventTime` comes from: `series`, `last_timestamp`, `event_time` or `creation`.
        [derived] time_quality: Option<String>,
    }
}

/// The list of events; core/v1 holds every field of both event APIs.
pub struct Events;

impl Inventory for Events {
    type Object = Event;
    type Line = EventRow;
    const SOURCE: Source = Source::Events;
    const RESOURCE: Resource = Resource { group: "", version: "v1", plural: "events", kind: "Event", namespaced: true };

    fn rows(event: &Event) -> Vec<(Option<Timestamp>, EventRow)> {
        let (time, quality) = last_seen(event);
        vec![(time, EventRow { time_quality: quality.map(str::to_owned), ..row(event) })]
    }
}

/// When the event was last seen, and which field says so.
fn last_seen(event: &Event) -> (Option<Timestamp>, Option<&'static str>) {
    let series = event.series.as_ref().and_then(|series| series.last_observed_time.as_ref()).map(|time| time.0);
    let candidates = [
        (series, "series"),
        (identity::moment(event.last_timestamp.as_ref()), "last_timestamp"),
        (event.event_time.as_ref().map(|time| time.0), "event_time"),
        (identity::created(&event.metadata), "creation"),
    ];
    candidates
        .into_iter()
        .find(|(time, _)| time.is_some())
        .map_or((None, None), |(time, quality)| (time, Some(quality)))
}

fn row(event: &Event) -> EventRow {
    let event = event.clone();
    let involved = event.involved_object;
    let source = event.source.unwrap_or_default();
    EventRow {
        managed_by: identity::managed_by(&event.metadata),
        created_at: identity::created(&event.metadata),
        event_namespace: event.metadata.namespace,
        event_name: event.metadata.name,
        event_uid: event.metadata.uid,
        action: event.action,
        first_timestamp: identity::moment(event.first_timestamp.as_ref()),
        last_timestamp: identity::moment(event.last_timestamp.as_ref()),
        event_time: event.event_time.map(|time| time.0),
        involved_object_name: involved.name,
        involved_object_uid: involved.uid,
        involved_object_kind: involved.kind,
        involved_object_namespace: involved.namespace,
        involved_object_api_version: involved.api_version,
        involved_object_field_path: involved.field_path,
        related_kind: event.related.as_ref().and_then(|related| related.kind.clone()),
        related_name: event.related.and_then(|related| related.name),
        message: event.message,
        reason: event.reason,
        event_type: event.type_,
        reporting_component: event.reporting_component.filter(|text| !text.is_empty()),
        reporting_instance: event.reporting_instance.filter(|text| !text.is_empty()),
        source_component: source.component,
        source_host: source.host,
        count: event.count.map(i64::from),
        series_count: event.series.as_ref().and_then(|series| series.count).map(i64::from),
        series_last_observed: event.series.and_then(|series| series.last_observed_time).map(|time| time.0),
        time_quality: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(object: serde_json::Value) -> (Option<Timestamp>, EventRow) {
        Events::rows(&serde_json::from_value(object).unwrap()).remove(0)
    }

    #[test]
    fn a_new_style_event_without_first_and_last_keeps_its_time() {
        let (time, row) = one(json!({
            "metadata": {"name": "e", "namespace": "shop", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "involvedObject": {"kind": "Pod", "name": "web"},
            "eventTime": "2026-01-02T03:04:05.123456Z",
            "reportingComponent": "scheduler", "reportingInstance": "scheduler-1"
        }));
        assert_eq!(time.unwrap().to_string(), "2026-01-02T03:04:05.123456Z");
        assert_eq!(row.time_quality.as_deref(), Some("event_time"));
        assert_eq!(row.reporting_component.as_deref(), Some("scheduler"));
    }

    #[test]
    fn a_repeated_event_counts_from_its_last_time() {
        let (time, row) = one(json!({
            "metadata": {"name": "e"}, "involvedObject": {}, "count": 17,
            "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T01:00:00Z"
        }));
        assert_eq!(time, row.last_timestamp);
        assert_eq!(row.count, Some(17));
    }
}
