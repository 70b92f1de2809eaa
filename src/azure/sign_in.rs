//! How the token service is spoken to: which answers are waited out, and its words in a form that reaches a person.
//!
//! Microsoft asks to repeat 429 and 5xx after `Retry-After`, and nothing else
//! (<https://learn.microsoft.com/entra/identity-platform/reference-error-codes#handling-error-codes-in-your-application>).

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use azure_core::{
    http::{
        StatusCode,
        headers::RETRY_AFTER,
        policies::{RetryHeaders, RetryPolicy},
    },
    time::Duration,
};
use serde_json::{Value, json};

use super::{Pace, Sleeper};

/// How often a request for a token is repeated.
const REPEATS: u32 = 5;
/// The longest `Retry-After` that is honoured in full.
const LONGEST_REQUESTED: std::time::Duration = std::time::Duration::from_secs(300);

/// Repeats requests for tokens after answers that pass by themselves and after lost connections.
pub(super) struct SignInRetry {
    sleeper: Arc<dyn Sleeper>,
    headers: RetryHeaders,
}

impl SignInRetry {
    /// Waits with the sleeper.
    pub(super) fn new(sleeper: Arc<dyn Sleeper>) -> Self {
        Self { sleeper, headers: RetryHeaders { retry_headers: vec![RETRY_AFTER] } }
    }
}

impl fmt::Debug for SignInRetry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SignInRetry").finish_non_exhaustive()
    }
}

#[async_trait]
impl RetryPolicy for SignInRetry {
    fn is_expired(&self, _: Duration, repeats: u32) -> bool {
        repeats >= REPEATS
    }

    fn retry_headers(&self) -> Option<&RetryHeaders> {
        Some(&self.headers)
    }

    /// Those of the library: 408, 429, 500, 502, 503, 504.
    fn retry_status_codes(&self) -> &[StatusCode] {
        &[]
    }

    fn sleep_duration(&self, repeat: u32) -> Duration {
        Duration::try_from(Pace::default().pause(repeat.saturating_sub(1))).unwrap_or(Duration::SECOND)
    }

    async fn wait(&self, repeat: u32, requested: Option<Duration>) {
        let own = self.sleep_duration(repeat);
        let pause = std::time::Duration::try_from(requested.map_or(own, |requested| requested.max(own)));
        self.sleeper.sleep(pause.unwrap_or_default().min(LONGEST_REQUESTED)).await;
    }
}

/// The body of an error of the token service, so that its status and words survive the library's reading: that takes JSON
/// without escapes only, and says nothing of the status.
pub(super) fn legible(host: &str, status: u16, body: &[u8]) -> Vec<u8> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let error = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let words = match error.get("error_description").or_else(|| error.get("error")).and_then(Value::as_str) {
        Some(words) => words.to_owned(),
        None => String::from_utf8_lossy(body).chars().take(300).collect(),
    };
    let plain = |letter: char| match letter {
        '"' => '\'',
        '\\' => '/',
        letter if letter.is_control() => ' ',
        letter => letter,
    };
    let words = words.chars().map(plain).collect::<String>();
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = if words.is_empty() { String::new() } else { format!(": {words}") };
    let codes = error.get("error_codes").filter(|codes| codes.is_array()).cloned().unwrap_or_else(|| json!([]));
    json!({"error_codes": codes, "error_description": format!("{host} answered {status}{said}")})
        .to_string()
        .into_bytes()
}

/// What to do about a sign-in that failed, by the code of Entra ID in its words
/// (<https://learn.microsoft.com/entra/identity-platform/reference-error-codes>).
pub(super) fn fix(words: &str) -> &'static str {
    const KNOWN: [(&[&str], &str); 7] = [
        (
            &["AADSTS7000215", "AADSTS7000222"],
            "give the value (not the id) of a secret of the application that has not expired",
        ),
        (
            &["AADSTS700016", "AADSTS90002", "AADSTS900023"],
            "check --client-id, --tenant-id and --cloud: the application must be known to that tenant",
        ),
        (
            &["AADSTS700027", "AADSTS700024", "AADSTS50012", "AADSTS7000214"],
            "check that the certificate is registered with the application, and the clock of this machine",
        ),
        (
            &["AADSTS700211", "AADSTS700212", "AADSTS700213", "AADSTS70021"],
            "check the application's federated credential: issuer, subject and audience must be those of the token",
        ),
        (
            &["AADSTS50076", "AADSTS50079", "AADSTS50173", "AADSTS70043", "AADSTS700082", "AADSTS50078", "AADSTS53003"],
            "sign in again in person (`az login`): the directory asks for it",
        ),
        // The address stands in the error when no answer came.
        (&["/oauth2/v2.0/token)"], "check the network, the proxy and --cloud: the token service gave no answer"),
        (
            &["answered 408", "answered 429", "answered 5"],
            "the token service has a problem: run the same command again later, it goes on where it stopped",
        ),
    ];
    let holds = |codes: &[&str]| codes.iter().any(|code| words.contains(code));
    KNOWN
        .iter()
        .find(|(codes, _)| holds(codes))
        .map_or("sign in (`az login`), or say how with --azure-auth", |(_, fix)| fix)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn read(status: u16, body: &str) -> (String, Value) {
        let text = String::from_utf8(legible("login", status, body.as_bytes())).unwrap();
        assert!(!text.contains('\\'), "the library reads no escapes: {text}");
        let value: Value = serde_json::from_str(&text).unwrap();
        (value["error_description"].as_str().unwrap().to_owned(), value["error_codes"].clone())
    }

    #[test]
    fn the_words_of_the_token_service_survive_whatever_their_form() {
        let entra = r#"{"error":"invalid_client","error_description":"AADSTS7000215: \"Bad\".\r\nTrace ID: 1","error_codes":[7000215]}"#;
        assert_eq!(
            read(401, entra),
            ("login answered 401: AADSTS7000215: 'Bad'. Trace ID: 1".into(), json!([7_000_215]))
        );
        assert_eq!(read(503, "<html>\n busy"), ("login answered 503: <html> busy".into(), json!([])));
        assert_eq!(read(429, ""), ("login answered 429".into(), json!([])));
    }

    #[test]
    fn the_fix_follows_the_code() {
        assert!(fix("login answered 401: AADSTS7000222: expired").contains("has not expired"));
        assert!(fix("login answered 400: AADSTS90002: Tenant").contains("--tenant-id"));
        assert!(fix("login answered 503").contains("later"));
        assert!(fix("error sending request for url (https://l/t/oauth2/v2.0/token): dns error").contains("network"));
        assert!(fix("nobody is signed in").contains("az login"));
    }
}
