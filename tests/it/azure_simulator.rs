//! The in-process Azure holds its callers to the rules that Microsoft documents. Each test speaks HTTP to it.

mod alone;
pub(crate) mod client;
mod combinations;
mod deployments;
mod faults;
mod groups;
mod ingestion;
pub(crate) mod provision;
mod roles;
mod rules;
mod sign_in;
mod tables;
mod verbs;
mod workspaces;
