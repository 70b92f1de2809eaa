//! The recorded compromise: a shop's web application is broken into, and the intruder goes on to the nodes and the cluster.
//!
//! Everything here is made up. Names are fixed and ids follow from them; times are relative to one instant, so that a
//! recording of the same instant is always the same to the byte.

pub mod aks;
mod event;
mod hostile;
mod objects;
mod pod;
mod rbac;
mod recording;
mod shop;
mod story;
mod system;
mod text;

pub use recording::{Denial, LogChunk, Reach, RecordedContainer, RecordedFile, RecordedLog, Scenario};
pub use story::{ExpectedGap, Finding, expected_gaps, story};

use jiff::Timestamp;
use pod::{Kind, Pod, State};
use recording::Clock;
use serde_json::json;

/// The pod that [`compromise`] adds for a large log.
pub const BIG_LOG_POD: &str = "big-log";

/// What may be added to the recording.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Adds pod `default/big-log` whose log has about this many bytes, made while it is read.
    pub big_log_bytes: Option<u64>,
}

/// The recording as it looks at `now`.
pub fn compromise(now: Timestamp, options: Options) -> Scenario {
    let clock = Clock(now);
    let mut objects = system::objects(clock);
    objects.extend(shop::objects(clock));
    objects.extend(rbac::objects(clock));
    objects.extend(event::events(clock));
    let mut containers = system::containers(clock);
    containers.extend(shop::containers(clock));
    if let Some(bytes) = options.big_log_bytes {
        objects.push(big_log_pod(clock));
        let container = RecordedContainer::new("default", BIG_LOG_POD, "writer");
        containers.push(RecordedContainer { current: RecordedLog::Generated(bytes), ..container });
    }
    let denials = vec![
        Denial::new("networkpolicies", Reach::ClusterWide),
        Denial::new("networkpolicies", Reach::Namespace("kube-system".to_owned())),
    ];
    Scenario { now, objects, containers, denials }
}

fn big_log_pod(clock: Clock) -> serde_json::Value {
    Pod::new(clock, "default", BIG_LOG_POD, 3600, "node1")
        .container(Kind::App, "writer", "docker.io/library/busybox:1.36", json!({}), State::Running { age: 3599 })
        .build()
}
