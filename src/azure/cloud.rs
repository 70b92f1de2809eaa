//! Which Azure: the three public clouds, or one described by a file (Azure Stack, air-gapped clouds, tests).
//!
//! ```json
//! {
//!   "authority": "https://login.example.net",
//!   "resource_manager": "https://management.example.net",
//!   "resource_manager_audience": "https://management.example.net",
//!   "ingestion_audience": "https://monitor.example.net",
//!   "log_analytics": "https://api.loganalytics.example.net",
//!   "private_dns_zones": ["privatelink.monitor.example.net"],
//!   "ca_file": "ca.pem"
//! }
//! ```
//!
//! `log_analytics` (for `--verify-arrival`), its audience `log_analytics_audience`, which is the same address unless it is
//! given, `private_dns_zones` (for `--subnet-id`) and `ca_file` are optional. `ca_file` is PEM, and relative to the file that names it. Addresses are https; plain http is taken on
//! loopback only, where nobody else can listen in.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use serde::Deserialize;
use url::{Host, Url};

use crate::failure::Failure;

/// The addresses and audiences of one cloud. Values of the public clouds: go-azure-sdk's environments and
/// <https://learn.microsoft.com/azure/azure-government/compare-azure-government-global-azure>.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cloud {
    /// As `--cloud` names it: `public`, `usgov`, `china` or the absolute path of a file.
    pub name: String,
    /// Where tokens come from (Microsoft Entra).
    pub authority: Url,
    /// Azure Resource Manager.
    pub resource_manager: Url,
    /// Audience of tokens for Resource Manager, without a trailing slash.
    pub resource_manager_audience: String,
    /// Audience of tokens for logs ingestion, without a trailing slash.
    pub ingestion_audience: String,
    /// The query API of Log Analytics, where the cloud has one that is known.
    pub log_analytics: Option<Url>,
    /// Audience of tokens for queries, without a trailing slash.
    pub log_analytics_audience: String,
    /// The private DNS zones that a private endpoint of Azure Monitor needs; empty where they are not known.
    pub private_dns_zones: Vec<String>,
    /// Certificates (PEM) to trust beside the system's.
    pub ca_file: Option<PathBuf>,
}

/// <https://learn.microsoft.com/azure/azure-monitor/logs/private-link-configure>
const PUBLIC_ZONES: &[&str] = &[
    "privatelink.monitor.azure.com",
    "privatelink.oms.opinsights.azure.com",
    "privatelink.ods.opinsights.azure.com",
    "privatelink.agentsvc.azure-automation.net",
    "privatelink.blob.core.windows.net",
];
/// <https://learn.microsoft.com/azure/private-link/private-endpoint-dns#government>.
const GOVERNMENT_ZONES: &[&str] = &[
    "privatelink.monitor.azure.us",
    "privatelink.adx.monitor.azure.us",
    "privatelink.oms.opinsights.azure.us",
    "privatelink.ods.opinsights.azure.us",
    "privatelink.agentsvc.azure-automation.us",
    "privatelink.blob.core.usgovcloudapi.net",
];

/// Microsoft documents none for Azure Monitor in China.
const CHINA_ZONES: &[&str] = &[];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CloudFile {
    authority: String,
    resource_manager: String,
    resource_manager_audience: String,
    ingestion_audience: String,
    #[serde(default)]
    log_analytics: Option<String>,
    #[serde(default)]
    log_analytics_audience: Option<String>,
    #[serde(default)]
    private_dns_zones: Vec<String>,
    #[serde(default)]
    ca_file: Option<PathBuf>,
}

