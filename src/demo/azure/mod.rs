//! The in-process Azure: token service, resource manager and logs ingestion on one loopback address, with the rules that
//! Microsoft documents enforced. It is the demo's cloud and the fixture of the tests; it is strict so that what works here
//! has a chance to work there.
//!
//! ```text
//! /{tenant}/oauth2/v2.0/token            entra      client credentials by secret or assertion
//! /subscriptions/…                       arm        groups, workspaces, tables, endpoints, rules, roles, private link, clusters
//! /ingest/{endpoint}/dataCollectionRules ingestion  rows in
//! /v1/workspaces/{id}/query              query      how many rows of a run came in
//! /arrived, /arrived/{table}/record_ids  service    what came in (not Azure's; see README.md)
//! ```
//!
//! Limits: one tenant, one subscription, one application that owns it; no transformation but `source`; private link is
//! kept in the books and closes nothing; quotas and other queries than the count of a run's rows are not there. What Microsoft does not
//! document is marked so where it is decided.

mod alone;
mod answer;
mod arm;
mod arrivals;
mod assertion;
mod call;
mod credentials;
mod entra;
mod faults;
mod ingestion;
mod journal;
mod query;
mod service;
mod settings;
mod token;
mod world;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::json;

pub use alone::{Served, serve, served};
pub use arrivals::StoredRow;
pub use credentials::{ClientCertificate, Credentials, SUBSCRIPTION};
pub use faults::{Alter, Cut, Fault, Scripted, read_faults};
pub use journal::Exchange;
pub use settings::{Lags, Settings};

use self::service::{Service, handler};
use super::serve::{Listener, Server};

/// A running in-process Azure. Dropping it stops it.
pub struct Azure {
    service: Arc<Service>,
    authority_pem: Option<String>,
    server: Server,
}

impl Azure {
    /// Starts it in a task of the current runtime; it answers when this returns.
    ///
    /// # Errors
    /// The port is taken, or the cryptographic library fails.
    pub async fn start(settings: Settings) -> anyhow::Result<Self> {
        let listener = Listener::bind(settings.port, settings.tls).await?;
        let authority_pem = listener.authority_pem().map(str::to_owned);
        let service = Arc::new(Service::new(listener.base(), settings)?);
        let server = listener.serve(handler(Arc::clone(&service)));
        Ok(Self { service, authority_pem, server })
    }

    /// The base address of all services, `https://127.0.0.1:PORT`, without a trailing slash.
    pub fn address(&self) -> &str {
        &self.service.base
    }

    /// Who may sign in.
    pub fn credentials(&self) -> &Credentials {
        &self.service.credentials
    }

    /// The certificate authority that clients have to trust, PEM; none over plain HTTP.
    pub fn authority_pem(&self) -> Option<&str> {
        self.authority_pem.as_deref()
    }

    /// Writes `cloud.json` and, with TLS, `ca.pem` into a folder, and returns the path of the former: what `--cloud` takes.
    ///
    /// # Errors
    /// The folder cannot be made or written.
    pub fn cloud_file(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        fs_err::create_dir_all(folder)?;
        let folder = fs_err::canonicalize(folder)?;
        let mut cloud = json!({
            "authority": self.address(),
            "resource_manager": self.address(),
            "resource_manager_audience": entra::MANAGEMENT,
            "ingestion_audience": entra::MONITOR,
            "log_analytics": self.address(),
            "log_analytics_audience": query::LOG_ANALYTICS,
            "private_dns_zones": ["privatelink.monitor.azure.com", "privatelink.ods.opinsights.azure.com"],
        });
        if let (Some(pem), Some(members)) = (&self.authority_pem, cloud.as_object_mut()) {
            let path = folder.join("ca.pem");
            fs_err::write(&path, pem)?;
            members.insert("ca_file".to_owned(), json!(path));
        }
        let path = folder.join("cloud.json");
        fs_err::write(&path, serde_json::to_vec_pretty(&cloud)?)?;
        Ok(path)
    }

    /// Rows accepted so far, for each table that has any. A row that was sent twice counts twice, as in Azure.
    pub fn arrived(&self) -> BTreeMap<String, usize> {
        self.service.arrivals().counts()
    }

    /// The RecordIds of the rows of a table in ascending order, each as often as it came.
    pub fn record_ids(&self, table: &str) -> Vec<String> {
        self.service.arrivals().record_ids(table)
    }

    /// The rows of a table as the workspace would hold them; empty unless [`Settings::keep_rows`].
    pub fn rows(&self, table: &str) -> Vec<StoredRow> {
        self.service.arrivals().rows(table)
    }

    /// What was changed without a word, per table, with how often: unknown columns, cut fields, values of a wrong type.
    pub fn losses(&self) -> BTreeMap<String, BTreeMap<String, usize>> {
        self.service.arrivals().losses()
    }

    /// Everything that was asked and answered, in that order; empty unless [`Settings::keep_exchanges`].
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.service.exchanges()
    }

    /// Ends the open connections and returns when the port is free.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}
