//! A TCP relay in front of the API server that shuts after so many bytes: what is interrupted then is in the middle of its work.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex},
};

use super::harness;

const API_SERVER: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 6443);

/// The relay. Its threads end with their connections.
pub(super) struct Valve {
    address: SocketAddr,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Bytes that may still pass; none means no limit.
    left: Option<usize>,
    /// Whether something waits at the gate.
    waiting: bool,
}

impl Valve {
    /// A valve that lets `bytes` pass from the server.
    pub(super) fn new(bytes: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let gate = Arc::new(Gate::default());
        gate.state.lock().unwrap().left = Some(bytes);
        let shared = Arc::clone(&gate);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                relay(client.unwrap(), &shared);
            }
        });
        Self { address, gate }
    }

    /// Blocks until something waits at the gate.
    pub(super) fn wait_until_shut(&self) {
        let state = self.gate.state.lock().unwrap();
        drop(self.gate.changed.wait_while(state, |state| !state.waiting).unwrap());
    }

    /// Lets so many bytes more pass, and shuts again.
    pub(super) fn allow(&self, bytes: usize) {
        *self.gate.state.lock().unwrap() = State { left: Some(bytes), waiting: false };
        self.gate.changed.notify_all();
    }

    /// Whether something waits at the gate.
    pub(super) fn is_shut(&self) -> bool {
        self.gate.state.lock().unwrap().waiting
    }

    /// Lets everything pass from now on.
    pub(super) fn open(&self) {
        self.gate.state.lock().unwrap().left = None;
        self.gate.changed.notify_all();
    }

    /// A copy of the admin's kubeconfig that goes through the valve.
    pub(super) fn kubeconfig(&self, path: &Path) -> PathBuf {
        let text = fs_err::read_to_string(harness::kubeconfig("admin")).unwrap();
        let direct = format!("https://{}:{}", API_SERVER.0, API_SERVER.1);
        assert!(text.contains(&direct));
        fs_err::write(path, text.replace(&direct, &format!("https://{}", self.address))).unwrap();
        path.to_owned()
    }
}

impl Gate {
    /// Waits until `bytes` may pass.
    fn pass(&self, bytes: usize) {
        let mut state = self.state.lock().unwrap();
        while let Some(left) = state.left {
            if left >= bytes {
                state.left = Some(left - bytes);
                return;
            }
            state.waiting = true;
            self.changed.notify_all();
            state = self.changed.wait(state).unwrap();
        }
    }
}

fn relay(client: TcpStream, gate: &Arc<Gate>) {
    let server = TcpStream::connect(API_SERVER).unwrap();
    let (from_client, to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let gate = Arc::clone(gate);
    std::thread::spawn(move || copy(from_client, to_server, |_| {}));
    std::thread::spawn(move || copy(server, client, |bytes| gate.pass(bytes)));
}

/// Copies until either side ends, and then ends the other.
fn copy(mut from: TcpStream, mut to: TcpStream, admit: impl Fn(usize)) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(bytes @ 1..) = from.read(&mut buffer) {
        admit(bytes);
        if to.write_all(&buffer[..bytes]).is_err() {
            break;
        }
    }
    // The other side may have ended already: then there is nothing to shut.
    to.shutdown(std::net::Shutdown::Both).ok();
}