impl Cloud {
    /// The cloud that `--cloud` names: one of the three, or else a file.
    ///
    /// # Errors
    /// The file cannot be read, lacks a field, or names an address that is neither https nor on loopback.
    pub fn open(name: &str) -> anyhow::Result<Self> {
        let (login, manage, audience, query, zones) = match name {
            "public" => (
                "login.microsoftonline.com",
                "management.azure.com",
                "https://monitor.azure.com",
                "api.loganalytics.io",
                PUBLIC_ZONES,
            ),
            "usgov" => (
                "login.microsoftonline.us",
                "management.usgovcloudapi.net",
                "https://monitor.azure.us",
                "api.loganalytics.us",
                GOVERNMENT_ZONES,
            ),
            "china" => (
                "login.chinacloudapi.cn",
                "management.chinacloudapi.cn",
                "https://monitor.azure.cn",
                "api.loganalytics.azure.cn",
                CHINA_ZONES,
            ),
            path => return Self::read(Path::new(path)),
        };
        Self::build(
            name,
            CloudFile {
                authority: format!("https://{login}"),
                resource_manager: format!("https://{manage}"),
                resource_manager_audience: format!("https://{manage}"),
                ingestion_audience: audience.to_owned(),
                log_analytics: Some(format!("https://{query}")),
                log_analytics_audience: None,
                private_dns_zones: zones.iter().map(|zone| (*zone).to_owned()).collect(),
                ca_file: None,
            },
        )
    }

    fn read(path: &Path) -> anyhow::Result<Self> {
        let bytes = fs_err::read(path).map_err(|error| {
            Failure::usage(
                format!("--cloud `{}` is neither public, usgov nor china, nor a file: {error}", path.display()),
                "name one of the three clouds, or a cloud file",
            )
        })?;
        let mut file: CloudFile = serde_json::from_slice(&bytes).map_err(|error| {
            Failure::usage(
                format!("{} is not a cloud file: {error}", path.display()),
                "it holds authority, resource_manager, resource_manager_audience, ingestion_audience and, optionally, log_analytics, private_dns_zones and ca_file",
            )
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        file.ca_file = file.ca_file.map(|ca_file| folder.join(ca_file));
        let name = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self::build(&name.display().to_string(), file)
            .with_context(|| format!("{} cannot be used as a cloud", path.display()))
    }

    fn build(name: &str, file: CloudFile) -> anyhow::Result<Self> {
        let audience = |text: String| text.trim_end_matches('/').to_owned();
        Ok(Self {
            name: name.to_owned(),
            authority: address("authority", &file.authority)?,
            resource_manager: address("resource_manager", &file.resource_manager)?,
            resource_manager_audience: audience(file.resource_manager_audience),
            ingestion_audience: audience(file.ingestion_audience),
            log_analytics_audience: audience(
                file.log_analytics_audience.or_else(|| file.log_analytics.clone()).unwrap_or_default(),
            ),
            log_analytics: file.log_analytics.as_deref().map(|text| address("log_analytics", text)).transpose()?,
            private_dns_zones: zones(file.private_dns_zones)?,
            ca_file: file.ca_file,
        })
    }

    /// The OAuth scope of tokens for Resource Manager.
    pub fn resource_manager_scope(&self) -> String {
        format!("{}/.default", self.resource_manager_audience)
    }

    /// The OAuth scope of tokens for logs ingestion.
    pub fn ingestion_scope(&self) -> String {
        format!("{}/.default", self.ingestion_audience)
    }

    /// Whether the whole cloud lies on this machine, as that of `demo` does.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.authority) && is_loopback(&self.resource_manager)
    }

    /// A client for everything in this cloud: follows no redirects, trusts `ca_file` beside the system's certificates, and
    /// uses the environment's proxy unless the cloud is on loopback.
    ///
    /// # Errors
    /// `ca_file` cannot be read or holds no certificate.
    pub fn http_client(&self) -> anyhow::Result<reqwest::Client> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("kubectl-forensys/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(Duration::from_secs(90));
        if let Some(path) = &self.ca_file {
            let certificates = reqwest::Certificate::from_pem_bundle(&fs_err::read(path)?)
                .with_context(|| format!("ca_file {} holds no PEM certificates", path.display()))?;
            builder = builder.tls_certs_merge(certificates);
        }
        if self.is_loopback() {
            builder = builder.no_proxy();
        }
        builder.build().context("the HTTP client cannot be set up")
    }
}

/// Names of private DNS zones from a cloud file; they become parts of paths.
fn zones(names: Vec<String>) -> anyhow::Result<Vec<String>> {
    let is_name = |name: &String| {
        let label = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        name.split('.').all(label)
    };
    match names.iter().find(|name| !is_name(name)) {
        None => Ok(names),
        Some(wrong) => Err(Failure::usage(
            format!("private_dns_zones `{}` is no domain name", crate::ui::printable(wrong)),
            "write names such as privatelink.monitor.example.net",
        )
        .into()),
    }
}

/// An address from a cloud file, when it is one that secrets may be sent to.
fn address(field: &str, text: &str) -> anyhow::Result<Url> {
    let url = Url::parse(text).map_err(|error| {
        Failure::usage(format!("{field} `{text}` is no address: {error}"), "write it as https://HOST")
    })?;
    if url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)) {
        return Ok(url);
    }
    let fix = "use https; plain http is accepted on loopback only";
    Err(Failure::usage(format!("{field} `{text}` would send credentials unprotected"), fix).into())
}

