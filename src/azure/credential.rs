//! The ways to sign in, each on azure_identity where that has it.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use azure_core::{
    credentials::{Secret, TokenCredential},
    http::ClientOptions,
};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, AzureDeveloperCliCredential, AzureDeveloperCliCredentialOptions,
    ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions, ManagedIdentityCredential,
    ManagedIdentityCredentialOptions, UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};

use super::{
    Cloud, Sleeper,
    credential_auto::AutoCredential,
    credential_cache::CachedCredential,
    credential_certificate, credential_token_file,
    transport::{client_options, impatient, through},
};
use crate::failure::Failure;

/// How to sign in to Azure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum AzureAuth {
    /// Try what the environment offers, in the order of this list
    #[default]
    Auto,
    /// A bearer token from a file
    TokenFile,
    /// An application's secret
    ClientSecret,
    /// An application's certificate
    ClientCertificate,
    /// A Kubernetes service account's token, exchanged (AKS workload identity)
    WorkloadIdentity,
    /// Who is signed in to `az`
    Cli,
    /// Who is signed in to `azd`
    Azd,
    /// The identity of this virtual machine or App Service
    ManagedIdentity,
}

impl AzureAuth {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::TokenFile => "token-file",
            Self::ClientSecret => "client-secret",
            Self::ClientCertificate => "client-certificate",
            Self::WorkloadIdentity => "workload-identity",
            Self::Cli => "cli",
            Self::Azd => "azd",
            Self::ManagedIdentity => "managed-identity",
        }
    }
}

/// What the command line and the environment say about signing in.
#[derive(Clone, Debug, Default)]
pub struct CredentialSettings {
    /// Which way.
    pub auth: AzureAuth,
    /// Directory (tenant) id.
    pub tenant_id: Option<String>,
    /// Application (client) id.
    pub client_id: Option<String>,
    /// The application's secret. Its `Debug` does not show it.
    pub client_secret: Option<Secret>,
    /// The application's certificate and private key, PEM.
    pub client_certificate: Option<PathBuf>,
    /// A service account's token to exchange.
    pub federated_token_file: Option<PathBuf>,
    /// A file of bearer tokens.
    pub token_file: Option<PathBuf>,
}

impl CredentialSettings {
    /// The credential. Nothing is sent before the first token is asked for.
    ///
    /// # Errors
    /// A setting that the way needs is missing, or a file cannot be used; the error names it.
    pub fn open(
        &self,
        cloud: &Cloud,
        http: &reqwest::Client,
        sleeper: &Arc<dyn Sleeper>,
    ) -> anyhow::Result<Arc<dyn TokenCredential>> {
        let options = client_options(cloud, http, sleeper);
        if self.auth == AzureAuth::Auto {
            let ways = self.offered().into_iter();
            let opened = ways.map(|way| (way.name(), self.open_as(way, cloud, &options))).collect();
            return Ok(Arc::new(AutoCredential::new(opened)));
        }
        self.open_as(self.auth, cloud, &options)
    }

    /// What `auto` tries: the ways that something was set for, then those that can only be found out by trying.
    fn offered(&self) -> Vec<AzureAuth> {
        let application = self.tenant_id.is_some() && self.client_id.is_some();
        let set = [
            (self.token_file.is_some(), AzureAuth::TokenFile),
            (application && self.client_secret.is_some(), AzureAuth::ClientSecret),
            (application && self.client_certificate.is_some(), AzureAuth::ClientCertificate),
            (self.federated_token_file.is_some(), AzureAuth::WorkloadIdentity),
        ];
        let set = set.into_iter().filter_map(|(is_set, way)| is_set.then_some(way));
        set.chain([AzureAuth::Cli, AzureAuth::Azd, AzureAuth::ManagedIdentity]).collect()
    }

    fn open_as(
        &self,
        way: AzureAuth,
        cloud: &Cloud,
        options: &ClientOptions,
    ) -> anyhow::Result<Arc<dyn TokenCredential>> {
        match way {
            // Only `open` knows the ways that are offered.
            AzureAuth::Auto => Err(anyhow::anyhow!("`auto` is no way of its own")),
            AzureAuth::TokenFile => {
                let path = need(self.token_file.clone(), "the file of the token", "--azure-token-file")?;
                Ok(Arc::new(credential_token_file::TokenFileCredential::new(path)))
            }
            AzureAuth::ClientSecret => self.client_secret(options.clone()),
            AzureAuth::ClientCertificate => {
                let path = need(
                    self.client_certificate.clone(),
                    "the certificate",
                    "--azure-client-certificate or AZURE_CLIENT_CERTIFICATE_PATH",
                )?;
                credential_certificate::open(&path, self.tenant()?, self.client()?, cloud, options.clone())
            }
            AzureAuth::WorkloadIdentity => self.workload_identity(options.clone()),
            AzureAuth::Cli => self.cli(),
            AzureAuth::Azd => self.azd(),
            AzureAuth::ManagedIdentity => self.managed_identity(options.clone()),
        }
    }

