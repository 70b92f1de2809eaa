//! The run itself as evidence: what was asked by whom, and what is missing.

use jiff::Timestamp;

use crate::bundle::{GapEntry, RunFile};

crate::table! {
    /// Collections: who asked for what, when, with which tool. Facts that are true of the whole run stand here once.
    "forensysruns_CL": RunRow {
        /// UID of the namespace `kube-system`: the identity of the cluster.
        [key] cluster_uid: Option<String>,
        /// Address of the API server.
        [derived] server: String,
        /// Version of the API server.
        [derived] server_version: Option<String>,
        /// The kubeconfig context.
        [derived] context: Option<String>,
        /// Name and version of the tool.
        [derived] tool: String,
        /// When the run began.
        [derived] started_at: Timestamp,
        /// When it was sealed.
        [derived] sealed_at: Timestamp,
        /// Number of the attempt that sealed it; above 1 the run was resumed.
        [derived] attempt: i64,
        /// `complete` or `gaps`.
        [derived] status: String,
        /// Login on the collecting machine.
        [derived] operator_login: String,
        /// Name of the collecting machine.
        [derived] operator_host: String,
        /// Name that the cluster knows the caller by.
        [derived] operator_cluster_user: Option<String>,
        /// Beginning of the window that was asked for.
        [derived] window_since: Option<Timestamp>,
        /// End of the window that was asked for.
        [derived] window_until: Option<Timestamp>,
        /// Scope and choices of the command line (JSON object).
        [derived] settings: String,
        /// Requests that were sent to the cluster.
        [derived] requests: i64,
        /// Whether the evidence comes from the embedded demonstration.
        [derived] demo: bool,
    }
}

crate::table! {
    /// What is missing and why, and notes on what could not be there. Nothing is silently absent: a thing that is neither
    /// in its table nor in here was not asked for.
    "forensysgaps_CL": GapRow {
        /// The source (`logs`, `events` …).
        [key] source: String,
        /// The thing in the cluster.
        [key] object: String,
        /// `denied`, `failed`, `truncated`, `interrupted`, `no-shell`, `unsupported` or `skipped-by-filter`.
        [key] state: String,
        /// Why.
        [key] reason: String,
    }
}

/// The row of a gap.
pub fn gap(entry: &GapEntry) -> GapRow {
    GapRow {
        source: entry.source.clone(),
        object: entry.object.clone(),
        state: entry.state.name().to_owned(),
        reason: entry.reason.clone(),
    }
}

/// The row of a run.
pub fn run(run: &RunFile, attempt: u32, status: &str, requests: u64, sealed_at: Timestamp) -> RunRow {
    RunRow {
        cluster_uid: run.cluster_uid.clone(),
        server: run.server.clone(),
        server_version: run.server_version.clone(),
        context: run.context.clone(),
        tool: run.tool.clone(),
        started_at: run.started,
        sealed_at,
        attempt: i64::from(attempt),
        status: status.to_owned(),
        operator_login: run.operator.login.clone(),
        operator_host: run.operator.host.clone(),
        operator_cluster_user: run.operator.cluster_user.clone(),
        window_since: run.window.since,
        window_until: run.window.until,
        settings: run.settings.to_string(),
        requests: i64::try_from(requests).unwrap_or(i64::MAX),
        demo: run.demo,
    }
}
