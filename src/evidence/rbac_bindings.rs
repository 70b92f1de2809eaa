//! Who is bound to which role: a row per subject, and one for a binding that has none.

use jiff::Timestamp;
use k8s_openapi::{
    api::rbac::v1::{ClusterRoleBinding, RoleBinding, RoleRef, Subject},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use super::{Inventory, Source, identity};
use crate::cluster::Resource;

crate::table! {
    /// Subjects of role bindings and cluster role bindings. Rights that come from certificates, from webhooks or from Azure are not
    /// visible here.
    "rbacbindings_CL": BindingRow {
        /// `RoleBinding` or `ClusterRoleBinding`.
        [key] binding_type: String,
        /// Namespace of a role binding.
        [key] namespace: Option<String>,
        /// Name of the binding.
        [key] binding_name: Option<String>,
        /// UID of the binding.
        [key] uid: Option<String>,
        /// `User`, `Group` or `ServiceAccount`; absent where the binding has no subjects.
        [key] subject_kind: Option<String>,
        /// Name of the subject.
        [key] subject_name: Option<String>,
        /// Namespace of a service account.
        [key] subject_namespace: Option<String>,
        /// API group of the subject.
        subject_api_group: Option<String>,
        /// `Role` or `ClusterRole`.
        role_ref_kind: String,
        /// Name of the role.
        role_ref_name: String,
        /// How far the rights reach: `cluster` or `namespace`.
        [derived] scope: String,
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

const fn resource(plural: &'static str, kind: &'static str, namespaced: bool) -> Resource {
    Resource { group: "rbac.authorization.k8s.io", version: "v1", plural, kind, namespaced }
}

/// The list of role bindings.
pub struct RoleBindings;

impl Inventory for RoleBindings {
    type Object = RoleBinding;
    type Line = BindingRow;
    const SOURCE: Source = Source::Rbac;
    const RESOURCE: Resource = resource("rolebindings", "RoleBinding", true);

    fn rows(binding: &RoleBinding) -> Vec<(Option<Timestamp>, BindingRow)> {
        rows("RoleBinding", "namespace", &binding.metadata, &binding.role_ref, binding.subjects.as_deref())
    }
}

/// The list of cluster role bindings.
pub struct ClusterRoleBindings;

impl Inventory for ClusterRoleBindings {
    type Object = ClusterRoleBinding;
    type Line = BindingRow;
    const SOURCE: Source = Source::Rbac;
    const RESOURCE: Resource = resource("clusterrolebindings", "ClusterRoleBinding", false);

    fn rows(binding: &ClusterRoleBinding) -> Vec<(Option<Timestamp>, BindingRow)> {
        rows("ClusterRoleBinding", "cluster", &binding.metadata, &binding.role_ref, binding.subjects.as_deref())
    }
}

fn rows(
    kind: &str,
    scope: &str,
    metadata: &ObjectMeta,
    role: &RoleRef,
    subjects: Option<&[Subject]>,
) -> Vec<(Option<Timestamp>, BindingRow)> {
    let created_at = identity::created(metadata);
    let row = |subject: Option<&Subject>| {
        let row = BindingRow {
            binding_type: kind.to_owned(),
            namespace: metadata.namespace.clone(),
            binding_name: metadata.name.clone(),
            uid: metadata.uid.clone(),
            subject_kind: subject.map(|subject| subject.kind.clone()),
            subject_name: subject.map(|subject| subject.name.clone()),
            subject_namespace: subject.and_then(|subject| subject.namespace.clone()),
            subject_api_group: subject.and_then(|subject| subject.api_group.clone()),
            role_ref_kind: role.kind.clone(),
            role_ref_name: role.name.clone(),
            scope: scope.to_owned(),
            labels: identity::json(&metadata.labels),
            annotations: identity::json(&metadata.annotations),
            created_at,
            last_change_at: identity::last_change(metadata),
            managed_by: identity::managed_by(metadata),
        };
        (created_at, row)
    };
    match subjects {
        None | Some([]) => vec![row(None)],
        Some(subjects) => subjects.iter().map(|subject| row(Some(subject))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cluster_role_binding_says_so_and_one_without_subjects_has_a_row() {
        let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"});
        let bound = json!({"metadata": {"name": "system-health"}, "roleRef": role, "subjects": [
            {"kind": "User", "name": "system:anonymous", "apiGroup": "rbac.authorization.k8s.io"},
            {"kind": "ServiceAccount", "name": "web", "namespace": "shop"}]});
        let rows = ClusterRoleBindings::rows(&serde_json::from_value(bound).unwrap());
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].1.binding_type, "ClusterRoleBinding");
        assert_eq!(rows[0].1.subject_name.as_deref(), Some("system:anonymous"));
        assert_eq!(rows[1].1.subject_namespace.as_deref(), Some("shop"));

        let empty = json!({"metadata": {"name": "empty", "namespace": "shop"}, "roleRef": role});
        let rows = RoleBindings::rows(&serde_json::from_value(empty).unwrap());
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].1.subject_name, None);
    }
}
