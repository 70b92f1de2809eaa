//! The in-process Azure holds its callers to the rules that Microsoft documents. Each test speaks HTTP to it.

mod client;
mod ingestion;
