//! Builds a recorded pod: spec and status in step, for containers of every kind and state.

use super::objects::{Object, digest, uid};
use super::recording::Clock;
use serde_json::{Map, Value, json};

/// In which list of the spec a container stands.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Init,
    /// An init container with `restartPolicy: Always`.
    Sidecar,
    App,
    Ephemeral,
}

/// What a container's status says. Ages are in seconds.
#[derive(Clone, Copy)]
pub(super) enum State {
    Running {
        age: i64,
    },
    /// Runs again after the instance before ended with this exit code.
    Restarted {
        age: i64,
        before: i64,
        exit: i64,
    },
    Ended {
        age: i64,
        end: i64,
        exit: i64,
    },
    /// Waits to be restarted for the nth time; the last instance ended `end` ago.
    CrashLoop {
        restarts: i64,
        end: i64,
    },
    Waiting {
        reason: &'static str,
        message: &'static str,
    },
}

/// A pod in the making.
pub(super) struct Pod {
    clock: Clock,
    namespace: String,
    name: String,
    age: i64,
    manager: String,
    phase: &'static str,
    metadata: Map<String, Value>,
    spec: Map<String, Value>,
    status: Map<String, Value>,
}

impl Pod {
    /// A running pod of the default service account on `node` (empty: not scheduled).
    pub(super) fn new(clock: Clock, namespace: &str, name: &str, age: i64, node: &str) -> Self {
        let pod = Self {
            clock,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            age,
            manager: "kubectl-run".to_owned(),
            phase: "Running",
            metadata: Map::new(),
            spec: Map::new(),
            status: Map::new(),
        };
        let pod = pod.spec("serviceAccountName", json!("default")).spec("restartPolicy", json!("Always"));
        if node.is_empty() { pod } else { pod.spec("nodeName", json!(node)) }
    }

    /// Made by a controller, which owns it.
    pub(super) fn owned_by(mut self, kind: &str, name: &str) -> Self {
        let api_version = match kind {
            "Job" => "batch/v1",
            "Node" => "v1",
            _ => "apps/v1",
        };
        let owner = json!([{ "apiVersion": api_version, "kind": kind, "name": name, "uid": uid(kind, &self.namespace, name),
            "controller": true, "blockOwnerDeletion": true }]);
        self.metadata.insert("ownerReferences".to_owned(), owner);
        "kube-controller-manager".clone_into(&mut self.manager);
        self
    }

    /// With these labels.
    pub(super) fn labels(mut self, labels: Value) -> Self {
        self.metadata.insert("labels".to_owned(), labels);
        self
    }

    /// With these annotations.
    pub(super) fn annotations(mut self, annotations: Value) -> Self {
        self.metadata.insert("annotations".to_owned(), annotations);
        self
    }

    /// With this phase.
    pub(super) fn phase(mut self, phase: &'static str) -> Self {
        self.phase = phase;
        self
    }

    /// With this field in the spec.
    pub(super) fn spec(mut self, field: &str, value: Value) -> Self {
        self.spec.insert(field.to_owned(), value);
        self
    }

    /// With one more container: its name, image, other spec fields, and state.
    pub(super) fn container(mut self, kind: Kind, name: &str, image: &str, fields: Value, state: State) -> Self {
        let (specs, statuses) = match kind {
            Kind::Init | Kind::Sidecar => ("initContainers", "initContainerStatuses"),
            Kind::App => ("containers", "containerStatuses"),
            Kind::Ephemeral => ("ephemeralContainers", "ephemeralContainerStatuses"),
        };
        let mut spec = Map::from_iter([("name".to_owned(), json!(name)), ("image".to_owned(), json!(image))]);
        if matches!(kind, Kind::Sidecar) {
            spec.insert("restartPolicy".to_owned(), json!("Always"));
        }
        if let Value::Object(fields) = fields {
            spec.extend(fields);
        }
        push(&mut self.spec, specs, Value::Object(spec));
        let status = self.container_status(name, image, state);
        push(&mut self.status, statuses, status);
        self
    }

    /// The pod object.
    pub(super) fn build(self) -> Value {
        let mut status = self.status;
        status.insert("phase".to_owned(), json!(self.phase));
        status.insert("qosClass".to_owned(), json!("BestEffort"));
        if self.spec.contains_key("nodeName") {
            status.insert("hostIP".to_owned(), json!("10.0.0.11"));
            status.insert("podIP".to_owned(), json!(format!("10.244.0.{}", 2 + self.name.len() % 200)));
            status.insert("startTime".to_owned(), json!(self.clock.text(self.age)));
        }
        let object = Object {
            api_version: "v1",
            kind: "Pod",
            namespace: &self.namespace,
            name: &self.name,
            age: self.age,
            manager: &self.manager,
        };
        object.with(self.clock, json!({ "metadata": self.metadata, "spec": self.spec, "status": status }))
    }

    fn container_status(&self, name: &str, image: &str, state: State) -> Value {
        let time = |age| self.clock.text(age);
        let id = |restart: i64| {
            format!("containerd://{}", digest(&format!("{}/{}/{name}/{restart}", self.namespace, self.name)))
        };
        let ended = |restart: i64, age: i64, end: i64, exit: i64| {
            let reason = if exit == 0 { "Completed" } else { "Error" };
            json!({ "terminated": { "exitCode": exit, "reason": reason, "startedAt": time(age), "finishedAt": time(end),
                "containerID": id(restart) } })
        };
        let running = |age| json!({ "running": { "startedAt": time(age) } });
        let (ready, restarts, now, last, own) = match state {
            State::Running { age } => (true, 0, running(age), json!({}), id(0)),
            State::Restarted { age, before, exit } => (true, 1, running(age), ended(0, before, age + 2, exit), id(1)),
            State::Ended { age, end, exit } => (false, 0, ended(0, age, end, exit), json!({}), id(0)),
            State::CrashLoop { restarts, end } => {
                let waiting = json!({ "waiting": { "reason": "CrashLoopBackOff", "message": format!("back-off 5m0s restarting failed container={name}") } });
                (false, restarts, waiting, ended(restarts, end + 1, end, 1), id(restarts))
            }
            State::Waiting { reason, message } => {
                let mut waiting = json!({ "waiting": { "reason": reason, "message": message } });
                if let (true, Some(fields)) =
                    (message.is_empty(), waiting.pointer_mut("/waiting").and_then(Value::as_object_mut))
                {
                    fields.remove("message");
                }
                (false, 0, waiting, json!({}), String::new())
            }
        };
        let image_id =
            if own.is_empty() { String::new() } else { format!("{}@sha256:{}", repository(image), digest(image)) };
        json!({
            "name": name, "image": image, "imageID": image_id, "containerID": own, "ready": ready, "started": ready,
            "restartCount": restarts, "state": now, "lastState": last,
        })
    }
}

fn push(map: &mut Map<String, Value>, list: &str, value: Value) {
    if let Value::Array(values) = map.entry(list).or_insert_with(|| json!([])) {
        values.push(value);
    }
}

fn repository(image: &str) -> &str {
    image.rsplit_once(':').map_or(image, |(repository, _)| repository)
}
