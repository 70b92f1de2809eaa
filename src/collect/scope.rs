//! Where a kind is listed: in the whole cluster, or namespace by namespace.

use super::Collector;
use crate::{cluster::list::Selectors, evidence::registry::NAMESPACES};

/// Name of the whole cluster among the units; no namespace can be called so.
pub(super) const WHOLE_CLUSTER: &str = "_all";
/// Name of the namespaces that nobody told us about.
pub(super) const UNKNOWN: &str = "_unknown";

/// The namespaces to fall back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidates {
    /// Their names.
    pub namespaces: Vec<String>,
    /// Why there may be more, where they could not be listed.
    pub incomplete: Option<String>,
}

impl Collector {
    /// The namespaces of the cluster, or what can be tried without knowing them.
    pub(super) async fn candidates(&self) -> Candidates {
        let mut namespaces = Vec::new();
        let mut next = None;
        loop {
            match self.cluster.page(&NAMESPACES, None, &Selectors::default(), next.as_deref()).await {
                Ok(page) => {
                    namespaces.extend(page.items.iter().filter_map(|item| name_of(item.get())));
                    if page.metadata.next.is_empty() {
                        return Candidates { namespaces, incomplete: None };
                    }
                    next = Some(page.metadata.next);
                }
                Err(problem) => return self.guess(namespaces, &problem.message),
            }
        }
    }

    fn guess(&self, mut namespaces: Vec<String>, why: &str) -> Candidates {
        let fallback = &self.settings.fallback_namespace;
        if !namespaces.contains(fallback) {
            namespaces.push(fallback.clone());
        }
        let tried = namespaces.join(", ");
        Candidates {
            namespaces,
            incomplete: Some(format!("namespaces unknown, only {tried} tried: they cannot be listed: {why}")),
        }
    }
}

/// The name of an object.
pub(super) fn name_of(namespace: &str) -> Option<String> {
    let object: serde_json::Value = serde_json::from_str(namespace).ok()?;
    object.pointer("/metadata/name").and_then(serde_json::Value::as_str).map(str::to_owned)
}
