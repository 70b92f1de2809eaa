//! `GET /api/v1/nodes/{node}/proxy/logs/pods/…`: the files below `/var/log/pods` as the kubelet's system log handler serves them: a list of links
//! for a folder, bytes for a file, 404 with a plain word for what is not there.

use super::log_endpoint;
use super::reply::{self, Reply};
use super::server::Server;
use bytes::Bytes;
use futures::stream;
use http::StatusCode;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The files, by their path below `/var/log/pods`.
#[derive(Debug, Default)]
pub(super) struct NodeFiles(Mutex<BTreeMap<String, Bytes>>);

impl NodeFiles {
    /// Adds a file, or replaces it.
    pub(super) fn put(&self, path: &str, content: Bytes) {
        self.lock(|files| drop(files.insert(path.to_owned(), content)));
    }

    /// Gives a file another name and content, as the kubelet does when it compresses one.
    pub(super) fn replace(&self, path: &str, by: &str, content: Bytes) {
        self.lock(|files| {
            files.remove(path);
            files.insert(by.to_owned(), content);
        });
    }

    fn get(&self, path: &str) -> Option<Bytes> {
        self.lock(|files| files.get(path).cloned())
    }

    /// The names in a folder, whose path ends in a slash.
    fn names(&self, folder: &str) -> Vec<String> {
        let name = |path: &String| path.strip_prefix(folder).filter(|name| !name.contains('/')).map(str::to_owned);
        self.lock(|files| files.keys().filter_map(name).collect())
    }

    fn lock<T>(&self, work: impl FnOnce(&mut BTreeMap<String, Bytes>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The path below `/var/log/pods` that a request is for.
pub(super) fn asked(path: &str) -> Option<&str> {
    let (_, below) = path.strip_prefix("/api/v1/nodes/")?.split_once("/proxy/logs/pods/")?;
    Some(below)
}

/// Answers.
pub(super) fn answer(server: &Server, path: &str) -> Reply {
    if path.ends_with('/') {
        let names = server.node_files.names(path);
        if names.is_empty() {
            return reply::text(StatusCode::NOT_FOUND, "404 page not found\n");
        }
        let links: String = names.iter().map(|name| format!("<a href=\"{name}\">{name}</a>\n")).collect();
        return reply::text(StatusCode::OK, format!("<!doctype html>\n<pre>\n{links}</pre>\n"));
    }
    if let Some((by, content)) = server.faults.replaced(path) {
        server.node_files.replace(path, &by, content);
    }
    let Some(content) = server.node_files.get(path) else {
        return reply::text(StatusCode::NOT_FOUND, "404 page not found\n");
    };
    let whole = Box::pin(stream::iter([Ok(content)]));
    match server.faults.cut_file(path) {
        Some(after) => reply::streamed("text/plain", log_endpoint::cut(whole, after)),
        None => reply::streamed("text/plain", whole),
    }
}
