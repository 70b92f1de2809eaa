//! What is generated from the declarations: the table reference and the rights in README.md, the JSON schema, the RBAC
//! manifests and the custom role. Pure: returns texts; a test of the project compares them with the files.

use serde_json::{Map, Value};

use crate::{
    cluster::Level,
    evidence::registry::{self, Access},
    provision, table,
};

/// Every table with its columns, for README.md. The envelope, which is the same in all, comes first.
pub fn tables() -> String {
    let mut text = String::from("Every table begins with these columns:\n\n| column | type | |\n|---|---|---|\n");
    for column in table::ENVELOPE_COLUMNS {
        let doc = column.doc.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
        text.push_str(&format!("| `{}` | {} | {doc} |\n", column.name, column.kind.workspace_name()));
    }
    for table in registry::tables() {
        text.push_str(&format!(
            "\n<details><summary><code>{}</code></summary>\n\n{}\n</details>\n",
            table.name,
            table.markdown()
        ));
    }
    text
}

/// The rights that collecting uses in the cluster, for README.md.
pub fn cluster_rights() -> String {
    let mut text = String::from("| resource | verbs | what for |\n|---|---|---|\n");
    for right in registry::access() {
        let group = if right.group.is_empty() { "" } else { &format!(".{}", right.group) };
        let exec = if right.level == Level::Exec { " (not with `--no-exec`)" } else { "" };
        let verbs = right.verbs.join(", ");
        text.push_str(&format!("| `{}{group}` | {verbs} | {}{exec} |\n", right.resource, right.purpose));
    }
    text
}

/// The operations that are used in Azure, for README.md.
pub fn azure_rights() -> String {
    let mut text = String::from("| operation | what for |\n|---|---|\n");
    for operation in provision::operations() {
        text.push_str(&format!("| `{}` | {} |\n", operation.name, operation.purpose));
    }
    text
}

/// `plugin/schema.json`: the JSON schema of a line of each table, by the table's name.
pub fn schema() -> String {
    let tables: Map<String, Value> =
        registry::tables().into_iter().map(|table| (table.name.to_owned(), table::json_schema(table))).collect();
    format!("{:#}\n", Value::Object(tables))
}

/// `plugin/azure/custom-role.json`, as `az role definition create --role-definition` takes it.
pub fn custom_role() -> String {
    format!("{:#}\n", provision::custom_role())
}

/// `plugin/rbac/collector.yaml`: read everything but histories, in the whole cluster.
pub fn collector_role() -> String {
    let rules = rules(registry::access().iter().filter(|right| right.level == Level::Core));
    role("ClusterRole", "forensys-collector", "Collects from all namespaces. Changes nothing.", &rules)
}

/// `plugin/rbac/collector-exec.yaml`: what reading histories needs beyond that.
pub fn exec_role() -> String {
    let rules = rules(registry::access().iter().filter(|right| right.level == Level::Exec));
    role(
        "ClusterRole",
        "forensys-collector-exec",
        "Starts one shell in each container to read shell histories.",
        &rules,
    )
}

/// `plugin/rbac/namespace.yaml`: the same for one namespace, histories included.
pub fn namespace_role() -> String {
    const WHOLE_CLUSTER: [&str; 3] = ["nodes", "namespaces", "clusterrolebindings"];
    let rules = rules(registry::access().iter().filter(|right| !WHOLE_CLUSTER.contains(&right.resource)));
    role(
        "Role",
        "forensys-collector",
        "Collects from one namespace. Apply it with `kubectl apply -n NAMESPACE -f`.",
        &rules,
    )
}

fn rules<'a>(rights: impl Iterator<Item = &'a Access>) -> String {
    rights
        .map(|right| {
            format!(
                "- apiGroups: [\"{}\"]\n  resources: [\"{}\"]\n  verbs: [\"{}\"]\n",
                right.group,
                right.resource,
                right.verbs.join("\", \"")
            )
        })
        .collect()
}

fn role(kind: &str, name: &str, purpose: &str, rules: &str) -> String {
    let binding = if kind == "Role" { "rolebinding" } else { "clusterrolebinding" };
    format!(
        "# {purpose}\n# Give it to the responder: kubectl create {binding} {name} --{} {name} --user USER\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata:\n  name: {name}\nrules:\n{rules}",
        kind.to_ascii_lowercase()
    )
}
