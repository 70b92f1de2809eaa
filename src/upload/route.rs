//! Where the rows of each table go, checked before anything is sent.

use std::path::Path;

use anyhow::Context as _;
use url::{Host, Url};

use super::{ledger::Route, origin::Origin};
use crate::{
    evidence::registry,
    failure::Failure,
    provision::deployment::{Deployment, Destination},
    ui::printable,
};

/// Version of the Logs Ingestion API
/// (<https://learn.microsoft.com/azure/azure-monitor/logs/logs-ingestion-api-overview#rest-api-call>).
pub const API_VERSION: &str = "2023-01-01";

/// The way of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TableRoute {
    pub(super) table: String,
    pub(super) route: Route,
    /// Where bodies are posted.
    pub(super) url: Url,
    /// The columns that rows may have: those that the deployed stream declares, else those of this version's table. None when
    /// neither is known.
    pub(super) columns: Option<Vec<String>>,
}

/// The routes of all tables of the bundle that have rows, in order. Errors name every table that has no destination, an
/// endpoint that cannot be used, and a demonstration that would leave this machine.
pub(super) fn routes(origin: &Origin, deployment: &Deployment) -> anyhow::Result<Vec<TableRoute>> {
    let without = origin.tables.keys().filter(|table| !deployment.tables.contains_key(*table));
    let missing: Vec<_> = without.map(|table| printable(table)).collect();
    if !missing.is_empty() {
        return Err(Failure::new(
            format!("the deployment file has no destination for {}", missing.join(", ")),
            "run `kubectl forensys provision` again (it adds what is missing), or add the tables to the file by hand",
        )
        .into());
    }
    let mut routes = Vec::new();
    for table in origin.tables.keys() {
        let Some(destination) = deployment.tables.get(table) else { continue };
        let url = ingestion_url(destination).with_context(|| format!("the destination of {}", printable(table)))?;
        if origin.is_demo && !is_loopback(&url) {
            return Err(demo_refused(&origin.dir, &url));
        }
        let route = Route {
            run_id: origin.run_id.clone(),
            endpoint: destination.endpoint.trim_end_matches('/').to_owned(),
            rule: destination.immutable_id.clone(),
            stream: destination.stream.clone(),
        };
        routes.push(TableRoute { columns: columns(table, destination), table: table.clone(), route, url });
    }
    Ok(routes)
}

fn columns(table: &str, destination: &Destination) -> Option<Vec<String>> {
    if !destination.columns.is_empty() {
        return Some(destination.columns.clone());
    }
    let known = registry::tables().into_iter().find(|known| known.name == table)?;
    Some(known.columns().map(|column| column.name.to_owned()).collect())
}

impl TableRoute {
    /// The columns of this version's table that the deployed stream does not declare.
    pub(super) fn undeclared(&self) -> Vec<&'static str> {
        let Some(declared) = &self.columns else { return Vec::new() };
        let known = registry::tables().into_iter().find(|known| known.name == self.table);
        let names = known.into_iter().flat_map(|table| table.columns().map(|column| column.name));
        names.filter(|name| !declared.iter().any(|column| column == name)).collect()
    }
}

fn demo_refused(dir: &Path, url: &Url) -> anyhow::Error {
    Failure::new(
        format!(
            "`{}` holds the demonstration, not evidence: it is not sent to {}",
            dir.display(),
            printable(url.host_str().unwrap_or_default())
        ),
        "collect from your cluster with `kubectl forensys collect` and upload that bundle",
    )
    .into()
}

/// `{endpoint}/dataCollectionRules/{immutable id}/streams/{stream}`.
fn ingestion_url(destination: &Destination) -> anyhow::Result<Url> {
    let endpoint = &destination.endpoint;
    let unusable = |why: &str| {
        Failure::new(
            format!("the endpoint `{}` {why}", printable(endpoint)),
            "the deployment file needs the logs ingestion endpoint as Azure shows it, beginning with https://",
        )
    };
    let mut url = Url::parse(endpoint).map_err(|error| unusable(&format!("is no address: {error}")))?;
    if !(url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url)) {
        return Err(unusable("is not https").into());
    }
    url.path_segments_mut().map_err(|()| unusable("is no address"))?.pop_if_empty().extend([
        "dataCollectionRules",
        &destination.immutable_id,
        "streams",
        &destination.stream,
    ]);
    url.set_query(Some(&format!("api-version={API_VERSION}")));
    Ok(url)
}

/// Whether an address stays on this machine.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn url(endpoint: &str) -> anyhow::Result<Url> {
        let (immutable_id, stream) = ("dcr-1/../x".to_owned(), "Custom-t_CL".to_owned());
        ingestion_url(&Destination { endpoint: endpoint.to_owned(), immutable_id, stream, ..Destination::default() })
    }

    #[test]
    fn the_url_is_the_documented_one_and_ids_cannot_leave_their_place() {
        let expected =
            "https://dce.example.net/dataCollectionRules/dcr-1%2F..%2Fx/streams/Custom-t_CL?api-version=2023-01-01";
        assert_eq!(url("https://dce.example.net").unwrap().as_str(), expected);
        assert_eq!(url("https://dce.example.net/").unwrap().as_str(), expected);
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for accepted in ["http://127.0.0.1:80", "http://[::1]:1", "http://localhost:2"] {
            assert!(url(accepted).is_ok(), "{accepted}");
        }
        for refused in ["http://dce.example.net", "ftp://127.0.0.1", "dce.example.net", "data:text/plain,x"] {
            assert!(url(refused).is_err(), "{refused}");
        }
    }
}
