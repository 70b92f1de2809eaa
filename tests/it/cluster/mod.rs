//! Against a real Kubernetes with the scenario of `tests/cluster/scenario`. `tests/cluster/run` starts it and runs these.
//!
//! Every test calls the program as a responder does: through the real kubectl, with the binary on the PATH.
#![cfg(unix)]

mod audit;
mod footprint;
mod harness;
mod history;
mod interruption;
mod inventory;
mod limited;
mod logs;
mod node_files;
mod rights;
mod settings;
mod shells;
mod upload;
mod valve;
