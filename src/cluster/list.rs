//! Paged lists. Objects come verbatim, as the server sent them; what they mean is decided elsewhere.

use std::time::Instant;

use http::{HeaderMap, HeaderValue, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    connect::Cluster,
    problem::{Problem, ProblemKind},
    request::read_body,
};

/// Objects asked for in one page; kubectl's own default.
const PAGE: u32 = 500;

/// A kind that is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Resource {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// API version.
    pub version: &'static str,
    /// Plural name, as in RBAC rules.
    pub plural: &'static str,
    /// Kind, as in `kind:`.
    pub kind: &'static str,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

impl Resource {
    /// The list's path, in one namespace or in the whole cluster.
    pub fn path(&self, namespace: Option<&str>) -> String {
        let base = if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        };
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => format!("{base}/namespaces/{namespace}/{}", self.plural),
            None => format!("{base}/{}", self.plural),
        }
    }
}

/// A page of a list.
#[derive(Debug, Deserialize)]
pub struct Page {
    /// The list's metadata.
    pub metadata: PageMetadata,
    /// Its objects, verbatim. `kind` and `apiVersion` are not repeated in them.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub items: Vec<Box<RawValue>>,
}

/// `metadata` of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PageMetadata {
    /// Version of the store that the list shows.
    pub resource_version: String,
    /// Token for the next page; empty on the last.
    #[serde(rename = "continue")]
    pub next: String,
}

fn null_as_empty<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<Box<RawValue>>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// What narrows a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selectors {
    /// Label selector, as kubectl's `-l`.
    pub labels: Option<String>,
    /// Field selector.
    pub fields: Option<String>,
}

impl Selectors {
    pub(super) fn append_to(&self, query: &mut String) {
        for (name, value) in [("labelSelector", &self.labels), ("fieldSelector", &self.fields)] {
            if let Some(value) = value {
                append_parameter(query, name, value);
            }
        }
    }
}

/// Appends a parameter to a query that has some already.
pub(super) fn append_parameter(query: &mut String, name: &str, value: &str) {
    query.push_str(&format!("&{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
}

/// The query of a page: the first, or the one that a token of the page before names.
pub fn query(selectors: &Selectors, next: Option<&str>) -> String {
    let mut query = format!("limit={PAGE}");
    selectors.append_to(&mut query);
    if let Some(next) = next {
        append_parameter(&mut query, "continue", next);
    }
    query
}

impl Cluster {
    /// One page of a list: the first, or the one that a token of the page before names.
    /// A problem of kind [`ProblemKind::Gone`] means that the pages expired and the list has to begin again.
    pub async fn page(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selectors: &Selectors,
        next: Option<&str>,
    ) -> Result<Page, Problem> {
        let target = format!("{}?{}", resource.path(namespace), query(selectors, next));
        let mut headers = HeaderMap::new();
        let is_compressed = self.compression().is_wanted();
        if !is_compressed {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        let response = self.get(&target, &headers).await?;
        let began = Instant::now();
        let body = read_body(response).await?;
        if !is_compressed {
            self.compression().note(body.len(), began.elapsed());
        }
        serde_json::from_slice(&body).map_err(|error| {
            Problem::new(ProblemKind::Unreachable, format!("the answer is no list of Kubernetes: {error}"))
        })
    }

    /// One object by its path (`/version`, `/api/v1/namespaces/kube-system`).
    pub async fn object(&self, path: &str) -> Result<serde_json::Value, Problem> {
        let body = read_body(self.get(path, &HeaderMap::new()).await?).await?;
        serde_json::from_slice(&body).map_err(|error| {
            Problem::new(ProblemKind::Unreachable, format!("the answer of {path} is no object: {error}"))
        })
    }

    /// The name that the cluster knows the caller by (SelfSubjectReview, authentication.k8s.io/v1).
    pub async fn whoami(&self) -> Result<String, Problem> {
        let review = serde_json::json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        let answer = self.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", &review).await?;
        let name = answer.pointer("/status/userInfo/username").and_then(serde_json::Value::as_str);
        name.map(str::to_owned)
            .ok_or_else(|| Problem::new(ProblemKind::Unreachable, "the review of the caller has no user name"))
    }
}
