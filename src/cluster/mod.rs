//! How to speak to Kubernetes: a client that can only read, paged lists, log streams and reading files through exec.
//!
//! Knows neither tables nor bundles nor Azure. Every request goes through the [guard], which refuses what is not on its
//! list and records the rest; retries happen above it, so each attempt is recorded.

pub mod actions;
mod compression;
pub mod connect;
pub mod debug_container;
pub mod exec;
pub mod guard;
pub mod history_frames;
pub mod history_powershell;
pub mod history_script;
pub mod level;
pub mod list;
pub mod log_stream;
pub mod problem;
mod request;
pub mod review;
pub mod watch;

pub use connect::{Cluster, ConnectArgs};
pub use level::{Level, Levels};
pub use list::{Page, Resource};
pub use problem::{Problem, ProblemKind};
