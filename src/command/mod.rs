//! The verbs. Each file holds the verb's arguments and what it does with them, and speaks to the user; the work is elsewhere.

pub mod azure_args;
pub mod cleanup;
pub mod provision;
pub mod upload;

pub use crate::failure::ExitStatus;
