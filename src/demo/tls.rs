//! A certificate authority made for one run: its key signs a single server certificate for loopback and is then dropped.
//! Nothing is written here; whoever wants clients to trust the server writes [`Identity::authority_pem`] to a file.

use std::sync::Arc;

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

/// A server certificate for `127.0.0.1`, `::1` and `localhost`, and the authority that signed it.
pub struct Identity {
    /// The authority's certificate as PEM: what clients have to trust.
    pub authority_pem: String,
    /// Accepts TLS 1.2 and 1.3 with the server certificate.
    pub acceptor: TlsAcceptor,
}

impl Identity {
    /// Generates the authority and the server certificate. Fails only if the cryptographic library does.
    pub fn generate() -> anyhow::Result<Self> {
        let authority_key =
            KeyPair::generate().context("cannot generate the key of the demo's certificate authority")?;
        let authority = authority_parameters();
        let certificate =
            authority.self_signed(&authority_key).context("cannot sign the demo's certificate authority")?;
        let issuer = Issuer::new(authority, authority_key);

        let server_key = KeyPair::generate().context("cannot generate the key of the demo's server")?;
        let server = server_parameters()?
            .signed_by(&server_key, &issuer)
            .context("cannot sign the demo's server certificate")?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut configuration = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![server.der().clone()], key)
            .context("the demo's server certificate does not fit its key")?;
        configuration.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { authority_pem: certificate.pem(), acceptor: TlsAcceptor::from(Arc::new(configuration)) })
    }
}

fn authority_parameters() -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, "kubectl-forensys demo authority");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters
}

fn server_parameters() -> anyhow::Result<CertificateParams> {
    let names = ["127.0.0.1", "::1", "localhost"].map(String::from);
    let mut parameters =
        CertificateParams::new(names).context("the demo's server names are not legal in a certificate")?;
    parameters.distinguished_name.push(DnType::CommonName, "kubectl-forensys demo");
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters.use_authority_key_identifier_extension = true;
    Ok(parameters)
}
