//! What the collecting identity may do, as the API server answered when it was asked.

crate::table! {
    /// Rights of the collecting identity: what the API server answered, before anything was read, to each right that the collection needs.
    /// A server may err (webhooks decide later, and by other facts): everything was tried whatever it said.
    "forensyspermissions_CL": PermissionRow {
        /// Verb (`get`, `list`, `watch`, `create`, `patch`).
        [key] verb: String,
        /// API group; absent for the core group.
        [key] group: Option<String>,
        /// Resource.
        [key] resource: String,
        /// Subresource, where the right is about one.
        [key] subresource: Option<String>,
        /// Namespace; absent when the question was about all of them, or the resource is in none.
        [key] namespace: Option<String>,
        /// The answer; absent when there was none.
        allowed: Option<bool>,
        /// The server's reason, or why there is no answer.
        [derived] reason: Option<String>,
        /// What needs the right: `core`, `exec`, `node-logs` or `debug`.
        level: String,
        /// What is missing without it.
        [derived] purpose: String,
    }
}
