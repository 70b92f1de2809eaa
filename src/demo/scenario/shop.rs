//! Namespace `shop`: the web application that was broken into, what the attacker started from it, and innocent neighbours.

use super::hostile;
use super::objects::{self, cron_job, network_policy};
use super::pod::{Kind, Pod, State};
use super::recording::{Clock, RecordedContainer, RecordedLog};
use super::text;
use serde_json::{Value, json};

/// The web pod.
pub(super) const WEB: &str = "web-6d5f8c9b7d-k2x9p";
/// The finished job whose log the node has already removed.
pub(super) const OLD_REPORT: &str = "report-29379080-zq7ln";
const REPORT: &str = "report-29380460-h4wdm";
const BUILDER: &str = "builder-0";

/// The API objects of the namespace.
pub(super) fn objects(clock: Clock) -> Vec<Value> {
    let mut all = vec![
        objects::namespace(clock, "shop", 2_592_000, json!({ "kubernetes.io/metadata.name": "shop", "team": "store" })),
        web(clock),
        web_debug(clock),
        report(clock, REPORT, 2400),
        report(clock, OLD_REPORT, 90_000),
        builder(clock),
        default_network(clock),
        benign_cron_job(clock),
    ];
    all.extend(accounts(clock));
    all.extend(bindings(clock));
    all
}

fn web(clock: Clock) -> Value {
    let token = json!([{ "name": "kube-api-access", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true }]);
    Pod::new(clock, "shop", WEB, 12_000, "node1")
        .owned_by("ReplicaSet", "web-6d5f8c9b7d")
        .labels(json!({ "app": "web", "pod-template-hash": "6d5f8c9b7d" }))
        .annotations(json!({ "prometheus.io/scrape": "true" }))
        .spec("serviceAccountName", json!("web"))
        .spec("volumes", json!([{ "name": "kube-api-access", "projected": { "sources": [{ "serviceAccountToken": { "path": "token" } }] } }]))
        .container(Kind::Init, "init", "docker.io/library/busybox:1.36", json!({ "command": ["sh", "-c", "migrate"] }), State::Ended { age: 11_995, end: 11_990, exit: 0 })
        .container(Kind::Sidecar, "proxy", "docker.io/library/alpine:3.20", json!({}), State::Running { age: 11_989 })
        .container(Kind::App, "web", "registry.example/shop/web:2.4.1", json!({ "ports": [{ "containerPort": 8080 }], "volumeMounts": token }), State::Restarted { age: 7200, before: 11_985, exit: 137 })
        .container(Kind::Ephemeral, "dbg", "docker.io/library/busybox:1.36", json!({ "targetContainerName": "web", "stdin": true, "tty": true }), State::Running { age: 5000 })
        .build()
}

fn web_debug(clock: Clock) -> Value {
    Pod::new(clock, "shop", "web-debug", 543, "node1")
        .spec("hostPID", json!(true))
        .spec("volumes", json!([{ "name": "host", "hostPath": { "path": "/", "type": "" } }]))
        .container(
            Kind::App,
            "shell",
            "docker.io/library/alpine:latest",
            json!({
                "command": ["sh", "-c", "nsenter -t 1 -m -u -i -n -p -- sh -c 'sleep 86400'"],
                "securityContext": { "privileged": true },
                "volumeMounts": [{ "name": "host", "mountPath": "/host" }],
            }),
            State::Running { age: 540 },
        )
        .build()
}

fn report(clock: Clock, name: &str, age: i64) -> Value {
    let job = name.rsplit_once('-').map_or(name, |(job, _)| job);
    let fields = json!({ "command": ["/report"], "args": ["--day", "yesterday"] });
    Pod::new(clock, "shop", name, age, "node2")
        .owned_by("Job", job)
        .labels(json!({ "job-name": job }))
        .spec("restartPolicy", json!("Never"))
        .phase("Succeeded")
        .container(
            Kind::App,
            "report",
            "registry.example/shop/report:1.8",
            fields,
            State::Ended { age: age - 2, end: age - 40, exit: 0 },
        )
        .build()
}

fn builder(clock: Clock) -> Value {
    Pod::new(clock, "shop", BUILDER, 400_000, "node2")
        .owned_by("StatefulSet", "builder")
        .labels(json!({ "app": "builder" }))
        .container(
            Kind::App,
            "builder",
            "docker.io/library/debian:12",
            json!({ "command": ["sleep", "infinity"] }),
            State::Running { age: 399_990 },
        )
        .build()
}

