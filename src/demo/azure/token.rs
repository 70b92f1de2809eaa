//! The access tokens: JSON Web Tokens that only this process can make and check. Clients may read their claims (`oid`), as they
//! may with Entra ID's.

use aws_lc_rs::{hmac, rand::SystemRandom};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

/// The claims of an access token (<https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference>).
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) aud: String,
    pub(super) iss: String,
    pub(super) iat: i64,
    pub(super) exp: i64,
    pub(super) appid: String,
    pub(super) oid: String,
    pub(super) tid: String,
    pub(super) idtyp: String,
    /// Makes every token another one.
    pub(super) uti: String,
}

/// Why a token does not open the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Missing,
    Invalid,
    Expired,
    Audience,
}

/// Signs and checks.
pub(super) struct Signer(hmac::Key);

impl Signer {
    pub(super) fn generate() -> anyhow::Result<Self> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .map_err(|_| anyhow::anyhow!("cannot generate the key of the demo's tokens"))?;
        Ok(Self(key))
    }

    pub(super) fn sign(&self, claims: &impl Serialize) -> anyhow::Result<String> {
        let header = URL_SAFE_NO_PAD.encode(br#"{"typ":"JWT","alg":"HS256"}"#);
        let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims)?);
        let signed = format!("{header}.{payload}");
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, signed.as_bytes()));
        Ok(format!("{signed}.{signature}"))
    }

    /// The claims of a token for `audience`, with or without its trailing slash, that has not expired at `now` (Unix seconds).
    pub(super) fn check(&self, token: Option<&str>, audience: &str, now: i64) -> Result<Claims, Refusal> {
        let token = token.ok_or(Refusal::Missing)?;
        let (signed, signature) = token.rsplit_once('.').ok_or(Refusal::Invalid)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Refusal::Invalid)?;
        hmac::verify(&self.0, signed.as_bytes(), &signature).map_err(|_| Refusal::Invalid)?;
        let claims: Claims = payload(token).ok_or(Refusal::Invalid)?;
        if claims.exp <= now {
            return Err(Refusal::Expired);
        }
        let same = claims.aud.trim_end_matches('/') == audience.trim_end_matches('/');
        if same { Ok(claims) } else { Err(Refusal::Audience) }
    }
}

/// The payload of a JSON Web Token, unchecked.
pub(super) fn payload<T: serde::de::DeserializeOwned>(token: &str) -> Option<T> {
    let encoded = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()
}
