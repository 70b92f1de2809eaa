//! Keeps the tokens of credentials that keep none themselves: `az` and `azd` are processes that take a second each time.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use azure_core::{
    credentials::{AccessToken, TokenCredential, TokenRequestOptions},
    error::Result,
    time::{Duration, OffsetDateTime},
};
use tokio::sync::Mutex;

/// How long before its end a token is renewed, as azure_identity's own cache does.
const RENEW_BEFORE: Duration = Duration::minutes(5);

/// A credential with a cache in front, one token for each scope.
#[derive(Debug)]
pub(super) struct CachedCredential {
    inner: Arc<dyn TokenCredential>,
    tokens: Mutex<HashMap<String, AccessToken>>,
}

impl CachedCredential {
    /// Puts a cache in front of a credential.
    pub(super) fn new(inner: Arc<dyn TokenCredential>) -> Self {
        Self { inner, tokens: Mutex::default() }
    }
}

#[async_trait]
impl TokenCredential for CachedCredential {
    async fn get_token(&self, scopes: &[&str], options: Option<TokenRequestOptions<'_>>) -> Result<AccessToken> {
        let key = scopes.join(" ");
        // Held while asking: many tasks that need the same token start one process, not many.
        let mut tokens = self.tokens.lock().await;
        if let Some(token) = tokens.get(&key)
            && token.expires_on - OffsetDateTime::now_utc() > RENEW_BEFORE
        {
            return Ok(token.clone());
        }
        let token = self.inner.get_token(scopes, options).await?;
        tokens.insert(key, token.clone());
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    /// Gives tokens numbered from 1, the first of which lives for the given minutes and the rest for an hour.
    #[derive(Debug)]
    struct Counting(AtomicI64, i64);

    #[async_trait]
    impl TokenCredential for Counting {
        async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> Result<AccessToken> {
            let number = self.0.fetch_add(1, Ordering::SeqCst) + 1;
            let minutes = if number == 1 { self.1 } else { 60 };
            Ok(AccessToken::new(number.to_string(), OffsetDateTime::now_utc() + Duration::minutes(minutes)))
        }
    }

    async fn tokens(first_lives: i64) -> Vec<String> {
        let cached = CachedCredential::new(Arc::new(Counting(AtomicI64::new(0), first_lives)));
        let mut tokens = Vec::new();
        for scope in ["a", "a", "b", "a"] {
            tokens.push(cached.get_token(&[scope], None).await.unwrap().token.secret().to_owned());
        }
        tokens
    }

    #[tokio::test]
    async fn a_token_is_kept_for_its_scope_until_it_is_nearly_over() {
        assert_eq!(tokens(60).await, ["1", "1", "2", "1"]);
        assert_eq!(tokens(4).await, ["1", "2", "3", "2"]);
    }
}
