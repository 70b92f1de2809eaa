//! Service accounts: who pods can act as.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ServiceAccount;

use super::{Inventory, Source, identity};
use crate::cluster::Resource;

crate::table! {
    /// Service accounts. Tokens that were issued on request are stored nowhere and cannot be seen here.
    "serviceaccounts_CL": ServiceAccountRow {
        /// Namespace.
        [key] namespace: Option<String>,
        /// Name.
        [key] name: Option<String>,
        /// UID.
        [key] uid: Option<String>,
        /// Whether pods get a token mounted, as set: `true`, `false`, or absent, which means true. A pod can override it.
        automount_service_account_token: Option<String>,
        /// Whether pods get a token mounted unless they say otherwise.
        [derived] automount_effective: bool,
        /// Names of the image pull secrets (JSON array).
        image_pull_secrets: Option<String>,
        /// Names of long-lived token secrets (JSON array).
        secrets: Option<String>,
        /// Labels (JSON object).
        labels: Option<String>,
        /// Annotations (JSON object); identities of clouds are bound here.
        annotations: Option<String>,
        /// When it was created.
        created_at: Option<Timestamp>,
        /// When a manager last changed it.
        last_change_at: Option<Timestamp>,
        /// Managers that changed it (JSON array).
        managed_by: Option<String>,
    }
}

/// The list of service accounts.
pub struct ServiceAccounts;

impl Inventory for ServiceAccounts {
    type Object = ServiceAccount;
    type Line = ServiceAccountRow;
    const SOURCE: Source = Source::ServiceAccounts;
    const RESOURCE: Resource =
        Resource { group: "", version: "v1", plural: "serviceaccounts", kind: "ServiceAccount", namespaced: true };

    fn rows(account: &ServiceAccount) -> Vec<(Option<Timestamp>, ServiceAccountRow)> {
        let metadata = &account.metadata;
        let pull: Vec<_> = account.image_pull_secrets.iter().flatten().map(|secret| &secret.name).collect();
        let secrets: Vec<_> = account.secrets.iter().flatten().filter_map(|secret| secret.name.as_ref()).collect();
        let created_at = identity::created(metadata);
        let row = ServiceAccountRow {
            namespace: metadata.namespace.clone(),
            name: metadata.name.clone(),
            uid: metadata.uid.clone(),
            automount_service_account_token: account.automount_service_account_token.map(|value| value.to_string()),
            automount_effective: account.automount_service_account_token.unwrap_or(true),
            image_pull_secrets: identity::json(&pull),
            secrets: identity::json(&secrets),
            labels: identity::json(&metadata.labels),
            annotations: identity::json(&metadata.annotations),
            created_at,
            last_change_at: identity::last_change(metadata),
            managed_by: identity::managed_by(metadata),
        };
        vec![(created_at, row)]
    }
}
