//! Client assertions (RFC 7523) instead of a secret: signed with the application's certificate, or of a trusted issuer
//! (<https://learn.microsoft.com/entra/identity-platform/certificate-credentials>).

use aws_lc_rs::{
    digest,
    signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use super::{
    credentials::{ClientCertificate, Credentials},
    token,
};

#[derive(Deserialize)]
struct Header {
    alg: String,
    x5t: Option<String>,
    #[serde(rename = "x5t#S256")]
    x5t_s256: Option<String>,
}

#[derive(Deserialize)]
struct Payload {
    aud: String,
    iss: String,
    sub: String,
    /// A number of seconds, which Microsoft's Python library gives with its fractions.
    exp: f64,
    #[serde(default)]
    nbf: f64,
}

/// Checks an assertion made for the token endpoint `endpoint` at `now` (Unix seconds). The error is Entra ID's message.
pub(super) fn check(credentials: &Credentials, assertion: &str, endpoint: &str, now: i64) -> Result<(), String> {
    if assertion == credentials.federated_token {
        return Ok(());
    }
    let malformed = || "AADSTS50027: JWT token is invalid or malformed.".to_owned();
    let header: Header = assertion
        .split('.')
        .next()
        .and_then(|encoded| URL_SAFE_NO_PAD.decode(encoded).ok())
        .and_then(|json| serde_json::from_slice(&json).ok())
        .ok_or_else(malformed)?;
    let payload: Payload = token::payload(assertion).ok_or_else(malformed)?;
    let certificate = credentials
        .known_certificate()
        .filter(|certificate| names(&header, certificate))
        .ok_or("AADSTS700027: The certificate with identifier used to sign the client assertion is not registered on application.")?;
    if !signed(&header, certificate, assertion) {
        return Err("AADSTS700027: Client assertion failed signature validation.".to_owned());
    }
    claims(credentials, &payload, endpoint, now)
}

fn claims(credentials: &Credentials, payload: &Payload, endpoint: &str, now: i64) -> Result<(), String> {
    // The authority itself and both forms of the endpoint are documented as audiences.
    let authority = endpoint.trim_end_matches("/oauth2/v2.0/token");
    let audiences = [endpoint.to_owned(), format!("{authority}/v2.0"), format!("{authority}/oauth2/token")];
    if !audiences.contains(&payload.aud) {
        return Err(format!("AADSTS50012: Invalid audience claim '{}' in the client assertion.", payload.aud));
    }
    if payload.iss != credentials.client_id || payload.sub != credentials.client_id {
        return Err(
            "AADSTS700021: Client assertion application identifier doesn't match 'client_id' parameter.".to_owned()
        );
    }
    if payload.exp <= now as f64 || payload.nbf > (now + 300) as f64 {
        return Err("AADSTS700024: Client assertion is not within its valid time range.".to_owned());
    }
    Ok(())
}

fn names(header: &Header, certificate: &ClientCertificate) -> bool {
    let sha1 = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &certificate.der);
    let is = |value: &Option<String>, expected: &[u8]| {
        value.as_deref().is_some_and(|text| text.trim_end_matches('=') == URL_SAFE_NO_PAD.encode(expected))
    };
    is(&header.x5t_s256, &certificate.sha256) || is(&header.x5t, sha1.as_ref())
}

fn signed(header: &Header, certificate: &ClientCertificate, assertion: &str) -> bool {
    let algorithm: &'static dyn VerificationAlgorithm = match header.alg.as_str() {
        "PS256" => &RSA_PSS_2048_8192_SHA256,
        "RS256" => &RSA_PKCS1_2048_8192_SHA256,
        _ => return false,
    };
    let Some((message, signature)) = assertion.rsplit_once('.') else { return false };
    let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
    UnparsedPublicKey::new(algorithm, &certificate.public_key).verify(message.as_bytes(), &signature).is_ok()
}
