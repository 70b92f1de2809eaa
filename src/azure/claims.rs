//! What an access token says about its bearer. Read for convenience, never for trust: the signature is the service's to check.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;

/// The claims that are used (<https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference>).
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Claims {
    /// Audience: the service that the token is for.
    #[serde(default)]
    pub aud: Option<String>,
    /// Object id of the caller: what a role is assigned to.
    #[serde(default)]
    pub oid: Option<String>,
    /// Kind of the caller, `app` or `user`; optional in the token.
    #[serde(default)]
    pub idtyp: Option<String>,
    /// Scopes delegated by a person; absent on tokens of applications.
    #[serde(default)]
    pub scp: Option<String>,
    /// When the token ends, in seconds since 1970.
    #[serde(default)]
    pub exp: Option<i64>,
}

impl Claims {
    /// Reads the claims of a JSON web token (RFC 7519). None when the token is opaque.
    pub fn of(token: &str) -> Option<Self> {
        let payload = token.split('.').nth(1)?;
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// The kind of principal as a role assignment names it, where the token tells.
    pub fn principal_type(&self) -> Option<&'static str> {
        match (self.idtyp.as_deref(), &self.scp) {
            (Some("app"), _) => Some("ServicePrincipal"),
            (Some("user"), _) | (None, Some(_)) => Some("User"),
            _ => None,
        }
    }

    /// Whether the token is for the audience; a trailing slash makes no difference.
    pub fn is_for(&self, audience: &str) -> bool {
        self.aud
            .as_deref()
            .is_some_and(|aud| aud.trim_end_matches('/').eq_ignore_ascii_case(audience.trim_end_matches('/')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_tells_who_bears_it_and_an_opaque_one_does_not() {
        let payload = BASE64_URL_SAFE_NO_PAD.encode(r#"{"aud":"https://m/","oid":"o-1","scp":"x","exp":7,"other":[]}"#);
        let claims = Claims::of(&format!("e30.{payload}.c2ln")).unwrap_or_default();
        assert_eq!((claims.oid.as_deref(), claims.principal_type(), claims.exp), (Some("o-1"), Some("User"), Some(7)));
        assert!(claims.is_for("https://M") && !claims.is_for("https://other"));
        for opaque in ["", "abc", "a.b.c", "a.%%.c"] {
            assert_eq!(Claims::of(opaque), None);
        }
    }
}
