//! The verbs. Each file holds the verb's arguments and what it does with them, and speaks to the user; the work is elsewhere.

pub mod azure_args;
pub mod cleanup;
pub mod collect;
pub mod completion;
pub mod demo;
pub mod demo_serve;
pub mod dry_run;
pub mod estimate;
pub mod footprint;
pub mod inspect;
pub mod provision;
pub mod provision_args;
pub mod run;
pub mod signals;
pub mod tables;
pub mod upload;
pub mod upload_bar;
pub mod verify;

pub use crate::failure::ExitStatus;
