//! `--azure-auth auto`: the ways that the environment offers, one after the other; when all fail, each with its reason.

use std::sync::Arc;

use async_trait::async_trait;
use azure_core::{
    credentials::{AccessToken, TokenCredential, TokenRequestOptions},
    error::{Error, ErrorKind, Result},
};
use tokio::sync::OnceCell;

use super::error::chain;

/// A way by its name: a credential, or why there is none.
type Way = (&'static str, std::result::Result<Arc<dyn TokenCredential>, String>);

/// Asks each way in turn; the first that yields a token is used from then on.
#[derive(Debug)]
pub(super) struct AutoCredential {
    ways: Vec<Way>,
    chosen: OnceCell<Arc<dyn TokenCredential>>,
}

impl AutoCredential {
    /// From the ways by name, those that could not even be set up included.
    pub(super) fn new(ways: Vec<(&'static str, anyhow::Result<Arc<dyn TokenCredential>>)>) -> Self {
        let ways = ways.into_iter().map(|(name, way)| (name, way.map_err(|error| format!("{error:#}")))).collect();
        Self { ways, chosen: OnceCell::new() }
    }

    async fn choose(&self, scopes: &[&str]) -> Result<Arc<dyn TokenCredential>> {
        let mut tried = String::new();
        for (name, way) in &self.ways {
            let reason = match way {
                Err(reason) => reason.clone(),
                Ok(credential) => match credential.get_token(scopes, None).await {
                    Ok(_) => {
                        tracing::info!("signed in to Azure with {name}");
                        return Ok(Arc::clone(credential));
                    }
                    Err(error) => chain(&error),
                },
            };
            tracing::debug!("signing in to Azure with {name} failed: {reason}");
            let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
            tried.push_str(&format!("\n  {name}: {reason}"));
        }
        Err(Error::with_message(ErrorKind::Credential, format!("no way of signing in to Azure worked; tried:{tried}")))
    }
}

#[async_trait]
impl TokenCredential for AutoCredential {
    async fn get_token(&self, scopes: &[&str], options: Option<TokenRequestOptions<'_>>) -> Result<AccessToken> {
        self.chosen.get_or_try_init(|| self.choose(scopes)).await?.get_token(scopes, options).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use azure_core::time::{Duration, OffsetDateTime};

    use super::*;

    #[derive(Debug)]
    struct Fixed(Option<&'static str>);

    #[async_trait]
    impl TokenCredential for Fixed {
        async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> Result<AccessToken> {
            let expires = OffsetDateTime::now_utc() + Duration::hours(1);
            self.0
                .map(|token| AccessToken::new(token, expires))
                .ok_or_else(|| Error::with_message(ErrorKind::Credential, "nobody is\n signed in"))
        }
    }

    fn way(token: Option<&'static str>) -> anyhow::Result<Arc<dyn TokenCredential>> {
        Ok(Arc::new(Fixed(token)))
    }

    #[tokio::test]
    async fn the_first_way_that_works_is_used() {
        let auto = AutoCredential::new(vec![
            ("one", Err(anyhow::anyhow!("broken"))),
            ("two", way(None)),
            ("three", way(Some("t3"))),
            ("four", way(Some("t4"))),
        ]);
        assert_eq!(auto.get_token(&["s"], None).await.unwrap().token.secret(), "t3");
    }

    #[tokio::test]
    async fn every_way_that_failed_is_told_with_its_reason() {
        let auto = AutoCredential::new(vec![("one", Err(anyhow::anyhow!("broken"))), ("two", way(None))]);
        let message = auto.get_token(&["s"], None).await.unwrap_err().to_string();
        assert!(message.ends_with("tried:\n  one: broken\n  two: nobody is signed in"), "{message}");
    }
}
