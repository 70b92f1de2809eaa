//! The listener under the in-process services: HTTP/1.1, plain or over TLS, on 127.0.0.1 and nowhere else.
//!
//! What a request means is the handler's business. A handler that returns [`Abort`] makes the connection end without an answer,
//! as a network does when it fails.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use anyhow::Context as _;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::tls::Identity;

/// The connection is to end without an answer.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the connection was ended on purpose")]
pub struct Abort;

/// What answers a request.
pub type Handler =
    Arc<dyn Fn(Request<Incoming>) -> BoxFuture<'static, Result<Response<Full<Bytes>>, Abort>> + Send + Sync>;

/// A bound listener that does not yet answer. Its address is known before the handler is made, which may need it.
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    identity: Option<Identity>,
}

/// A running server. Dropping it stops it.
pub struct Server {
    stop: CancellationToken,
    accepting: Option<JoinHandle<()>>,
}

impl Listener {
    /// Binds to a port of 127.0.0.1; port 0 takes a free one. With `tls` a certificate authority is generated.
    pub async fn bind(port: u16, tls: bool) -> anyhow::Result<Self> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .with_context(|| format!("cannot listen on 127.0.0.1:{port}; is the port taken?"))?;
        let address = socket.local_addr().context("the listener has no address")?;
        Ok(Self { socket, address, identity: tls.then(Identity::generate).transpose()? })
    }

    /// The base address, `http://127.0.0.1:PORT` or `https://127.0.0.1:PORT`, without a trailing slash.
    pub fn base(&self) -> String {
        let scheme = if self.identity.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The certificate authority that clients have to trust, as PEM; none over plain HTTP.
    pub fn authority_pem(&self) -> Option<&str> {
        self.identity.as_ref().map(|identity| identity.authority_pem.as_str())
    }

    /// Starts to answer, in a task of the current runtime.
    pub fn serve(self, handler: Handler) -> Server {
        let stop = CancellationToken::new();
        let accepting = tokio::spawn(accept(self, handler, stop.clone()));
        Server { stop, accepting: Some(accepting) }
    }
}

impl Server {
    /// Stops to accept, ends the open connections, and returns when the port is free.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(accepting) = self.accepting.take() {
            drop(accepting.await);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept(listener: Listener, handler: Handler, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.socket.accept() => accepted,
        };
        // A connection that was reset before it was accepted, or a moment without file descriptors, ends no server.
        let Ok((stream, _)) = accepted else {
            tokio::task::yield_now().await;
            continue;
        };
        let acceptor = listener.identity.as_ref().map(|identity| identity.acceptor.clone());
        let (handler, stop) = (Arc::clone(&handler), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = connection(stream, acceptor, handler) => {}
            }
        });
    }
}

async fn connection(stream: TcpStream, acceptor: Option<tokio_rustls::TlsAcceptor>, handler: Handler) {
    drop(stream.set_nodelay(true));
    match acceptor {
        None => answer(stream, handler).await,
        Some(acceptor) => {
            // A client that does not trust the certificate ends the handshake: its matter, it says so itself.
            if let Ok(stream) = acceptor.accept(stream).await {
                answer(stream, handler).await;
            }
        }
    }
}

async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin, handler: Handler) {
    let service = service_fn(move |request| handler(request));
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::trace!(%error, "a connection to the in-process server ended early");
    }
}
