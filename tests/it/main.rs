//! One integration binary: the tool as a user runs it, and its parts over loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::string_slice, reason = "tests")]

mod azure_contract;
mod azure_simulator;
mod azure_specs;
mod cluster;
mod command_line;
mod generated;
mod kubernetes_simulator;
mod official;
mod plugin;
mod resuming;
mod rights;
mod tries;
mod upload;
