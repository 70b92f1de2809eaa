//! What is generated from the declarations: the table reference and the rights in README.md, the JSON schema, the RBAC
//! manifests, the operations in Azure and the custom role. Pure: returns texts; a test of the project compares them with the files.

mod azure_calls;
mod azure_rights;

use serde_json::{Map, Value};

pub use azure_calls::{Call, azure_calls};

use crate::{
    cluster::Level,
    evidence::registry::{self, Access},
    table,
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
    let mut text = String::from("| level | resource | verbs | what for |\n|---|---|---|---|\n");
    for level in Level::ALL {
        for rule in rules(|right| right.level == level) {
            let (verbs, purposes) = (rule.verbs.join(", "), rule.purposes.join("; "));
            text.push_str(&format!("| {} | `{}` | {verbs} | {purposes} |\n", level.name(), rule.full_name));
        }
    }
    text
}

/// The operations that are used in Azure, for README.md.
pub fn azure_rights() -> String {
    let mut text = String::from("| operation | what for |\n|---|---|\n");
    for right in azure_rights::azure_rights() {
        text.push_str(&format!("| `{}` | {} |\n", right.name, right.purpose));
    }
    text
}

/// `plugin/schema.json`: the JSON schema of a line of each table, by the table's name.
pub fn schema() -> String {
    let tables: Map<String, Value> =
        registry::tables().into_iter().map(|table| (table.name.to_owned(), table::json_schema(table))).collect();
    format!("{:#}\n", Value::Object(tables))
}

/// `plugin/azure/operations.md`: every request to Azure, with the rights that it needs.
pub fn azure_operations() -> String {
    let mut text = String::from(OPERATIONS);
    let code = |words: &[String]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    for call in azure_calls() {
        let query: Vec<_> = call.query.iter().map(|name| (*name).to_owned()).collect();
        let (version, query, rights) = (call.version.unwrap_or_default(), code(&query), code(&call.rights));
        let (method, path, purpose) = (call.method, &call.path, call.purpose);
        text.push_str(&format!("| {method} | `{path}` | {version} | {query} | {rights} | {purpose} |\n"));
    }
    text
}

/// The head of the table.
const OPERATIONS: &str = "# Operations in Azure

Every request that `kubectl forensys` can send to Azure, besides those for tokens: to Azure Resource Manager, to the Logs Ingestion API
(the last one) and to the Log Analytics query API (the one before). `{scope}` is the id of a resource. Without a version, the address of
the request is one that Azure has answered with, or the API has none. The file is generated; `cargo test` fails when the program
sends anything else, or when something here is never sent.

| method | path | version | query | rights | what for |
|---|---|---|---|---|---|
";

/// `plugin/azure/custom-role.json`, as `az role definition create --role-definition` takes it.
pub fn custom_role() -> String {
    format!("{:#}\n", azure_rights::custom_role())
}

/// `plugin/rbac/LEVEL.yaml`: what a level needs, in the whole cluster.
pub fn level_role(level: Level) -> String {
    let purpose = match level {
        Level::Core => "Reads the API: all that `collect --no-exec` needs. Changes nothing.",
        Level::Exec => "Beyond core: starts one shell in each running container to read shell histories.",
        Level::NodeLogs => {
            "Beyond core: reads rotated log files through the kubelets. Kubernetes has no smaller right for it: whoever has this\n\
             # one can do through a kubelet whatever a GET can, running commands in any container of the node included.\n\
             # Give it for the time of the collection only."
        }
        Level::DebugContainer => "Beyond core: adds an ephemeral container to pods whose containers have no shell.",
    };
    role("ClusterRole", &format!("forensys-{}", level.name()), purpose, &rules(|right| right.level == level))
}

/// `plugin/rbac/namespace.yaml`: core and exec for one namespace.
pub fn namespace_role() -> String {
    let is_inside = |right: &Access| right.resource.namespaced && matches!(right.level, Level::Core | Level::Exec);
    let purpose = "Core and exec for one namespace. Apply it with `kubectl apply -n NAMESPACE -f`.";
    role("Role", "forensys-namespace", purpose, &rules(is_inside))
}

/// Rights on one resource.
struct Rule {
    full_name: String,
    group: &'static str,
    resource: String,
    verbs: Vec<&'static str>,
    purposes: Vec<&'static str>,
}

/// The rights that are wanted, those on the same resource together.
fn rules(is_wanted: impl Fn(&Access) -> bool) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for right in registry::access().into_iter().filter(|right| is_wanted(right)) {
        let (full_name, resource, group) = (right.full_name(), right.rule_name(), right.resource.group);
        match rules.iter_mut().find(|rule| rule.full_name == full_name) {
            Some(rule) => {
                rule.verbs.extend((!rule.verbs.contains(&right.verb)).then_some(right.verb));
                rule.purposes.extend((!rule.purposes.contains(&right.purpose)).then_some(right.purpose));
            }
            None => {
                let (verbs, purposes) = (vec![right.verb], vec![right.purpose]);
                rules.push(Rule { full_name, group, resource, verbs, purposes });
            }
        }
    }
    rules
}

fn role(kind: &str, name: &str, purpose: &str, rules: &[Rule]) -> String {
    let binding = if kind == "Role" { "rolebinding" } else { "clusterrolebinding" };
    let mut text = format!(
        "# {purpose}\n# Give it to the responder: kubectl create {binding} {name} --{} {name} --user USER\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata:\n  name: {name}\nrules:\n",
        kind.to_ascii_lowercase()
    );
    for rule in rules {
        let verbs = rule.verbs.join("\", \"");
        text.push_str(&format!(
            "- apiGroups: [\"{}\"]\n  resources: [\"{}\"]\n  verbs: [\"{verbs}\"]\n",
            rule.group, rule.resource
        ));
    }
    text
}
