//! From kubectl's flags and the kubeconfig to a client behind the guard.

use std::{path::PathBuf, time::Duration};

use kube::{
    Client, Config,
    client::ClientBuilder,
    config::{AuthInfo, KubeConfigOptions, Kubeconfig, KubeconfigError},
};

use super::{
    actions::Actions, compression::Compression, guard::Guard, level::Levels, problem::Problem, request::chain,
};
use crate::failure::Failure;

/// kubectl's own connection flags, with kubectl's meaning.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Connection (as kubectl)")]
pub struct ConnectArgs {
    /// Path to the kubeconfig file; before $KUBECONFIG and ~/.kube/config
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Name of the kubeconfig context
    #[arg(long)]
    pub context: Option<String>,
    /// Name of the kubeconfig cluster
    #[arg(long)]
    pub cluster: Option<String>,
    /// Name of the kubeconfig user
    #[arg(long)]
    pub user: Option<String>,
    /// Address and port of the API server
    #[arg(short, long, value_name = "URL")]
    pub server: Option<String>,
    /// Bearer token
    #[arg(long, hide_env_values = true)]
    pub token: Option<String>,
    /// User to impersonate
    #[arg(long = "as", value_name = "USER")]
    pub impersonate: Option<String>,
    /// Group to impersonate; may be repeated
    #[arg(long = "as-group", value_name = "GROUP")]
    pub impersonate_group: Vec<String>,
    /// UID to impersonate
    #[arg(long = "as-uid", value_name = "UID")]
    pub impersonate_uid: Option<String>,
    /// Certificate authority of the API server, PEM
    #[arg(long, value_name = "FILE")]
    pub certificate_authority: Option<PathBuf>,
    /// Client certificate, PEM
    #[arg(long, value_name = "FILE")]
    pub client_certificate: Option<PathBuf>,
    /// Key of the client certificate, PEM
    #[arg(long, value_name = "FILE")]
    pub client_key: Option<PathBuf>,
    /// Name that the server's certificate must bear
    #[arg(long, value_name = "NAME")]
    pub tls_server_name: Option<String>,
    /// Do not check the server's certificate; the evidence may then come from anyone
    #[arg(long)]
    pub insecure_skip_tls_verify: bool,
    /// How long to wait for an answer to begin, for example 30s; 0 for the default of 60s
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = parse_duration)]
    pub request_timeout: Duration,
    /// Accepted as kubectl does; nothing is cached
    #[arg(long, value_name = "DIR", hide = true)]
    pub cache_dir: Option<PathBuf>,
}

/// Parses kubectl's durations: `30s`, `5m`, `1h30m`, or bare seconds.
fn parse_duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    let parsed: jiff::SignedDuration = text.parse().map_err(|error| format!("not a duration like 30s: {error}"))?;
    Duration::try_from(parsed).map_err(|error| error.to_string())
}

/// The resolved connection, before any request was made.
pub struct Connection {
    config: Config,
    /// The context in use, where there is one.
    pub context: Option<String>,
    request_timeout: Duration,
}

impl Connection {
    /// Address of the API server.
    pub fn server(&self) -> String {
        self.config.cluster_url.to_string()
    }

    /// The context's namespace.
    pub fn default_namespace(&self) -> &str {
        &self.config.default_namespace
    }

    /// The client: everything it sends passes the guard, which knows the levels, and is recorded in `actions`.
    pub fn open(self, actions: Actions, run_id: &str, levels: Levels) -> anyhow::Result<Cluster> {
        let guard = Guard::new(actions.clone(), run_id, levels)?;
        let client = ClientBuilder::try_from(self.config)
            .map_err(|error| {
                Failure::new(
                    format!("the connection to the cluster cannot be set up: {}", chain(&error)),
                    "check certificates and keys that the kubeconfig names",
                )
            })?
            .with_layer(&guard)
            .build();
        let compression = Compression::default();
        Ok(Cluster { client, actions, request_timeout: self.request_timeout, compression })
    }
}

/// A cluster that can be read. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    actions: Actions,
    request_timeout: Duration,
    compression: Compression,
}

