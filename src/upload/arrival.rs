//! Counting what arrived: a Log Analytics query per table, repeated until the workspace has as many rows of the run as were
//! acknowledged, or patience ends. A 204 means accepted, not stored: the first rows of a new table take up to 15 minutes
//! (<https://learn.microsoft.com/azure/azure-monitor/logs/data-ingestion-time>).
//!
//! Limits: a row that was sent twice is counted twice, so that a count tells what is missing only as far as nothing came
//! twice; `RecordId` tells the rest. Who may not query is told so, and the upload counts as done.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context as _;
use azure_core::credentials::TokenCredential;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::summary::{Progress, TableSummary, Waiting};
use crate::{azure::Sleeper, failure::Failure, ui::printable};

/// The pause between two rounds of queries; rows become visible in minutes, not in seconds.
const PAUSE: Duration = Duration::from_secs(15);
/// How long one query may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Where to ask: a workspace behind the query API of a cloud
/// (<https://learn.microsoft.com/azure/azure-monitor/logs/api/overview>).
#[derive(Clone, Debug)]
pub struct Query {
    /// Address of the query API.
    pub endpoint: Url,
    /// Audience of its tokens.
    pub audience: String,
    /// The workspace's own id (`customerId`), a GUID.
    pub customer_id: String,
}

/// Counts the rows of runs in one workspace.
pub struct Arrivals {
    http: reqwest::Client,
    credential: Arc<dyn TokenCredential>,
    query: Query,
    patience: Duration,
}

/// What a query came to.
enum Count {
    Rows(u64),
    /// The workspace does not know the table yet.
    NoTable,
    /// The caller may not query, in the service's words.
    Denied(String),
    /// Worth another try.
    Unavailable(String),
}

#[derive(Deserialize)]
struct Answer {
    tables: Vec<Table>,
}

#[derive(Deserialize)]
struct Table {
    rows: Vec<Vec<serde_json::Value>>,
}

impl Arrivals {
    /// Counts in the workspace of `query`, for at most `patience`.
    pub fn new(http: reqwest::Client, credential: Arc<dyn TokenCredential>, query: Query, patience: Duration) -> Self {
        Self { http, credential, query, patience }
    }

    /// Waits until every table has at least as many rows of the run as were acknowledged, and fills in how many it has. What
    /// is still missing when patience ends is told, and stands in the counts. Errors when the service cannot be used at all.
    pub(super) async fn verify(
        &self,
        run_id: &str,
        tables: &mut BTreeMap<String, TableSummary>,
        sleeper: &dyn Sleeper,
        progress: &dyn Progress,
    ) -> anyhow::Result<()> {
        let mut waited = Duration::ZERO;
        loop {
            let mut missing = Vec::new();
            for (name, table) in tables.iter_mut().filter(|(_, table)| !table.has_arrived()) {
                match self.count(name, run_id).await? {
                    Count::Rows(rows) => table.arrived = Some(rows),
                    Count::NoTable => table.arrived = Some(0),
                    Count::Unavailable(words) => {
                        progress.note(&format!("{}: the query was not answered: {words}", printable(name)))
                    }
                    Count::Denied(words) => {
                        progress.note(&format!(
                            "arrival was not verified, for the workspace may not be queried (give whoever uploads the role Log \
                             Analytics Reader on it): {words}"
                        ));
                        return Ok(());
                    }
                }
                if !table.has_arrived() {
                    missing.push(format!(
                        "{} {} of {}",
                        printable(name),
                        table.arrived.unwrap_or(0),
                        table.acknowledged
                    ));
                }
            }
            if missing.is_empty() {
                return Ok(());
            }
            if waited + PAUSE > self.patience {
                progress.note(&format!("not all rows can be queried yet: {}", missing.join(", ")));
                return Ok(());
            }
            let (reason, left) = (format!("rows are not visible yet: {}", missing.join(", ")), self.patience - waited);
            progress.waiting(&Waiting { subject: "arrival", reason: &reason, pause: PAUSE, left: Some(left) });
            sleeper.sleep(PAUSE).await;
            waited += PAUSE;
        }
    }

