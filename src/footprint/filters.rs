//! Filters that leave of an audit log what a run did not cause. Pure.
//!
//! Each names the run by the end of its User-Agent. Anyone can send that User-Agent, and whoever reads the audit log knows it: the
//! filters by `Audit-ID` take out only requests that stand in the record, too.

use serde::Serialize;

/// The filters. Their JSON is part of the documented output of `footprint -o json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Filters {
    /// jq, by User-Agent.
    pub jq_user_agent: String,
    /// jq, by Audit-ID and User-Agent.
    pub jq_audit_ids: String,
    /// KQL for the table `AKSAudit`.
    pub kql_aksaudit: String,
    /// KQL for the table `AKSAuditAdmin`, which has no `get` and no `list`.
    pub kql_aksauditadmin: String,
    /// KQL for the table `AzureDiagnostics`.
    pub kql_azurediagnostics: String,
    /// KQL by Audit-ID and User-Agent, for the file of ids at an address that the workspace can read.
    pub kql_audit_ids: String,
}

/// The filters of a run. `ids` names the file of its Audit-IDs, one a line.
pub fn filters(run_id: &str, ids: &str) -> Filters {
    let agent = format!(" run/{run_id}");
    let table = |table: &str| format!("{table}\n| where not(UserAgent endswith \"{agent}\")");
    Filters {
        jq_user_agent: format!("jq -c 'select((.userAgent // \"\") | endswith(\"{agent}\") | not)' audit.log"),
        jq_audit_ids: format!(
            "jq -nc --rawfile ids {} '(reduce ($ids | split(\"\\n\")[]) as $id ({{}}; .[$id] = true)) as $ours | inputs | \
             select(($ours[.auditID // \"\"] and ((.userAgent // \"\") | endswith(\"{agent}\"))) | not)' audit.log",
            quoted(ids)
        ),
        kql_aksaudit: table("AKSAudit"),
        kql_aksauditadmin: table("AKSAuditAdmin"),
        kql_azurediagnostics: format!(
            "AzureDiagnostics\n| where Category in (\"kube-audit\", \"kube-audit-admin\")\n\
             | extend Audit = parse_json(log_s)\n| where not(tostring(Audit.userAgent) endswith \"{agent}\")"
        ),
        kql_audit_ids: format!(
            "let Ours = externaldata(AuditId: string) [\"URL\"] with (format=\"txt\");\nAKSAudit\n\
             | where not(UserAgent endswith \"{agent}\" and AuditId in (Ours))"
        ),
    }
}

/// The name as a word for a POSIX shell.
fn quoted(name: &str) -> String {
    format!("'{}'", name.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_and_the_file_are_named() {
        let found = filters("01J0", "it's ids");
        assert_eq!(
            found.jq_user_agent,
            r#"jq -c 'select((.userAgent // "") | endswith(" run/01J0") | not)' audit.log"#
        );
        assert!(
            found.jq_audit_ids.starts_with(r"jq -nc --rawfile ids 'it'\''s ids' '(reduce "),
            "{}",
            found.jq_audit_ids
        );
        assert_eq!(found.kql_aksaudit, "AKSAudit\n| where not(UserAgent endswith \" run/01J0\")");
        assert!(found.kql_azurediagnostics.contains("parse_json(log_s)"));
    }
}