impl Cluster {
    pub(super) fn compression(&self) -> &Compression {
        &self.compression
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    /// The record of what was sent.
    pub fn actions(&self) -> &Actions {
        &self.actions
    }

    /// Asks the server for its version: the proof that there is one, and that the credential works or not.
    pub async fn version(&self) -> Result<String, Problem> {
        let version = self.object("/version").await?;
        let text = |name| version.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        Ok(text("gitVersion"))
    }
}

impl ConnectArgs {
    /// Resolves flags, kubeconfig and in-cluster configuration, in kubectl's order. Makes no request.
    pub async fn resolve(&self) -> anyhow::Result<Connection> {
        let (mut config, context) = self.load().await?;
        self.override_server(&mut config)?;
        self.override_user(&mut config)?;
        // kube's own retry layer would sit beneath the guard's sight.
        config.default_retry = false;
        config.connect_timeout = Some(Duration::from_secs(10));
        config.read_timeout = None;
        let request_timeout =
            if self.request_timeout.is_zero() { Duration::from_secs(60) } else { self.request_timeout };
        Ok(Connection { config, context, request_timeout })
    }

    /// Whether a flag says which cluster is meant, or as whom.
    pub fn names_a_cluster(&self) -> bool {
        let named = [&self.context, &self.cluster, &self.user, &self.server];
        self.kubeconfig.is_some() || named.iter().any(|flag| flag.is_some())
    }

    async fn load(&self) -> anyhow::Result<(Config, Option<String>)> {
        let kubeconfig = match &self.kubeconfig {
            Some(path) => Some(Kubeconfig::read_from(path).map_err(|error| unreadable(&error))?),
            None => match Kubeconfig::from_env().map_err(|error| unreadable(&error))? {
                Some(config) => Some(config),
                None => Kubeconfig::read().ok(),
            },
        };
        let options =
            KubeConfigOptions { context: self.context.clone(), cluster: self.cluster.clone(), user: self.user.clone() };
        let Some(kubeconfig) = kubeconfig else { return self.without_kubeconfig() };
        let context = self.context.clone().or_else(|| kubeconfig.current_context.clone());
        // An empty kubeconfig and --server are enough for kubectl.
        if self.server.is_some() && context.as_deref().is_none_or(str::is_empty) {
            return self.without_kubeconfig();
        }
        let known: Vec<_> = kubeconfig.contexts.iter().map(|context| context.name.clone()).collect();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| match error {
            KubeconfigError::LoadContext(name) => Failure::new(
                format!("the kubeconfig has no context `{name}`"),
                format!("contexts it has: {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") }),
            ),
            other => unreadable(&other),
        })?;
        Ok((config, context))
    }

    fn without_kubeconfig(&self) -> anyhow::Result<(Config, Option<String>)> {
        if let Some(server) = &self.server {
            return Ok((Config::new(server.parse()?), None));
        }
        let config = Config::incluster().map_err(|_| {
            Failure::new(
                "there is no kubeconfig: none named, none in $KUBECONFIG, none at ~/.kube/config, and this is no pod",
                "name one with --kubeconfig FILE, or set KUBECONFIG",
            )
        })?;
        Ok((config, None))
    }

    fn override_server(&self, config: &mut Config) -> anyhow::Result<()> {
        if let Some(server) = &self.server {
            config.cluster_url = server.parse().map_err(|error| {
                Failure::usage(format!("--server `{server}` is no address: {error}"), "write it as https://HOST:PORT")
            })?;
        }
        if let Some(path) = &self.certificate_authority {
            config.root_cert_file = Some(path.clone());
        }
        if self.insecure_skip_tls_verify {
            config.accept_invalid_certs = true;
        }
        if let Some(name) = &self.tls_server_name {
            config.tls_server_name = Some(name.clone());
        }
        Ok(())
    }

    fn override_user(&self, config: &mut Config) -> anyhow::Result<()> {
        if let Some(token) = &self.token {
            let bearer: AuthInfo = serde_json::from_value(serde_json::json!({"token": token}))?;
            config.auth_info = AuthInfo { ..bearer };
        }
        let text = |path: &PathBuf| path.to_string_lossy().into_owned();
        if let Some(path) = &self.client_certificate {
            config.auth_info.client_certificate = Some(text(path));
            config.auth_info.client_certificate_data = None;
        }
        if let Some(path) = &self.client_key {
            config.auth_info.client_key = Some(text(path));
            config.auth_info.client_key_data = None;
        }
        if let Some(user) = &self.impersonate {
            config.auth_info.impersonate = Some(user.clone());
        }
        if !self.impersonate_group.is_empty() {
            config.auth_info.impersonate_groups = Some(self.impersonate_group.clone());
        }
        if let Some(uid) = &self.impersonate_uid {
            let name = http::HeaderName::from_static("impersonate-uid");
            config.headers.push((name, http::HeaderValue::from_str(uid)?));
        }
        Ok(())
    }
}

fn unreadable(error: &KubeconfigError) -> Failure {
    Failure::new(
        format!("the kubeconfig cannot be used: {}", chain(error)),
        "check the file (`kubectl config view`), or name another with --kubeconfig",
    )
}
