//! `--azure-auth client-certificate`: an application that proves itself by signing a statement with its certificate's key.
//!
//! Signed here, since azure_identity's own would bring OpenSSL. The form is Microsoft's
//! (<https://learn.microsoft.com/entra/identity-platform/certificate-credentials>): a JSON web token, PS256, that names the
//! certificate by its SHA-256. RSA keys only, as there. PEM only: PKCS#12 files have to be converted.

use std::{fmt, path::Path, sync::Arc};

use anyhow::Context as _;
use async_trait::async_trait;
use aws_lc_rs::{rand::SystemRandom, rsa::KeyPair, signature::RSA_PSS_SHA256};
use azure_core::{
    credentials::TokenCredential,
    error::{Error, ErrorKind},
    http::{ClientMethodOptions, ClientOptions},
};
use azure_identity::{ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::Cloud;
use crate::failure::Failure;

/// How long a statement is valid, in seconds: Microsoft recommends 5 to 10 minutes.
const LIFETIME: i64 = 600;

/// The credential of the application whose certificate and key the file holds.
pub(super) fn open(
    path: &Path,
    tenant_id: String,
    client_id: String,
    cloud: &Cloud,
    client_options: ClientOptions,
) -> anyhow::Result<Arc<dyn TokenCredential>> {
    let audience = cloud.authority.join(&format!("/{tenant_id}/oauth2/v2.0/token"))?.to_string();
    let signer = Signer::read(path, client_id.clone(), audience)?;
    let options = ClientAssertionCredentialOptions { client_options };
    Ok(ClientAssertionCredential::new(tenant_id, client_id, signer, Some(options))?)
}

struct Signer {
    key: KeyPair,
    /// SHA-256 of the certificate, base64url.
    thumbprint: String,
    client_id: String,
    audience: String,
}

impl fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Signer").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

impl Signer {
    fn read(path: &Path, client_id: String, audience: String) -> anyhow::Result<Self> {
        let pem = fs_err::read(path)?;
        let unusable = |what: String| {
            Failure::usage(
                format!("{} {what}", path.display()),
                "give one PEM file with the certificate and its RSA key; convert PKCS#12 with `openssl pkcs12 -nodes`",
            )
        };
        let certificate =
            CertificateDer::from_pem_slice(&pem).map_err(|error| unusable(format!("holds no certificate: {error}")))?;
        let key =
            PrivateKeyDer::from_pem_slice(&pem).map_err(|error| unusable(format!("holds no private key: {error}")))?;
        let key = match &key {
            PrivateKeyDer::Pkcs8(key) => KeyPair::from_pkcs8(key.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(key) => KeyPair::from_der(key.secret_pkcs1_der()),
            _ => return Err(unusable("holds a key that is not RSA".to_owned()).into()),
        };
        let key = key.map_err(|error| unusable(format!("holds a key that is not usable RSA: {error}")))?;
        let thumbprint = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&certificate));
        Ok(Self { key, thumbprint, client_id, audience })
    }

    fn sign(&self, now: i64) -> anyhow::Result<String> {
        let header = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint});
        let claims = json!({
            "aud": self.audience, "iss": self.client_id, "sub": self.client_id,
            "jti": uuid::Uuid::new_v4().to_string(), "nbf": now, "iat": now, "exp": now + LIFETIME,
        });
        let encode = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let statement = format!("{}.{}", encode(header), encode(claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(&RSA_PSS_SHA256, &SystemRandom::new(), statement.as_bytes(), &mut signature)
            .context("the key cannot sign")?;
        Ok(format!("{statement}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[async_trait]
impl ClientAssertion for Signer {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        self.sign(Timestamp::now().as_second())
            .map_err(|error| Error::with_message(ErrorKind::Credential, format!("{error:#}")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};

    use super::*;

    fn pem(folder: &Path, algorithm: &'static rcgen::SignatureAlgorithm) -> (std::path::PathBuf, rcgen::Certificate) {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        let path = folder.join("app.pem");
        fs_err::write(&path, format!("{}{}", key.serialize_pem(), certificate.pem())).unwrap();
        (path, certificate)
    }

    #[test]
    fn the_statement_names_the_certificate_and_is_signed_by_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let (path, certificate) = pem(folder.path(), &rcgen::PKCS_RSA_SHA256);
        let signer = Signer::read(&path, "app-1".into(), "https://login/t/oauth2/v2.0/token".into()).unwrap();
        let token = signer.sign(1000).unwrap();
        let parts: Vec<_> = token.split('.').map(|part| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
        let header: serde_json::Value = serde_json::from_slice(&parts[0]).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&parts[1]).unwrap();
        assert_eq!(header["x5t#S256"], BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(certificate.der())));
        assert_eq!((&claims["iss"], &claims["exp"]), (&json!("app-1"), &json!(1600)));
        let statement = token.rsplit_once('.').unwrap().0;
        UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, signer.key.public_key().as_ref())
            .verify(statement.as_bytes(), &parts[2])
            .unwrap();
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = pem(folder.path(), &rcgen::PKCS_ECDSA_P256_SHA256);
        let message = |path: &Path| Signer::read(path, "a".into(), "b".into()).unwrap_err().to_string();
        assert!(message(&path).contains("app.pem holds a key that is not usable RSA"), "{}", message(&path));
        fs_err::write(&path, "garbage").unwrap();
        assert!(message(&path).contains("app.pem holds no certificate"));
    }
}
