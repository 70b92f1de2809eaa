//! A credential that can be made to sign in anew. The credentials of azure_identity keep their tokens until these expire by
//! the clock; a service that refuses a token before that (a changed clock, a revoked session) needs another one.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use azure_core::{
    credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions},
    error::Result,
    http::{ClientMethodOptions, Context},
};
use tokio::sync::Mutex;

type Open = Box<dyn Fn() -> anyhow::Result<Arc<dyn TokenCredential>> + Send + Sync>;

/// Stands in the context of a request for a token: the one that a service did not take.
#[derive(Clone)]
struct Refused(Secret);

/// Options for [`TokenCredential::get_token`] that ask for another token than the one that a service refused.
pub fn renewing(refused: &Secret) -> TokenRequestOptions<'static> {
    let context = Context::new().with_value(Refused(refused.clone()));
    TokenRequestOptions { method_options: ClientMethodOptions { context } }
}

/// A credential that is opened again when a new token is wanted.
pub(super) struct RenewableCredential {
    open: Open,
    current: Mutex<Arc<dyn TokenCredential>>,
}

impl RenewableCredential {
    /// Opens the credential for the first time; errors as `open` does.
    pub(super) fn new(open: Open) -> anyhow::Result<Self> {
        let current = Mutex::new(open()?);
        Ok(Self { open, current })
    }
}

impl fmt::Debug for RenewableCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RenewableCredential").finish_non_exhaustive()
    }
}

#[async_trait]
impl TokenCredential for RenewableCredential {
    async fn get_token(&self, scopes: &[&str], options: Option<TokenRequestOptions<'_>>) -> Result<AccessToken> {
        let refused = options.as_ref().and_then(|options| options.method_options.context.value::<Refused>()).cloned();
        let Some(Refused(refused)) = refused else {
            let credential = Arc::clone(&*self.current.lock().await);
            return credential.get_token(scopes, options).await;
        };
        // Held while asking: of many calls whose token was refused together, the first signs in anew, the others get its token.
        let mut current = self.current.lock().await;
        let kept = current.get_token(scopes, None).await;
        if kept.as_ref().is_ok_and(|kept| kept.token != refused) {
            return kept;
        }
        // What could be opened once and cannot now keeps working with what it has.
        if let Ok(opened) = (self.open)() {
            *current = opened;
        }
        current.get_token(scopes, None).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use std::sync::atomic::{AtomicU32, Ordering};

    use azure_core::time::{Duration, OffsetDateTime};

    use super::*;

    #[derive(Debug)]
    struct Fixed(u32);

    #[async_trait]
    impl TokenCredential for Fixed {
        async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> Result<AccessToken> {
            Ok(AccessToken::new(self.0.to_string(), OffsetDateTime::now_utc() + Duration::hours(1)))
        }
    }

    #[tokio::test]
    async fn a_new_token_comes_from_a_new_credential() {
        let opened = AtomicU32::new(0);
        let open = move || Ok(Arc::new(Fixed(opened.fetch_add(1, Ordering::Relaxed))) as Arc<dyn TokenCredential>);
        let credential = RenewableCredential::new(Box::new(open)).unwrap();
        let token = async |options| credential.get_token(&["s"], options).await.unwrap().token;
        let first = token(None).await;
        let refused = || Some(renewing(&first));
        let tokens = [token(None).await, token(refused()).await, token(refused()).await, token(None).await];
        let tokens = tokens.each_ref().map(|token| token.secret());
        assert_eq!(tokens, ["0", "1", "1", "1"], "opened again once, however many calls were refused");
    }
}
