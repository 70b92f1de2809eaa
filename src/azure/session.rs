//! An open door to one cloud: its addresses, a credential and an HTTP client.

use std::sync::Arc;

use anyhow::Context as _;
use azure_core::credentials::TokenCredential;

use super::{Cloud, Sleeper, TokioSleeper, credential::CredentialSettings, credential_renewal::RenewableCredential};

/// What every call to Azure needs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AzureSession {
    /// The cloud.
    pub cloud: Arc<Cloud>,
    /// Where tokens come from. Tokens are cached and renewed by it.
    pub credential: Arc<dyn TokenCredential>,
    /// The client for all requests.
    pub http: reqwest::Client,
}

impl AzureSession {
    /// Opens a session. Makes no request: a credential that does not work shows at the first token.
    ///
    /// # Errors
    /// The cloud's `ca_file` or the credential's settings cannot be used.
    pub fn open(cloud: Cloud, settings: &CredentialSettings) -> anyhow::Result<Self> {
        Self::open_waiting(cloud, settings, Arc::new(TokioSleeper))
    }

    /// The same with another way to wait for the token service.
    ///
    /// # Errors
    /// As [`AzureSession::open`].
    pub fn open_waiting(
        cloud: Cloud,
        settings: &CredentialSettings,
        sleeper: Arc<dyn Sleeper>,
    ) -> anyhow::Result<Self> {
        let http = cloud.http_client()?;
        let cloud = Arc::new(cloud);
        let open = {
            let (settings, cloud, http) = (settings.clone(), Arc::clone(&cloud), http.clone());
            move || settings.open(&cloud, &http, &sleeper)
        };
        let credential = RenewableCredential::new(Box::new(open))
            .with_context(|| format!("--azure-auth {} cannot be used", settings.auth.name()))?;
        Ok(Self { cloud, credential: Arc::new(credential), http })
    }
}
