//! What the recording tells: the findings that a reader of the summary should see, and the gaps that belong to it.

use super::{shop, system};
use crate::bundle::State;
use serde_json::Value;

/// A unit of evidence that the recording withholds on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedGap {
    /// The source that misses it, as the journal and the gaps name it.
    pub source: &'static str,
    /// Every word that the object of the gap has: kind, namespace, pod, container.
    pub object: Vec<&'static str>,
    /// The state its unit ends in. `no-shell` is a note; the others make the exit status 3.
    pub state: State,
}

impl ExpectedGap {
    /// Whether this is the gap of `source`, `object` and `state` in a manifest.
    pub fn is(&self, source: &str, object: &str, state: State) -> bool {
        let named = |word: &&str| object.split([' ', '/']).any(|part| part == *word);
        source == self.source && state == self.state && self.object.iter().all(named)
    }
}

/// The gaps that a collection of the recording by its own user has, and no others: a finished job's log that the node has
/// removed (the answer is a 200 with an error text), a list that is forbidden in one namespace, a container without a shell.
/// Containers that do not run, or never started, have no gap: there is nothing to read.
pub fn expected_gaps() -> Vec<ExpectedGap> {
    let (namespace, pod, container) = system::DISTROLESS;
    vec![
        ExpectedGap { source: "logs", object: vec!["shop", shop::OLD_REPORT, "report"], state: State::Failed },
        ExpectedGap { source: "networkpolicies", object: vec!["networkpolicies", "kube-system"], state: State::Denied },
        ExpectedGap { source: "history", object: vec![namespace, pod, container], state: State::NoShell },
    ]
}

/// A finding that a reader should make, and the row that shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The table of the row.
    pub table: &'static str,
    /// Columns of the row with the number or truth that each of them is, or the text that it has in it.
    pub columns: &'static [(&'static str, &'static str)],
    /// One sentence for a person.
    pub words: &'static str,
}

impl Finding {
    /// Whether a row of `table`, as it stands in a bundle or arrived in Azure, shows the finding.
    pub fn is_shown_by(&self, table: &str, row: &Value) -> bool {
        let holds = |(column, text): &(&str, &str)| match row.get(column) {
            Some(Value::String(value)) => value.contains(text),
            Some(Value::Bool(value)) => text.parse() == Ok(*value),
            Some(Value::Number(value)) => value.as_i64().is_some_and(|number| text.parse() == Ok(number)),
            _ => false,
        };
        table == self.table && self.columns.iter().all(holds)
    }
}

/// The findings, in the order of the attack.
pub fn story() -> &'static [Finding] {
    STORY
}

const STORY: &[Finding] = &[
    Finding {
        table: "kubelogs_CL",
        columns: &[("namespace", "shop"), ("container_name", "web"), ("message", "${jndi:ldap://203.0.113.9")],
        words: "shop/web: the log shows a JNDI lookup, then requests with ?cmd=, all from 203.0.113.9",
    },
    Finding {
        table: "commandhistory_CL",
        columns: &[("namespace", "shop"), ("container_name", "web"), ("command", "serviceaccount/token")],
        words: "shop/web: a shell read the service account token, asked the cloud's metadata service and fetched kubectl",
    },
    Finding {
        table: "rbacbindings_CL",
        columns: &[("namespace", "shop"), ("binding_name", "web-edit"), ("subject_name", "web")],
        words: "shop/web-edit: the web application's account may create pods, read secrets and bind cluster roles",
    },
    Finding {
        table: "containers_CL",
        columns: &[("namespace", "shop"), ("container_name", "dbg"), ("container_type", "ephemeral")],
        words: "shop/web: an ephemeral container was attached to the running pod",
    },
    Finding {
        table: "rbacbindings_CL",
        columns: &[
            ("binding_name", "system-health"),
            ("subject_name", "system:anonymous"),
            ("role_ref_name", "cluster-admin"),
        ],
        words: "system-health: anyone without a credential is cluster-admin",
    },
    Finding {
        table: "networkpolicies_CL",
        columns: &[("namespace", "shop"), ("name", "allow-all"), ("egress", "[{}]")],
        words: "shop/allow-all: all traffic in and out is allowed since the attack",
    },
    Finding {
        table: "suspiciouspods_CL",
        columns: &[("namespace", "kube-system"), ("issue_type", "privileged"), ("container_type", "init")],
        words: "kube-system/metrics-agent: a privileged init container, and an account that may reach every kubelet",
    },
    Finding {
        table: "cronjobs_CL",
        columns: &[("cronjob_name", "node-clean"), ("args", "|sh"), ("successful_history_limit", "0")],
        words: "kube-system/node-clean: a cron job pipes a download into a shell every five minutes and keeps no trace",
    },
    Finding {
        table: "kubelogs_CL",
        columns: &[("pod_name", "kube-proxy-x7"), ("message", "203.0.113.9")],
        words: "kube-system/kube-proxy-x7: looks like kube-proxy, has no owner, and calls 203.0.113.9",
    },
    Finding {
        table: "containers_CL",
        columns: &[("namespace", "default"), ("container_name", "worker"), ("args", "stratum+tcp://pool.example:3333")],
        words: "default/worker: mines for stratum+tcp://pool.example:3333",
    },
    Finding {
        table: "commandhistory_CL",
        columns: &[("container_name", "web"), ("command", "delete events -n shop")],
        words: "shop: the events older than ten minutes were deleted, other namespaces have theirs",
    },
    Finding {
        table: "suspiciouspods_CL",
        columns: &[("pod_name", "web-debug"), ("issue_type", "hostPath"), ("field_value", "/"), ("writable", "true")],
        words: "shop/web-debug: a privileged pod sees the node's processes and can write to all of its files",
    },
    Finding {
        table: "commandhistory_CL",
        columns: &[("pod_name", "web-debug"), ("command", "history -c")],
        words: "shop/web-debug: the shell's history was cleared",
    },
];