    async fn count(&self, table: &str, run_id: &str) -> anyhow::Result<Count> {
        let Some(text) = query_text(table, run_id) else {
            return Ok(Count::Unavailable("its name or the run's id cannot stand in a query".to_owned()));
        };
        let scope = format!("{}/.default", self.query.audience.trim_end_matches('/'));
        let token =
            self.credential.get_token(&[&scope], None).await.with_context(|| format!("signing in for {scope}"))?;
        let mut url = self.query.endpoint.clone();
        let mut segments = url.path_segments_mut().map_err(|()| anyhow::anyhow!("log_analytics is no address"))?;
        segments.pop_if_empty().extend(["v1", "workspaces", &self.query.customer_id, "query"]);
        drop(segments);
        let request =
            self.http.post(url).bearer_auth(token.token.secret()).timeout(TIMEOUT).json(&json!({"query": text}));
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Ok(Count::Unavailable(printable(&error.without_url().to_string()))),
        };
        let status = response.status().as_u16();
        let body = response.bytes().await.unwrap_or_default();
        Ok(read(status, &body))
    }
}

impl TableSummary {
    /// Whether a query has found what was acknowledged.
    fn has_arrived(&self) -> bool {
        self.arrived.is_some_and(|rows| rows >= self.acknowledged)
    }
}

/// The query for the rows of a run in a table; none when a name could end its quotes.
fn query_text(table: &str, run_id: &str) -> Option<String> {
    let is_plain = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    (is_plain(table) && is_plain(run_id)).then(|| format!("['{table}'] | where RunId == '{run_id}' | count"))
}

fn read(status: u16, body: &[u8]) -> Count {
    let words = || printable(&String::from_utf8_lossy(body).chars().take(500).collect::<String>());
    match status {
        200 => {
            let answer = serde_json::from_slice::<Answer>(body).ok();
            let count = answer.and_then(|answer| answer.tables.first()?.rows.first()?.first()?.as_u64());
            count.map_or_else(|| Count::Unavailable(words()), Count::Rows)
        }
        // The semantic error of a name that cannot be resolved.
        400 if words().contains("SEM0100") => Count::NoTable,
        401 | 403 | 404 => Count::Denied(format!("{status} {}", words())),
        _ => Count::Unavailable(format!("{status} {}", words())),
    }
}

impl Query {
    /// The query API of a cloud for a workspace. Errors when the cloud or the deployment does not name what is needed.
    pub fn of(cloud: &crate::azure::Cloud, customer_id: Option<&str>) -> anyhow::Result<Self> {
        let Some(customer_id) = customer_id else {
            return Err(Failure::usage(
                "the deployment file does not name the workspace's id, so arrival cannot be verified".to_owned(),
                "run `kubectl forensys provision` again, or put the workspace's `customerId` into it as `workspace_customer_id`",
            )
            .into());
        };
        let Some(endpoint) = &cloud.log_analytics else {
            return Err(Failure::usage(
                format!("the cloud {} names no address for queries", cloud.name),
                "add `log_analytics` to the cloud file",
            )
            .into());
        };
        Ok(Self {
            endpoint: endpoint.clone(),
            audience: cloud.log_analytics_audience.clone(),
            customer_id: customer_id.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_quotes() {
        let text = query_text("kubelogs_CL", "01J0").unwrap_or_default();
        assert_eq!(text, "['kubelogs_CL'] | where RunId == '01J0' | count");
        for (table, run) in [("a'] | x", "01J0"), ("a_CL", "' or true"), ("", "x")] {
            assert_eq!(query_text(table, run), None);
        }
    }

    #[test]
    fn answers_are_told_apart() {
        let counted =
            br#"{"tables":[{"name":"PrimaryResult","columns":[{"name":"Count","type":"long"}],"rows":[[7]]}]}"#;
        assert!(matches!(read(200, counted), Count::Rows(7)));
        assert!(matches!(read(200, b"{}"), Count::Unavailable(_)));
        assert!(matches!(read(400, br#"{"error":{"innererror":{"code":"SEM0100"}}}"#), Count::NoTable));
        assert!(matches!(read(403, b"no"), Count::Denied(_)));
        assert!(matches!(read(429, b""), Count::Unavailable(_)));
    }
}