    fn tenant(&self) -> anyhow::Result<String> {
        need(self.tenant_id.clone(), "the tenant", "--tenant-id or AZURE_TENANT_ID")
    }

    fn client(&self) -> anyhow::Result<String> {
        need(self.client_id.clone(), "the application", "--client-id or AZURE_CLIENT_ID")
    }

    fn client_secret(&self, client_options: ClientOptions) -> anyhow::Result<Arc<dyn TokenCredential>> {
        let secret = need(
            self.client_secret.clone(),
            "the application's secret",
            "AZURE_CLIENT_SECRET or --azure-client-secret-file",
        )?;
        let options = ClientSecretCredentialOptions { client_options };
        Ok(ClientSecretCredential::new(&self.tenant()?, self.client()?, secret, Some(options))?)
    }

    fn workload_identity(&self, client_options: ClientOptions) -> anyhow::Result<Arc<dyn TokenCredential>> {
        let path = need(
            self.federated_token_file.clone(),
            "the service account's token",
            "AZURE_FEDERATED_TOKEN_FILE (AKS workload identity sets it in the pod)",
        )?;
        // azure_identity says which variable is wrong, but not which file.
        fs_err::metadata(&path)?;
        let options = WorkloadIdentityCredentialOptions {
            credential_options: ClientAssertionCredentialOptions { client_options },
            client_id: Some(self.client()?),
            tenant_id: Some(self.tenant()?),
            token_file_path: Some(path),
        };
        Ok(WorkloadIdentityCredential::new(Some(options))?)
    }

    fn cli(&self) -> anyhow::Result<Arc<dyn TokenCredential>> {
        let options = AzureCliCredentialOptions { tenant_id: self.tenant_id.clone(), ..Default::default() };
        Ok(Arc::new(CachedCredential::new(AzureCliCredential::new(Some(options))?)))
    }

    fn azd(&self) -> anyhow::Result<Arc<dyn TokenCredential>> {
        let options = AzureDeveloperCliCredentialOptions { tenant_id: self.tenant_id.clone(), ..Default::default() };
        Ok(Arc::new(CachedCredential::new(AzureDeveloperCliCredential::new(Some(options))?)))
    }

    /// The identity's address is link-local: no proxy reaches it, and when it does not answer at once this is no such machine.
    fn managed_identity(&self, options: ClientOptions) -> anyhow::Result<Arc<dyn TokenCredential>> {
        let http = reqwest::Client::builder().no_proxy().connect_timeout(Duration::from_secs(2)).build()?;
        let mut options = through(options, &http);
        if self.auth == AzureAuth::Auto {
            options = impatient(options);
        }
        let options = ManagedIdentityCredentialOptions {
            user_assigned_id: self.client_id.clone().map(UserAssignedId::ClientId),
            client_options: options,
        };
        Ok(ManagedIdentityCredential::new(Some(options))?)
    }
}

fn need<T>(value: Option<T>, what: &str, how: &str) -> anyhow::Result<T> {
    value.context(Failure::usage(format!("{what} is not given"), format!("give it with {how}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn names_are_those_of_the_command_line() {
        for way in AzureAuth::value_variants() {
            assert_eq!(way.to_possible_value().unwrap().get_name(), way.name());
        }
    }

    #[test]
    fn auto_tries_what_was_set_before_what_must_be_found_out() {
        let names = |settings: &CredentialSettings| settings.offered().iter().map(|way| way.name()).collect::<Vec<_>>();
        let mut settings = CredentialSettings { client_secret: Some(Secret::new("s")), ..Default::default() };
        assert_eq!(names(&settings), ["cli", "azd", "managed-identity"]);
        settings.tenant_id = Some("t".into());
        settings.client_id = Some("c".into());
        settings.federated_token_file = Some("f".into());
        assert_eq!(names(&settings), ["client-secret", "workload-identity", "cli", "azd", "managed-identity"]);
    }

    #[test]
    fn a_missing_setting_is_named_with_the_way_to_give_it() {
        let cloud = Cloud::open("public").unwrap();
        let settings = CredentialSettings { auth: AzureAuth::ClientSecret, ..Default::default() };
        let sleeper: Arc<dyn Sleeper> = Arc::new(crate::azure::TokioSleeper);
        let error = settings.open(&cloud, &reqwest::Client::new(), &sleeper).unwrap_err();
        let failure = error.downcast_ref::<Failure>().unwrap();
        assert!(failure.fix.as_deref().unwrap().contains("AZURE_CLIENT_SECRET"), "{failure:?}");
    }
}
