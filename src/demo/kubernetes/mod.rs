//! An in-process Kubernetes API on loopback that serves a recording: discovery, paged lists, watches, logs, exec over
//! WebSocket, the nodes' log files and the self-subject reviews. It changes nothing, knows one user, and can be told to misbehave.
//!
//! Plain HTTP/1.1 only; a server that has to look like a real one to strangers needs TLS in front of it.

mod access;
mod alone;
mod catalog;
mod exec;
mod faults;
mod generated;
mod happenings;
mod history;
mod list;
mod log;
mod log_endpoint;
mod node_files;
mod reply;
mod request;
mod selector;
mod server;
mod store;

pub use alone::{Served, serve};
pub use faults::Fault;
pub use happenings::Cluster;
pub use server::RecordedRequest;

use crate::demo::scenario::{Denial, Scenario};
use anyhow::Context as _;
use serde_json::Value;
use server::Server;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What the in-process API serves, and where.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// The recording.
    pub scenario: Scenario,
    /// What is forbidden beyond the recording's own denials.
    pub denials: Vec<Denial>,
    /// The bearer token of the one user.
    pub token: String,
}

impl Settings {
    /// A free port, no further denials, and a token that says where it belongs.
    pub fn new(scenario: Scenario) -> Self {
        Self { port: 0, scenario, denials: Vec::new(), token: "forensys-demo-token".to_owned() }
    }
}

/// The in-process Kubernetes API.
#[derive(Debug)]
pub struct Kubernetes;

impl Kubernetes {
    /// Starts serving on 127.0.0.1 and returns the handle; dropping the handle ends it.
    ///
    /// # Errors
    /// When the port cannot be bound.
    pub async fn start(settings: Settings) -> anyhow::Result<KubernetesHandle> {
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, settings.port));
        let listener = TcpListener::bind(wanted)
            .await
            .with_context(|| format!("binding {wanted} for the in-process Kubernetes API; choose another port"))?;
        let address = listener.local_addr().context("reading the address of the in-process Kubernetes API")?;
        let Settings { scenario, denials, token, .. } = settings;
        let server = Arc::new(Server {
            now: scenario.now,
            token,
            store: store::Store::new(scenario.objects),
            containers: std::sync::Mutex::new(scenario.containers.into_iter().map(Arc::new).collect()),
            denials: scenario.denials.into_iter().chain(denials).collect(),
            faults: faults::Faults::default(),
            node_files: node_files::NodeFiles::default(),
            happenings: happenings::Happenings::default(),
            requests: std::sync::Mutex::default(),
        });
        let task = tokio::spawn(server::serve(listener, Arc::clone(&server)));
        Ok(KubernetesHandle { address, server, task })
    }
}

/// A running in-process API.
#[derive(Debug)]
pub struct KubernetesHandle {
    address: SocketAddr,
    server: Arc<Server>,
    task: JoinHandle<()>,
}

impl KubernetesHandle {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The bearer token that it accepts.
    pub fn token(&self) -> &str {
        &self.server.token
    }

    /// Writes `kubeconfig` into the folder `dir` and returns its path: context `forensys-demo`, namespace `default`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn kubeconfig(&self, dir: &Path) -> anyhow::Result<PathBuf> {
        let path = dir.join("kubeconfig");
        let (url, token) = (self.url(), self.token());
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: forensys-demo\n\
             clusters:\n- name: forensys-demo\n  cluster:\n    server: {url}\n\
             users:\n- name: forensys-demo\n  user:\n    token: {token}\n\
             contexts:\n- name: forensys-demo\n  context:\n    cluster: forensys-demo\n    user: forensys-demo\n    namespace: default\n"
        );
        fs_err::write(&path, text).context("writing the kubeconfig of the in-process Kubernetes API")?;
        Ok(path)
    }

    /// Makes it misbehave once.
    pub fn inject(&self, fault: Fault) {
        self.server.faults.add(fault);
    }

    /// Lets something happen once, right before a request for `resource` (plural name with its subresource) is answered: for the object
    /// `name`, or for a list where that is none; `after` as many others have passed.
    pub fn before(
        &self,
        resource: &str,
        name: Option<&str>,
        after: usize,
        change: impl FnOnce(&Cluster<'_>) + Send + 'static,
    ) {
        self.server.happenings.add(resource, name, after, Box::new(change));
    }

    /// Adds an object, or replaces the one of its name, and tells the open watches; false when its kind is not served.
    pub fn put(&self, object: Value) -> bool {
        self.server.store.put(object)
    }

    /// Deletes an object (`plural` as in a path; namespace empty when cluster-scoped) and tells the open watches; whether it was there.
    pub fn delete(&self, plural: &str, namespace: &str, name: &str) -> bool {
        self.server.store.delete(plural, namespace, name)
    }

    /// Adds a file below a node's `/var/log/pods`, or replaces it; without one, nodes serve no files.
    pub fn put_node_file(&self, path: &str, content: impl Into<bytes::Bytes>) {
        self.server.node_files.put(path, content.into());
    }

    /// Gives such a file another name and content.
    pub fn replace_node_file(&self, path: &str, by: &str, content: impl Into<bytes::Bytes>) {
        self.server.node_files.replace(path, by, content.into());
    }

    /// The requests answered so far, in the order of their answers.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.server.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends it and all its connections.
    pub async fn stop(mut self) {
        self.task.abort();
        // The only outcome is the cancellation just asked for.
        drop((&mut self.task).await);
    }
}

impl Drop for KubernetesHandle {
    fn drop(&mut self) {
        self.task.abort();
    }
}
