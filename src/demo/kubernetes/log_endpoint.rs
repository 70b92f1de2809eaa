//! `GET …/pods/{name}/log`: which instance is meant, what the answer is when there is none, and the stream itself.

use super::log::{self, LogOptions};
use super::reply::{self, Reply};
use super::request::{Query, Target};
use super::server::Server;
use super::{catalog, generated};
use crate::demo::scenario::{LogChunk, RecordedContainer, RecordedLog};
use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt as _};
use http::StatusCode;
use serde_json::Value;
use std::io;
use std::pin::Pin;

/// The pieces of a body.
pub(super) type Pieces = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// The size of the pieces that a body is sent in.
const PIECE: usize = 32 * 1024;

/// Answers a log request.
pub(super) fn answer(server: &Server, target: &Target, name: &str, query: &Query) -> Reply {
    let options = match LogOptions::parse(query, server.now) {
        Ok(options) => options,
        Err(message) => return reply::failure(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", &message),
    };
    let found =
        catalog::find("", "v1", "pods").and_then(|pods| server.store.get(pods, target.namespace.as_deref(), name));
    let Some(pod) = found else { return reply::not_found(target) };
    let container = match container_of(&pod, name, options.container.as_deref()) {
        Ok(container) => container,
        Err(message) => return reply::bad_request(&message),
    };
    if pod.pointer("/spec/nodeName").is_none() {
        return reply::empty(StatusCode::NO_CONTENT);
    }
    let instance = match instance(&pod, name, &container, options.previous) {
        Ok(instance) => instance,
        Err(message) => return reply::bad_request(&message),
    };
    let namespace = target.namespace.as_deref().unwrap_or_default();
    let pieces = body(server.container(namespace, name, &container).as_deref(), &instance, &options);
    match server.faults.cut(namespace, name) {
        Some(after) => reply::streamed("text/plain", cut(pieces, after)),
        None => reply::streamed("text/plain", pieces),
    }
}

/// A container instance as a pod's status names it.
struct Instance {
    id: String,
    /// Whether the recording of the instance before is meant.
    before: bool,
    running: bool,
}

fn container_of(pod: &Value, name: &str, asked: Option<&str>) -> Result<String, String> {
    let names = |list: &str| -> Vec<String> {
        let specs = pod.pointer(&format!("/spec/{list}")).and_then(Value::as_array);
        let names = specs.into_iter().flatten().filter_map(|spec| spec.get("name").and_then(Value::as_str));
        names.map(str::to_owned).collect()
    };
    let [app, init, ephemeral] = [names("containers"), names("initContainers"), names("ephemeralContainers")];
    if let Some(asked) = asked {
        let known = app.iter().chain(&init).chain(&ephemeral).any(|known| known == asked);
        return if known {
            Ok(asked.to_owned())
        } else {
            Err(format!("container {asked} is not valid for pod {name}"))
        };
    }
    match app.as_slice() {
        [only] if init.is_empty() && ephemeral.is_empty() => Ok(only.clone()),
        _ => Err(choice(name, &app, &init, &ephemeral)),
    }
}

fn choice(name: &str, app: &[String], init: &[String], ephemeral: &[String]) -> String {
    let mut text = format!("a container name must be specified for pod {name}, choose one of: [{}]", app.join(" "));
    for (list, what) in [(init, "init"), (ephemeral, "ephemeral")] {
        if !list.is_empty() {
            text.push_str(&format!(" or one of the {what} containers: [{}]", list.join(" ")));
        }
    }
    text
}

/// The instance whose log the kubelet opens: the running or terminated one, the last one while the next is waited for, the one
/// before with `previous`.
fn instance(pod: &Value, name: &str, container: &str, previous: bool) -> Result<Instance, String> {
    let lists = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
    let all =
        lists.iter().filter_map(|list| pod.pointer(&format!("/status/{list}")).and_then(Value::as_array)).flatten();
    let status = all.into_iter().find(|status| status.get("name").and_then(Value::as_str) == Some(container));
    let text = |path: &str| status.and_then(|status| status.pointer(path)).and_then(Value::as_str).map(str::to_owned);
    let last = text("/lastState/terminated/containerID");
    let waiting = status.is_none_or(|status| status.pointer("/state/waiting").is_some());
    match (previous, last) {
        // While the next start is waited for, the last instance is the one that the status names, and both ways lead to it.
        (true, Some(id)) => Ok(Instance { before: text("/containerID").as_ref() != Some(&id), id, running: false }),
        (true, None) => Err(format!("previous terminated container {container:?} in pod {name:?} not found")),
        (false, Some(id)) if waiting => Ok(Instance { id, before: false, running: false }),
        (false, None) if waiting => {
            let reason = text("/state/waiting/reason").unwrap_or_else(|| "ContainerCreating".to_owned());
            Err(format!("container {container:?} in pod {name:?} is waiting to start: {reason}"))
        }
        (false, _) => Ok(Instance {
            id: text("/containerID").unwrap_or_default(),
            before: false,
            running: status.is_some_and(|status| status.pointer("/state/running").is_some()),
        }),
    }
}

fn body(container: Option<&RecordedContainer>, instance: &Instance, options: &LogOptions) -> Pieces {
    let recorded = container.map(|container| if instance.before { &container.previous } else { &container.current });
    match recorded {
        Some(RecordedLog::Chunks(chunks)) => pieces(chunks, options, instance.running),
        Some(RecordedLog::Generated(bytes)) => Box::pin(stream::iter(generated::pieces(*bytes, options)).map(Ok)),
        Some(RecordedLog::Unretrievable) | None => {
            // The kubelet writes this sentence into a body it has already begun with 200, and never with a timestamp.
            Box::pin(stream::iter([Ok(format!("unable to retrieve container logs for {}", instance.id).into())]))
        }
    }
}

fn pieces(chunks: &[LogChunk], options: &LogOptions, running: bool) -> Pieces {
    let body = Bytes::from(log::render(chunks, options));
    let count = body.len().div_ceil(PIECE);
    let cut = move |index: usize| Ok(body.slice(index * PIECE..body.len().min((index + 1) * PIECE)));
    let sent = stream::iter((0..count).map(cut));
    // A running container that is followed prints nothing more in a recording, and its stream stays open.
    if options.follow && running { Box::pin(sent.chain(stream::pending())) } else { Box::pin(sent) }
}

/// The first `after` bytes, then an error, which breaks the connection off.
pub(super) fn cut(pieces: Pieces, after: u64) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let broken = || io::Error::new(io::ErrorKind::ConnectionReset, "the log stream was told to break off");
    let counted = pieces.scan(after, |left, piece| {
        let taken = piece.map(|mut bytes| {
            bytes.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= bytes.len() as u64;
            bytes
        });
        futures::future::ready(taken.as_ref().is_ok_and(|bytes| !bytes.is_empty()).then_some(taken))
    });
    counted.chain(stream::once(async move {
        // What was written must have left before the connection goes.
        tokio::task::yield_now().await;
        Err(broken())
    }))
}
