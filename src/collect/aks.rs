//! What Azure knows of the cluster, where it is an AKS cluster and somebody is signed in. It holds no other source up: Azure
//! is asked beside them, and that it cannot be asked is a note.

use super::Collector;
use crate::{
    azure::{Arm, AzureSession},
    bundle::{Outcome, State, Unit},
    cluster::list::Selectors,
    evidence::{
        Source,
        aks::{self, Hint, Reading},
        registry::NODES,
    },
};

/// Whether Azure may be asked, and how.
pub enum AskAzure {
    /// It was not wanted.
    No,
    /// With this session, or not at all for this reason.
    With(Result<AzureSession, String>),
}

impl AskAzure {
    /// Whether the question is asked at all.
    pub fn is_asked(&self) -> bool {
        matches!(self, Self::With(_))
    }
}

impl Collector {
    /// Reads the AKS cluster, its node pools, addons and diagnostic settings.
    ///
    /// # Errors
    /// The bundle cannot be written.
    pub(super) async fn aks(&self) -> anyhow::Result<()> {
        const PATH: &[&str] = &["cluster"];
        let AskAzure::With(session) = &self.azure else { return Ok(()) };
        if !self.wants(Source::Aks) || self.writer.is_done(Source::Aks.name(), PATH) {
            return Ok(());
        }
        let unit = self.writer.unit(Source::Aks.name(), "the AKS cluster in Azure", PATH);
        tokio::select! {
            reading = self.read_aks(session.as_ref()) => self.finish_aks(unit, &reading).await,
            () = self.stop.cancelled() => {
                unit.finish(Outcome::new(State::Interrupted, "stopped while Azure was asked")).await
            }
        }
    }

    async fn finish_aks(&self, mut unit: Unit, reading: &Reading) -> anyhow::Result<()> {
        reading.emit(&mut unit)?;
        let outcome = reading.outcome();
        self.progress.unit(Source::Aks, unit.all_rows(), outcome.state);
        unit.finish(outcome).await
    }

    async fn read_aks(&self, session: Result<&AzureSession, &String>) -> Reading {
        let server = self.writer.run().server.parse::<http::Uri>().ok();
        let mut hint = Hint {
            server_host: server.as_ref().and_then(http::Uri::host).unwrap_or_default().to_owned(),
            provider_ids: Vec::new(),
            named: self.settings.aks_cluster.clone(),
        };
        if hint.named.is_none() {
            // The first page is enough: one node names the group of all.
            match self.cluster.page(&NODES, None, &Selectors::default(), None).await {
                Ok(page) => hint.provider_ids = page.items.iter().filter_map(|node| provider_id(node.get())).collect(),
                Err(problem) if !hint.is_aks() => {
                    return Reading::Absent(format!(
                        "the API server's name is not that of AKS and the nodes cannot be listed ({problem}); if it is \
                         AKS, name it: collect SUBSCRIPTION_ID RESOURCE_GROUP_NAME CLUSTER_NAME"
                    ));
                }
                Err(_) => {}
            }
        }
        match session {
            Ok(session) => aks::read(&Arm::new(session.clone()), &hint).await,
            Err(why) if hint.is_aks() => Reading::Absent(format!("nobody is signed in to Azure: {why}")),
            Err(_) => Reading::Absent("this is no AKS cluster".to_owned()),
        }
    }
}

fn provider_id(node: &str) -> Option<String> {
    let node: serde_json::Value = serde_json::from_str(node).ok()?;
    node.pointer("/spec/providerID").and_then(serde_json::Value::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_names_its_machine() {
        assert_eq!(provider_id(r#"{"spec":{"providerID":"azure:///x"}}"#).as_deref(), Some("azure:///x"));
        assert_eq!(provider_id(r#"{"spec":{"providerID":3}}"#), None);
    }
}