fn default_network(clock: Clock) -> Value {
    let spec = json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}] });
    network_policy(clock, "shop", "allow-all", 4200, spec)
}

fn benign_cron_job(clock: Clock) -> Value {
    let container = json!({ "name": "report", "image": "registry.example/shop/report:1.8", "command": ["/report"], "args": ["--day", "yesterday"] });
    let spec = json!({ "schedule": "15 3 * * *", "concurrencyPolicy": "Forbid", "suspend": false });
    cron_job(clock, "shop", "report", 2_500_000, spec, json!({ "restartPolicy": "Never", "containers": [container] }))
}

fn accounts(clock: Clock) -> Vec<Value> {
    vec![
        objects::service_account(clock, "shop", "default", 2_592_000, json!({ "automountServiceAccountToken": false })),
        objects::service_account(
            clock,
            "shop",
            "web",
            2_592_000,
            json!({
                "metadata": { "annotations": { "azure.workload.identity/client-id": "11111111-2222-4333-8444-555555555555" } },
                "automountServiceAccountToken": true,
                "imagePullSecrets": [{ "name": "registry-example" }],
            }),
        ),
    ]
}

fn bindings(clock: Clock) -> Vec<Value> {
    let deploy =
        json!({ "rules": [{ "apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "patch"] }] });
    vec![
        objects::role(clock, "shop", "deployer", 2_000_000, deploy),
        objects::binding(
            clock,
            "shop",
            "web-edit",
            2_100_000,
            "ClusterRole/shop-edit",
            json!([objects::account("shop", "web")]),
        ),
        // The account was deleted long ago; the binding waits for whoever creates it again.
        objects::binding(
            clock,
            "shop",
            "old-ci",
            2_000_000,
            "Role/deployer",
            json!([objects::account("shop", "old-ci")]),
        ),
        objects::binding(clock, "shop", "nobody", 1_900_000, "Role/deployer", Value::Null),
        objects::binding(
            clock,
            "shop",
            "leftover",
            1_800_000,
            "Role/removed-role",
            json!([objects::principal("User", "alice@example.com")]),
        ),
    ]
}

/// What the containers of the namespace printed and hold.
pub(super) fn containers(clock: Clock) -> Vec<RecordedContainer> {
    let text = |raw| text::log(clock, raw);
    let history = |raw| text::history(clock, raw);
    let mut web_log = text(include_str!("logs/web.log"));
    web_log.extend(hostile::health_checks(clock, 7100, 1800));
    web_log.extend(hostile::hostile(clock, 1700));
    vec![
        RecordedContainer::new("shop", WEB, "init").printed(text(include_str!("logs/web_init.log"))),
        RecordedContainer::new("shop", WEB, "proxy")
            .printed(text(include_str!("logs/web_proxy.log")))
            .holds("/root/.ash_history", include_str!("files/proxy_ash_history")),
        RecordedContainer::new("shop", WEB, "web")
            .printed(web_log)
            .printed_before(text(include_str!("logs/web_previous.log")))
            .shells(&["sh", "/bin/sh", "bash", "/bin/bash"])
            .holds("/root/.bash_history", history(include_str!("files/web_bash_history"))),
        RecordedContainer::new("shop", WEB, "dbg").printed(text(include_str!("logs/web_dbg.log"))),
        RecordedContainer::new("shop", "web-debug", "shell")
            .printed(text(include_str!("logs/web_debug.log")))
            .holds("/root/.ash_history", include_str!("files/debug_ash_history")),
        RecordedContainer::new("shop", REPORT, "report").printed(text(include_str!("logs/report.log"))),
        RecordedContainer {
            current: RecordedLog::Unretrievable,
            ..RecordedContainer::new("shop", OLD_REPORT, "report")
        },
        builder_container(clock),
    ]
}

fn builder_container(clock: Clock) -> RecordedContainer {
    let zsh = text::metafied(&text::history(clock, include_str!("files/builder_zsh_history")));
    RecordedContainer::new("shop", BUILDER, "builder")
        .printed(text::log(clock, include_str!("logs/builder.log")))
        .shells(&["sh", "/bin/sh", "bash", "/bin/bash"])
        .holds("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\ndeploy:x:1000:1000:Deploy:/home/deploy:/usr/bin/zsh\n")
        .holds("/home/deploy/.zsh_history", zsh)
}
