//! What may be done in Azure: every right that the requests of [`azure_calls`] need, and no other, as a table and as a custom
//! role.

use serde_json::{Value, json};

use super::azure_calls::azure_calls;

/// A right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AzureRight {
    /// Its name in Azure.
    pub(super) name: String,
    /// What it is for: the purposes of all requests that need it.
    pub(super) purpose: String,
    /// Whether it is a right on data instead of resources.
    pub(super) on_data: bool,
}

/// Every right, in the order in which the requests need them first.
pub(super) fn azure_rights() -> Vec<AzureRight> {
    let mut all: Vec<AzureRight> = Vec::new();
    for call in azure_calls() {
        for name in call.rights {
            match all.iter_mut().find(|right| right.name == name) {
                Some(right) if right.purpose.contains(call.purpose) => {}
                Some(right) => right.purpose = format!("{}; {}", right.purpose, call.purpose),
                None => all.push(AzureRight { name, purpose: call.purpose.to_owned(), on_data: call.on_data }),
            }
        }
    }
    all
}

/// The custom role, in the form that `az role definition create --role-definition FILE` takes. The scope is to be replaced.
pub(super) fn custom_role() -> Value {
    let names = |on_data| -> Vec<_> {
        azure_rights().into_iter().filter(|right| right.on_data == on_data).map(|right| right.name).collect()
    };
    json!({
        "Name": "Kubernetes evidence (kubectl-forensys)",
        "IsCustom": true,
        "Description": "Provision Azure Monitor for evidence from Kubernetes clusters, upload it, and read AKS clusters.",
        "Actions": names(false),
        "NotActions": [],
        "DataActions": names(true),
        "NotDataActions": [],
        "AssignableScopes": ["/subscriptions/00000000-0000-0000-0000-000000000000"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_role_mints_no_credential_and_takes_no_wildcard() {
        for right in azure_rights() {
            assert!(!right.name.to_ascii_lowercase().contains("listcluster"), "{}", right.name);
            assert!(!right.name.contains('*'), "{}", right.name);
        }
        assert_eq!(custom_role()["DataActions"], json!(["Microsoft.Insights/Telemetry/Write"]));
    }
}
