//! `--azure-auth token-file`: bearer tokens that somebody else obtained, one on each line of a file.
//!
//! Resource Manager and ingestion want tokens of different audiences, so the file may hold several; the one whose audience
//! fits is taken. The file is read anew for every token: whoever renews it needs to tell nobody.

use std::path::PathBuf;

use async_trait::async_trait;
use azure_core::{
    credentials::{AccessToken, TokenCredential, TokenRequestOptions},
    error::{Error, ErrorKind, Result},
    time::{Duration, OffsetDateTime},
};

use super::Claims;

/// A credential that reads a file.
#[derive(Debug)]
pub(super) struct TokenFileCredential {
    path: PathBuf,
}

impl TokenFileCredential {
    /// Reads tokens from the file, each time one is asked for.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

#[async_trait]
impl TokenCredential for TokenFileCredential {
    async fn get_token(&self, scopes: &[&str], _: Option<TokenRequestOptions<'_>>) -> Result<AccessToken> {
        let refuse = |message: String| Error::with_message(ErrorKind::Credential, message);
        let text = fs_err::tokio::read_to_string(&self.path).await.map_err(|error| refuse(error.to_string()))?;
        let scope = scopes.first().copied().unwrap_or_default();
        pick(&text, scope.trim_end_matches("/.default"), OffsetDateTime::now_utc())
            .map_err(|message| refuse(format!("{}: {message}", self.path.display())))
    }
}

/// The token for the audience. Tokens that cannot be read are taken when there is no better one: the service will judge them.
fn pick(text: &str, audience: &str, now: OffsetDateTime) -> std::result::Result<AccessToken, String> {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let claims = |line: &str| Claims::of(line).unwrap_or_default();
    let token = lines()
        .find(|line| claims(line).is_for(audience))
        .or_else(|| lines().find(|line| claims(line).aud.is_none()))
        .or_else(|| lines().next())
        .ok_or("holds no token")?;
    let expires_on = match claims(token).exp.and_then(|exp| OffsetDateTime::from_unix_timestamp(exp).ok()) {
        Some(expires_on) if expires_on <= now => return Err(format!("the token for {audience} ended at {expires_on}")),
        Some(expires_on) => expires_on,
        None => now + Duration::minutes(5),
    };
    Ok(AccessToken::new(token.to_owned(), expires_on))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

    use super::*;

    fn token(audience: &str, exp: i64) -> String {
        let payload = BASE64_URL_SAFE_NO_PAD.encode(format!(r#"{{"aud":"{audience}","exp":{exp}}}"#));
        format!("e30.{payload}.c2ln")
    }

    #[test]
    fn the_token_of_the_audience_is_taken() {
        let (manage, ingest) = (token("https://m/", 100), token("https://i", 200));
        let text = format!("\n{manage}\r\n  {ingest}\n");
        let picked = pick(&text, "https://i", OffsetDateTime::UNIX_EPOCH).unwrap();
        assert_eq!((picked.token.secret(), picked.expires_on.unix_timestamp()), (ingest.as_str(), 200));
        assert_eq!(pick(&text, "https://m", OffsetDateTime::UNIX_EPOCH).unwrap().token.secret(), manage);
    }

    #[test]
    fn an_opaque_token_is_left_to_the_service() {
        assert_eq!(pick("opaque\n", "https://i", OffsetDateTime::UNIX_EPOCH).unwrap().token.secret(), "opaque");
    }

    #[test]
    fn a_token_that_is_over_and_an_empty_file_say_so() {
        let late = OffsetDateTime::from_unix_timestamp(101).unwrap();
        assert!(pick(&token("https://m", 100), "https://m", late).unwrap_err().contains("ended at"));
        assert_eq!(pick(" \n", "https://m", late).unwrap_err(), "holds no token");
    }
}
