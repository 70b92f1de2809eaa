//! The recorded events: legacy ones with a count, new ones with only a micro-time, and the cleaned-up namespace.

use super::objects::{Object, uid};
use super::recording::Clock;
use serde_json::{Value, json};

/// What an event is about.
struct About {
    api_version: &'static str,
    kind: &'static str,
    namespace: &'static str,
    name: &'static str,
}

const fn pod(namespace: &'static str, name: &'static str) -> About {
    About { api_version: "v1", kind: "Pod", namespace, name }
}

/// All events. The last hour is there, except for `shop`, where the attacker deleted what was older than ten minutes.
pub(super) fn events(clock: Clock) -> Vec<Value> {
    let look_alike = pod("kube-system", "kube-proxy-x7");
    let agent = pod("kube-system", "metrics-agent-5c9f");
    let worker = pod("default", "worker-7f6c9d8b5-9xkqz");
    let debug = pod("shop", "web-debug");
    let image = "Successfully pulled image \"docker.io/library/alpine:latest\" in 1.204s";
    let job = About { api_version: "batch/v1", kind: "CronJob", namespace: "kube-system", name: "node-clean" };
    vec![
        legacy(clock, &debug, "Started", "Started container shell", (540, 540, 1)),
        legacy(clock, &debug, "Created", "Created container: shell", (541, 541, 1)),
        legacy(clock, &debug, "Pulled", image, (542, 542, 1)),
        legacy(clock, &look_alike, "Pulled", image, (2702, 2702, 1)),
        legacy(clock, &look_alike, "Created", "Created container: kube-proxy", (2701, 2701, 1)),
        legacy(clock, &look_alike, "Started", "Started container kube-proxy", (2700, 2700, 1)),
        legacy(
            clock,
            &worker,
            "Pulled",
            "Container image \"docker.io/xmrig/xmrig:6.21\" already present on machine",
            (1801, 1801, 1),
        ),
        legacy(clock, &worker, "Started", "Started container worker", (1800, 1800, 1)),
        legacy(clock, &job, "SuccessfulCreate", "Created job node-clean-29380520", (240, 240, 1)),
        legacy(
            clock,
            &agent,
            "BackOff",
            "Back-off restarting failed container agent in pod metrics-agent-5c9f",
            (3300, 90, 17),
        ),
        legacy(
            clock,
            &pod("default", "tools"),
            "FailedMount",
            "MountVolume.SetUp failed for volume \"keys\" : secret \"tools-keys\" not found",
            (900, 60, 9),
        ),
        modern(clock),
    ]
}

/// An event of the old API: first seen, last seen, and how often.
fn legacy(clock: Clock, about: &About, reason: &str, message: &str, (first, last, count): (i64, i64, i64)) -> Value {
    let kind = if matches!(reason, "BackOff" | "FailedMount") { "Warning" } else { "Normal" };
    let component = if about.kind == "Pod" { "kubelet" } else { "cronjob-controller" };
    let name = format!("{}.{:x}", about.name, clock.ago(first).as_nanosecond());
    object(about, &name, first).with(
        clock,
        json!({
            "involvedObject": involved(about), "reason": reason, "message": message, "type": kind, "count": count,
            "firstTimestamp": clock.text(first), "lastTimestamp": clock.text(last), "eventTime": null,
            "source": { "component": component, "host": if component == "kubelet" { json!("node1") } else { Value::Null } },
            "reportingComponent": component, "reportingInstance": if component == "kubelet" { "node1" } else { "" },
        }),
    )
}

/// An event of the new API: a micro-time, and neither first nor last.
fn modern(clock: Clock) -> Value {
    let about = pod("default", "checkout-8d5f");
    let name = format!("checkout-8d5f.{:x}", clock.ago(1500).as_nanosecond());
    object(&about, &name, 1500).with(
        clock,
        json!({
            "involvedObject": involved(&about), "reason": "FailedScheduling", "action": "Scheduling", "type": "Warning",
            "message": "0/2 nodes are available: 2 Insufficient cpu.",
            "eventTime": clock.micro_text(1500), "firstTimestamp": null, "lastTimestamp": null, "source": {},
            "reportingComponent": "default-scheduler", "reportingInstance": "default-scheduler-node1",
        }),
    )
}

fn object<'a>(about: &'a About, name: &'a str, age: i64) -> Object<'a> {
    Object { api_version: "v1", kind: "Event", namespace: about.namespace, name, age, manager: "kubelet" }
}

fn involved(about: &About) -> Value {
    json!({ "apiVersion": about.api_version, "kind": about.kind, "namespace": about.namespace, "name": about.name,
        "uid": uid(about.kind, about.namespace, about.name), "resourceVersion": "89000" })
}
