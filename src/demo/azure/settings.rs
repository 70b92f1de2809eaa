//! How the in-process Azure is to behave: where it listens, what it keeps, how late things take effect, and what goes wrong.
//!
//! Lateness is counted in requests, never in seconds, so that a test meets the same answers in every run.

use serde_json::Value;

use super::faults::Fault;

/// Everything that can be chosen before the start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// TLS with a generated certificate authority, else plain HTTP.
    pub tls: bool,
    /// Whether accepted rows are held in memory. Counts and RecordIds are held in any case (16 bytes a row).
    pub keep_rows: bool,
    /// Whether every request and answer is held in memory.
    pub keep_exchanges: bool,
    /// Whether 1 MB is also the limit of a body's size before compression, as the documentation can be read.
    pub limit_plain_size: bool,
    /// Lifetime of the tokens in seconds; 0 makes tokens that have expired when they arrive.
    pub token_seconds: i64,
    /// Seconds in the `Retry-After` of a long-running operation.
    pub retry_after: u64,
    /// What takes effect late.
    pub lags: Lags,
    /// Resource provider namespaces that are registered from the start. Microsoft.Insights is not, in a new subscription.
    pub registered: Vec<String>,
    /// Managed clusters, as ARM returns them; each needs an `id`.
    pub clusters: Vec<Value>,
    /// Diagnostic settings, as ARM returns them; each `id` begins with that of the resource it belongs to.
    pub diagnostic_settings: Vec<Value>,
    /// Other resources that are there from the start, as ARM returns them; each needs an `id`.
    pub resources: Vec<Value>,
    /// What goes wrong, and when.
    pub faults: Vec<Fault>,
}

/// How many requests meet the state before a change took effect.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lags {
    /// Polls of a workspace's operation that find it running.
    pub workspace_polls: u32,
    /// Polls of a table's operation that find it running.
    pub table_polls: u32,
    /// Polls of a provider's registration that find it `Registering`.
    pub registration_polls: u32,
    /// Table requests that a new or recovered workspace answers with 404, "Workspace not active".
    pub workspace_inactive: u32,
    /// Rules that are refused with `InvalidOutputTable` although the table's operation has succeeded.
    pub table_invisible: u32,
    /// Role assignments that are refused with `PrincipalNotFound`.
    pub principal_unknown: u32,
    /// Uploads that a new role assignment does not yet allow.
    pub role_propagation: u32,
    /// Uploads that do not yet find a new rule.
    pub rule_unknown: u32,
    /// Uploads that do not yet find the streams of a new or changed rule.
    pub stream_unknown: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            port: 0,
            tls: true,
            keep_rows: true,
            keep_exchanges: false,
            limit_plain_size: false,
            token_seconds: 3599,
            retry_after: 0,
            lags: Lags { workspace_polls: 1, table_polls: 1, ..Lags::default() },
            registered: vec!["Microsoft.OperationalInsights".to_owned(), "Microsoft.ContainerService".to_owned()],
            clusters: Vec::new(),
            diagnostic_settings: Vec::new(),
            resources: Vec::new(),
            faults: Vec::new(),
        }
    }
}
