//! The flags that say which Azure and how to sign in.

use std::path::PathBuf;

use azure_core::credentials::Secret;

use crate::azure::{AzureAuth, AzureSession, Cloud, CredentialSettings};

/// Flags that say which Azure and how to sign in.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Azure")]
pub struct AzureArgs {
    /// Which cloud: public, usgov, china, or a file that describes one [default: that of the deployment file, else public]
    #[arg(long, value_name = "CLOUD|FILE", env = "FORENSYS_CLOUD")]
    pub cloud: Option<String>,
    /// How to sign in
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    pub azure_auth: AzureAuth,
    /// Directory (tenant) to sign in to
    #[arg(long, value_name = "ID", env = "AZURE_TENANT_ID")]
    pub tenant_id: Option<String>,
    /// Application, or user-assigned managed identity, to sign in as
    #[arg(long, value_name = "ID", env = "AZURE_CLIENT_ID")]
    pub client_id: Option<String>,
    /// File with the application's secret; otherwise AZURE_CLIENT_SECRET is used
    #[arg(long, value_name = "FILE")]
    pub azure_client_secret_file: Option<PathBuf>,
    /// The application's certificate and RSA key in one PEM file
    #[arg(long, value_name = "FILE", env = "AZURE_CLIENT_CERTIFICATE_PATH")]
    pub azure_client_certificate: Option<PathBuf>,
    /// A service account's token to exchange (workload identity)
    #[arg(long, value_name = "FILE", env = "AZURE_FEDERATED_TOKEN_FILE", hide = true)]
    pub azure_federated_token_file: Option<PathBuf>,
    /// File with bearer tokens, one on each line
    #[arg(long, value_name = "FILE")]
    pub azure_token_file: Option<PathBuf>,
}

impl AzureArgs {
    /// Opens the session of the cloud that was named, else the public one. Makes no request.
    ///
    /// # Errors
    /// The cloud, or what the way of signing in needs, cannot be used; the error names the flag.
    pub fn open(&self) -> anyhow::Result<AzureSession> {
        self.open_for(None)
    }

    /// Opens the session of the cloud that was named, else of the one that a deployment file records, else of the public one.
    ///
    /// # Errors
    /// As [`AzureArgs::open`].
    pub fn open_for(&self, recorded: Option<&str>) -> anyhow::Result<AzureSession> {
        let name = self.cloud.as_deref().or(recorded).unwrap_or("public");
        AzureSession::open(Cloud::open(name)?, &self.settings()?)
    }

    fn settings(&self) -> anyhow::Result<CredentialSettings> {
        // The secret is no flag: other users of the machine can read command lines.
        let secret = match &self.azure_client_secret_file {
            Some(path) => Some(fs_err::read_to_string(path)?.trim_end().to_owned()),
            None => std::env::var("AZURE_CLIENT_SECRET").ok(),
        };
        Ok(CredentialSettings {
            auth: self.azure_auth,
            tenant_id: self.tenant_id.clone(),
            client_id: self.client_id.clone(),
            client_secret: secret.filter(|secret| !secret.is_empty()).map(Secret::new),
            client_certificate: self.azure_client_certificate.clone(),
            federated_token_file: self.azure_federated_token_file.clone(),
            token_file: self.azure_token_file.clone(),
        })
    }
}