/// Whether the address can only be reached from this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn file(authority: &str, extra: &str) -> anyhow::Result<Cloud> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cloud.json");
        let text = format!(
            r#"{{"authority":"{authority}","resource_manager":"https://m","resource_manager_audience":"https://m/","ingestion_audience":"https://i/"{extra}}}"#
        );
        fs_err::write(&path, text).unwrap();
        Cloud::open(path.to_str().unwrap())
    }

    #[test]
    fn each_public_cloud_has_its_own_audiences() {
        let scopes: Vec<_> =
            ["public", "usgov", "china"].map(|name| Cloud::open(name).unwrap().ingestion_scope()).into();
        let expected = ["com", "us", "cn"].map(|suffix| format!("https://monitor.azure.{suffix}/.default"));
        assert_eq!(scopes, expected);
    }

    #[test]
    fn plain_http_is_taken_on_loopback_only() {
        for good in ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1", "https://login.example.net"] {
            assert_eq!(file(good, "").unwrap().resource_manager_scope(), "https://m/.default");
        }
        for bad in ["http://login.example.net", "http://localhost.example.net", "http://128.0.0.1", "ftp://localhost"] {
            assert!(format!("{:#}", file(bad, "").unwrap_err()).contains("unprotected"), "{bad}");
        }
    }

    #[test]
    fn zones_are_those_of_the_cloud_and_none_where_none_are_documented() {
        let zones = |name: &str| Cloud::open(name).unwrap().private_dns_zones;
        assert!(zones("public").iter().all(|zone| !zone.contains(".us")) && zones("public").len() == 5);
        assert!(zones("usgov").iter().all(|zone| zone.ends_with(".us") || zone.ends_with(".usgovcloudapi.net")));
        assert!(zones("china").is_empty());
        assert_eq!(file("https://l", r#","private_dns_zones":["a.b"]"#).unwrap().private_dns_zones, ["a.b"]);
        assert!(file("https://l", r#","private_dns_zones":["../a"]"#).is_err());
    }

    #[test]
    fn the_ca_file_lies_beside_the_cloud_file() {
        let cloud = file("https://l", r#","ca_file":"ca.pem""#).unwrap();
        let ca_file = cloud.ca_file.clone().unwrap();
        assert!(ca_file.is_absolute() && ca_file.ends_with("ca.pem"));
        assert!(cloud.http_client().unwrap_err().to_string().contains("ca.pem"));
    }

    #[test]
    fn a_misspelt_field_is_named() {
        let message = file("https://l", r#","ca":"x""#).unwrap_err().to_string();
        assert!(message.contains("unknown field `ca`"), "{message}");
    }
}
