//! `…/pods/{name}/exec` over WebSocket: the handshake (GET or POST), the channels, and the `Status` that ends it.
//!
//! A frame is one byte that names the channel and its bytes: 1 stdout, 2 stderr, 3 the closing `Status`. What a refused command looks like
//! comes from a real kubelet with containerd: the handshake succeeds and the refusal is on channel 3.

use super::catalog;
use super::history;
use super::reply::{self, Reply, status};
use super::request::{Query, Target};
use super::server::Server;
use crate::demo::scenario::RecordedContainer;
use futures::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message};

const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;

/// Bytes of output in one frame.
const FRAME: usize = 32 * 1024;

/// The subprotocols that are spoken; the client's order decides.
const PROTOCOLS: &[&str] = &["v5.channel.k8s.io", "v4.channel.k8s.io"];

/// What a command did.
pub(super) struct Outcome {
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    pub(super) status: Value,
}

/// Answers an exec request: 101 and the streams, or the refusal before the handshake.
pub(super) fn answer(
    server: &Arc<Server>,
    target: &Target,
    name: &str,
    query: &Query,
    mut request: Request<Incoming>,
) -> Reply {
    let found =
        catalog::find("", "v1", "pods").and_then(|pods| server.store.get(pods, target.namespace.as_deref(), name));
    let Some(pod) = found else { return reply::not_found(target) };
    let argv = query.all("command");
    if argv.is_empty() {
        return reply::bad_request("you must specify at least 1 command for the container");
    }
    let container = match running_container(&pod, name, query.text("container")) {
        Ok(container) => container,
        Err(refusal) => return *refusal,
    };
    let (key, protocol) = match handshake(request.headers()) {
        Ok(agreed) => agreed,
        Err(message) => return reply::bad_request(&message),
    };
    let namespace = target.namespace.as_deref().unwrap_or_default();
    let outcome = run(server.container(namespace, name, &container).as_deref(), &argv);
    let hangs = server.faults.hangs(namespace, name);
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let sent = match upgrade.await {
            Ok(upgraded) => {
                let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
                let sent = if hangs { send_half(socket, outcome).await } else { send(socket, outcome).await };
                sent.map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = sent {
            tracing::debug!(%error, "an exec ended before its status was sent");
        }
    });
    switching(&key, protocol)
}

/// The name of the container meant, if it runs.
fn running_container(pod: &Value, name: &str, asked: Option<&str>) -> Result<String, Box<Reply>> {
    if pod.pointer("/spec/nodeName").is_none() {
        return Err(Box::new(reply::bad_request(&format!("pod {name} does not have a host assigned"))));
    }
    let first = pod.pointer("/spec/containers/0/name").and_then(Value::as_str);
    let container = asked.or(first).unwrap_or_default();
    let lists = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
    let all =
        lists.iter().filter_map(|list| pod.pointer(&format!("/status/{list}")).and_then(Value::as_array)).flatten();
    let mut ours = all.filter(|status| status.get("name").and_then(Value::as_str) == Some(container));
    if ours.any(|status| status.pointer("/state/running").is_some()) {
        return Ok(container.to_owned());
    }
    let phase = pod.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default();
    if matches!(phase, "Succeeded" | "Failed") {
        let message = format!("cannot exec into a container in a completed pod; current phase is {phase}");
        return Err(Box::new(reply::failure(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            &format!("Internal error occurred: {message}"),
        )));
    }
    let message = format!("container not found ({container:?})");
    Err(Box::new(reply::failure(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", &message)))
}

/// The client's key and the subprotocol agreed on.
fn handshake(headers: &HeaderMap) -> Result<(String, &'static str), String> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !text(header::UPGRADE).eq_ignore_ascii_case("websocket") || text(header::SEC_WEBSOCKET_KEY).is_empty() {
        return Err("Upgrade request required".to_owned());
    }
    let offered = text(header::SEC_WEBSOCKET_PROTOCOL);
    let agreed = offered.split(',').find_map(|name| PROTOCOLS.iter().find(|known| **known == name.trim()));
    let agreed =
        agreed.ok_or_else(|| format!("unable to negotiate a websocket subprotocol: client offered {offered:?}"))?;
    Ok((text(header::SEC_WEBSOCKET_KEY).to_owned(), agreed))
}

fn switching(key: &str, protocol: &'static str) -> Reply {
    let mut reply = reply::empty(StatusCode::SWITCHING_PROTOCOLS);
    let headers = reply.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(key.as_bytes())) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    reply
}

fn run(container: Option<&RecordedContainer>, argv: &[String]) -> Outcome {
    let program = argv.first().map_or("", String::as_str);
    let Some(container) = container.filter(|container| container.shells.iter().any(|shell| shell == program)) else {
        return Outcome { stdout: Vec::new(), stderr: Vec::new(), status: not_executable(program) };
    };
    match history::answer_history(container, argv) {
        Some(stdout) => Outcome { stdout, stderr: Vec::new(), status: json!({ "metadata": {}, "status": "Success" }) },
        None => Outcome {
            stdout: Vec::new(),
            stderr: b"this is a recording: its containers answer the history reader only\n".to_vec(),
            status: exited(126),
        },
    }
}

/// What the kubelet says when the runtime cannot start the program.
fn not_executable(program: &str) -> Value {
    let cause = if program.starts_with('/') {
        format!("exec: {program:?}: stat {program}: no such file or directory")
    } else {
        format!("exec: {program:?}: executable file not found in $PATH")
    };
    let message = format!(
        "Internal error occurred: error executing command in container: failed to exec in container: failed to start exec: OCI runtime exec \
         failed: exec failed: unable to start container process: {cause}"
    );
    let mut value = status(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", &message);
    if let Some(fields) = value.as_object_mut() {
        let cause = message.trim_start_matches("Internal error occurred: ");
        fields.insert("details".to_owned(), json!({ "causes": [{ "message": cause }] }));
    }
    value
}

fn exited(code: u8) -> Value {
    json!({
        "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
        "message": format!("command terminated with non-zero exit code: exit status {code}"),
        "details": { "causes": [{ "reason": "ExitCode", "message": code.to_string() }] },
    })
}

type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

async fn send(mut socket: Socket, outcome: Outcome) -> Result<(), Error> {
    for (channel, bytes) in [(STDOUT, &outcome.stdout), (STDERR, &outcome.stderr)] {
        for piece in bytes.chunks(FRAME) {
            socket.send(frame(channel, piece)).await?;
        }
    }
    socket.send(frame(ERROR, outcome.status.to_string().as_bytes())).await?;
    socket.close(None).await
}

/// Sends half of the output, and then nothing until the client leaves.
async fn send_half(mut socket: Socket, outcome: Outcome) -> Result<(), Error> {
    let half = outcome.stdout.get(..outcome.stdout.len() / 2).unwrap_or_default();
    socket.send(frame(STDOUT, half)).await?;
    while socket.next().await.is_some_and(|message| message.is_ok()) {}
    Ok(())
}

fn frame(channel: u8, bytes: &[u8]) -> Message {
    let mut payload = Vec::with_capacity(bytes.len() + 1);
    payload.push(channel);
    payload.extend_from_slice(bytes);
    Message::binary(payload)
}
