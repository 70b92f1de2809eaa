//! Network policies. A namespace without one lets everything through.

use jiff::Timestamp;
use k8s_openapi::api::networking::v1::NetworkPolicy;

use super::{Inventory, Source, identity};
use crate::cluster::Resource;

crate::table! {
    /// Network policies with their whole specification. Whether they are enforced is up to the network plugin; policies
    /// that were deleted are in audit logs only.
    "networkpolicies_CL": NetworkPolicyRow {
        /// Namespace.
        [key] namespace: Option<String>,
        /// Name.
        [key] name: Option<String>,
        /// UID.
        [key] uid: Option<String>,
        /// Pods that it selects (JSON); absent means all pods of the namespace.
        pod_selector: Option<String>,
        /// `Ingress`, `Egress` (JSON array).
        policy_types: Option<String>,
        /// Ingress rules (JSON): `[]` lets nothing in, `[{}]` everything.
        ingress: Option<String>,
        /// Egress rules (JSON): `[]` lets nothing out, `[{}]` everything.
        egress: Option<String>,
        /// Labels (JSON object).
        labels: Option<String>,
        /// Annotations (JSON object).
        annotations: Option<String>,
        /// When it was created.
        created_at: Option<Timestamp>,
        /// When a manager last changed it.
        last_change_at: Option<Timestamp>,
        /// Managers that changed it (JSON array).
        managed_by: Option<String>,
    }
}

/// The list of network policies.
pub struct NetworkPolicies;

impl Inventory for NetworkPolicies {
    type Object = NetworkPolicy;
    type Line = NetworkPolicyRow;
    const SOURCE: Source = Source::NetworkPolicies;
    const RESOURCE: Resource = Resource {
        group: "networking.k8s.io",
        version: "v1",
        plural: "networkpolicies",
        kind: "NetworkPolicy",
        namespaced: true,
    };

    fn rows(policy: &NetworkPolicy) -> Vec<(Option<Timestamp>, NetworkPolicyRow)> {
        let metadata = &policy.metadata;
        let spec = policy.spec.clone().unwrap_or_default();
        // An empty list denies all, an absent one does not speak: the difference has to survive.
        let rules = |text: Option<String>| text.filter(|text| text != "null");
        let created_at = identity::created(metadata);
        let row = NetworkPolicyRow {
            namespace: metadata.namespace.clone(),
            name: metadata.name.clone(),
            uid: metadata.uid.clone(),
            pod_selector: identity::json(&spec.pod_selector),
            policy_types: identity::json(&spec.policy_types),
            ingress: rules(serde_json::to_string(&spec.ingress).ok()),
            egress: rules(serde_json::to_string(&spec.egress).ok()),
            labels: identity::json(&metadata.labels),
            annotations: identity::json(&metadata.annotations),
            created_at,
            last_change_at: identity::last_change(metadata),
            managed_by: identity::managed_by(metadata),
        };
        vec![(created_at, row)]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_rules_and_no_list_of_rules_are_different_things() {
        let row = |spec: serde_json::Value| {
            let policy = serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": spec})).unwrap();
            NetworkPolicies::rows(&policy).remove(0).1
        };
        assert_eq!(row(json!({"podSelector": {}, "ingress": []})).ingress.as_deref(), Some("[]"));
        assert_eq!(row(json!({"podSelector": {}, "ingress": [{}]})).ingress.as_deref(), Some("[{}]"));
        assert_eq!(row(json!({"podSelector": {}})).ingress, None);
    }
}
