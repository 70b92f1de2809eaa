//! Who may sign in: one application of one tenant, by secret, by certificate, or by a token of a trusted issuer.

use std::sync::OnceLock;

use anyhow::Context as _;
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

const TENANT: &str = "7e57da7a-0000-4000-8000-000000000001";
const CLIENT: &str = "7e57da7a-0000-4000-8000-000000000002";
const PRINCIPAL: &str = "7e57da7a-0000-4000-8000-000000000003";
/// The subscription in which the application may create resources.
pub const SUBSCRIPTION: &str = "7e57da7a-0000-4000-8000-000000000004";

/// The credentials that the in-process Azure accepts. Secrets are new in each process.
#[derive(Debug)]
pub struct Credentials {
    /// Tenant (directory) id.
    pub tenant_id: String,
    /// Client (application) id.
    pub client_id: String,
    /// The application's secret.
    pub client_secret: String,
    /// Object id of the application's service principal: the `oid` of its tokens, which roles are assigned to.
    pub principal_object_id: String,
    /// Subscription in which the application may create resources.
    pub subscription_id: String,
    /// A token of the trusted issuer, as workload identity finds it in its file.
    pub federated_token: String,
    certificate: OnceLock<Option<ClientCertificate>>,
}

/// A certificate of the application, with its key.
#[derive(Debug)]
pub struct ClientCertificate {
    /// Certificate and private key (PKCS#8), PEM, in one text.
    pub pem: String,
    pub(super) sha256: Vec<u8>,
    pub(super) der: Vec<u8>,
    /// `RSAPublicKey` (RFC 8017).
    pub(super) public_key: Vec<u8>,
}

impl Credentials {
    pub(super) fn generate() -> Self {
        Self {
            tenant_id: TENANT.to_owned(),
            client_id: CLIENT.to_owned(),
            client_secret: format!("demo-{}", Uuid::new_v4().simple()),
            principal_object_id: PRINCIPAL.to_owned(),
            subscription_id: SUBSCRIPTION.to_owned(),
            federated_token: format!("demo-federated-{}", Uuid::new_v4().simple()),
            certificate: OnceLock::new(),
        }
    }

    /// A certificate with which the application may sign in, made at the first call: RSA keys take a moment.
    ///
    /// # Errors
    /// The cryptographic library fails.
    pub fn client_certificate(&self) -> anyhow::Result<&ClientCertificate> {
        self.certificate
            .get_or_init(|| ClientCertificate::generate().ok())
            .as_ref()
            .context("cannot generate the certificate of the demo's application")
    }

    /// The certificate, if anybody has asked for one.
    pub(super) fn known_certificate(&self) -> Option<&ClientCertificate> {
        self.certificate.get().and_then(Option::as_ref)
    }
}

impl ClientCertificate {
    fn generate() -> anyhow::Result<Self> {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, "kubectl-forensys demo application");
        let certificate = parameters.self_signed(&key)?;
        let der = certificate.der().to_vec();
        Ok(Self {
            pem: format!("{}{}", certificate.pem(), key.serialize_pem()),
            sha256: Sha256::digest(&der).to_vec(),
            der,
            public_key: key.public_key_raw().to_vec(),
        })
    }
}
