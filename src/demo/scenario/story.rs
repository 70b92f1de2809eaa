//! What the recording tells: the findings that a reader of the summary should see, and the gaps that belong to it.

use super::{shop, system};

/// A unit of evidence that the recording withholds on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedGap {
    /// The table that misses it.
    pub table: &'static str,
    /// The namespace.
    pub namespace: &'static str,
    /// The object, as `pod/container`; empty where a whole list is meant.
    pub object: String,
    /// The state its unit ends in.
    pub state: &'static str,
}

/// The gaps that a collection of the recording by its own user has, and no others: a finished job's log that the node has
/// removed (the answer is a 200 with an error text), a list that is forbidden in one namespace, a container without a shell.
/// Of these only `failed` and `denied` change the exit status; `no-shell` is a note.
pub fn expected_gaps() -> Vec<ExpectedGap> {
    let (namespace, pod, container) = system::DISTROLESS;
    vec![
        ExpectedGap {
            table: "kubelogs_CL",
            namespace: "shop",
            object: format!("{}/report", shop::OLD_REPORT),
            state: "failed",
        },
        ExpectedGap { table: "networkpolicies_CL", namespace: "kube-system", object: String::new(), state: "denied" },
        ExpectedGap { table: "commandhistory_CL", namespace, object: format!("{pod}/{container}"), state: "no-shell" },
    ]
}

/// One line per finding, in the order of the attack.
pub fn story() -> &'static [&'static str] {
    &[
        "shop/web: requests with ?cmd= and ${jndi:ldap} in the log, then a shell whose history reads the service account token",
        "shop/web-edit: the web account may create pods and read secrets through ClusterRole shop-edit",
        "shop/web-debug: privileged pod on the host's PID namespace with the node's / mounted for writing",
        "shop/web: an ephemeral container dbg was attached to the running pod",
        "kube-system/kube-proxy-x7: a pod without an owner that looks like kube-proxy and calls 203.0.113.9",
        "kube-system/node-clean: a cron job pipes a download into a shell every five minutes and keeps no history",
        "system-health: the anonymous user is bound to cluster-admin in the whole cluster",
        "kube-system/metrics-agent: a new account may use nodes/proxy; its pod has a privileged init container",
        "default/worker: a miner for stratum+tcp://pool.example:3333",
        "shop/allow-all: replaces the policy that isolated the web pods",
        "shop: events older than ten minutes are missing, while other namespaces have theirs",
    ]
}
