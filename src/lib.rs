//! `forensys`: forensic evidence from a Kubernetes cluster, kept as JSONL on disk and uploaded to Azure Monitor.
//!
//! ```text
//! cli → command ─┬─ collect ── evidence ── cluster, table      Kubernetes → rows
//!                │     └───────── └─────── bundle              rows → disk
//!                ├─ provision ─ table, azure                   tables → ARM resources
//!                └─ upload ──── bundle, azure                  disk → ingestion endpoint
//! ```
//!
//! `collect` needs no Azure, `upload` needs no cluster: the bundle on disk is the only hand-over. `table`, `cluster` and
//! `azure` are leaves: no I/O in `table`, no Azure in `cluster`, neither tables nor Kubernetes in `azure`.
//!
//! Vocabulary: a *source* is a kind of evidence (`logs`, `events` …); a *unit* is a piece of it that succeeds or fails as a
//! whole (one list, one container instance's log, one exec); a *part* is a file of rows that a unit wrote; a *gap* is
//! a unit that ended as anything but complete.

pub mod azure;
pub mod bundle;
pub mod cli;
pub mod cluster;
pub mod collect;
pub mod command;
pub mod demo;
pub mod evidence;
pub mod failure;
pub mod footprint;
pub mod provision;
pub mod reference;
pub mod table;
pub mod ui;
pub mod upload;
