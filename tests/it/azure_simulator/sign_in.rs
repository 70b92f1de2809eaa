//! The token service.

use aws_lc_rs::{rand::SystemRandom, signature};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use forensys::demo::azure::Settings;
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Client, MANAGEMENT, MONITOR, Reply, reply, settings};

async fn sign_in(client: &Client, proof: &[(&str, &str)], scope: &str) -> Reply {
    let mut fields = vec![
        ("grant_type", "client_credentials"),
        ("client_id", client.azure.credentials().client_id.as_str()),
        ("scope", scope),
    ];
    fields.extend_from_slice(proof);
    client.form(&fields).await
}

const JWT_BEARER: (&str, &str) = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");

#[tokio::test]
async fn a_token_carries_who_and_what_for() {
    let client = Client::start(settings()).await;
    let credentials = client.azure.credentials();
    let answer = sign_in(&client, &[("client_secret", &credentials.client_secret)], MONITOR).await.json();
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(3599)));
    let token = answer["access_token"].as_str().unwrap();
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(claims["aud"], "https://monitor.azure.com");
    assert_eq!(claims["oid"], credentials.principal_object_id.as_str());
    assert_eq!(claims["tid"], credentials.tenant_id.as_str());
}

#[tokio::test]
async fn wrong_secrets_scopes_clients_and_tenants_are_refused_in_entra_s_words() {
    let client = Client::start(settings()).await;
    let secret = [("client_secret", client.azure.credentials().client_secret.as_str())];
    let wrong = sign_in(&client, &[("client_secret", "no")], MONITOR).await;
    assert_eq!(wrong.status, 401);
    assert_eq!(
        (&wrong.json()["error"], &wrong.json()["error_codes"][0]),
        (&json!("invalid_client"), &json!(7_000_215))
    );
    let scope = sign_in(&client, &secret, "https://monitor.azure.com").await;
    assert_eq!((scope.status.as_u16(), scope.json()["error"].clone()), (400, json!("invalid_scope")));
    assert_eq!(sign_in(&client, &[], MONITOR).await.status, 401, "no proof at all");
    let url = format!("{}/other/oauth2/v2.0/token", client.azure.address());
    assert!(reply(client.http.post(url)).await.text.contains("AADSTS90002"));
}

#[tokio::test]
async fn the_discovery_documents_lead_to_the_token_endpoint() {
    let client = Client::start(settings()).await;
    let instances =
        reply(client.http.get(format!("{}/common/discovery/instance", client.azure.address()))).await.json();
    let configuration = instances["tenant_discovery_endpoint"].as_str().unwrap();
    let document = reply(client.http.get(configuration)).await.json();
    let endpoint = document["token_endpoint"].as_str().unwrap();
    assert!(endpoint.starts_with(client.azure.address()) && endpoint.ends_with("/oauth2/v2.0/token"));
}

#[tokio::test]
async fn tokens_expire_and_are_not_made_by_others() {
    let mut client = Client::start(Settings { token_seconds: 0, ..settings() }).await;
    let subscriptions = "/subscriptions?api-version=2022-12-01";
    let expired = client.call(Method::GET, subscriptions, None).await;
    assert_eq!((expired.status.as_u16(), expired.code().as_str()), (401, "ExpiredAuthenticationToken"));
    client.management.push('x');
    assert_eq!(client.call(Method::GET, subscriptions, None).await.code(), "InvalidAuthenticationToken");
    let missing = reply(client.http.get(format!("{}{subscriptions}", client.azure.address()))).await;
    assert_eq!((missing.status.as_u16(), missing.code().as_str()), (401, "AuthenticationFailed"));
    assert!(missing.header("www-authenticate").starts_with("Bearer "));
}

#[tokio::test]
async fn a_token_for_ingestion_does_not_manage_resources() {
    let mut client = Client::start(settings()).await;
    client.management = client.monitor.clone();
    let answer = client.call(Method::GET, "/subscriptions?api-version=2022-12-01", None).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (401, "InvalidAuthenticationTokenAudience"));
}

#[tokio::test]
async fn a_token_of_the_trusted_issuer_signs_in() {
    let client = Client::start(settings()).await;
    let token = client.azure.credentials().federated_token.clone();
    let answer = sign_in(&client, &[JWT_BEARER, ("client_assertion", &token)], MANAGEMENT).await;
    assert!(answer.status.is_success(), "{answer:?}");
    let answer = sign_in(&client, &[JWT_BEARER, ("client_assertion", "a.b.c")], MANAGEMENT).await;
    assert_eq!((answer.status.as_u16(), answer.json()["error"].clone()), (401, json!("invalid_client")));
}

/// Signs an assertion for `audience` with the application's certificate.
fn assertion(client: &Client, audience: &str, expires: i64, pss: bool) -> String {
    let credentials = client.azure.credentials();
    let pem = &credentials.client_certificate().unwrap().pem;
    let block = |label: &str| {
        let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
        let body = pem.split(&begin).nth(1).unwrap().split(&end).next().unwrap();
        base64::engine::general_purpose::STANDARD.decode(body.split_whitespace().collect::<String>()).unwrap()
    };
    let thumbprint = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &block("CERTIFICATE"));
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let algorithm = if pss { "PS256" } else { "RS256" };
    let header = json!({"typ": "JWT", "alg": algorithm, "x5t#S256": URL_SAFE_NO_PAD.encode(thumbprint)});
    let id = &credentials.client_id;
    let payload = json!({"aud": audience, "iss": id, "sub": id, "jti": "1", "exp": expires});
    let message = format!("{}.{}", encode(header), encode(payload));
    let key = signature::RsaKeyPair::from_pkcs8(&block("PRIVATE KEY")).unwrap();
    let mut signed = vec![0; key.public_modulus_len()];
    let scheme: &dyn signature::RsaEncoding =
        if pss { &signature::RSA_PSS_SHA256 } else { &signature::RSA_PKCS1_SHA256 };
    key.sign(scheme, &SystemRandom::new(), message.as_bytes(), &mut signed).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signed))
}

#[tokio::test]
async fn an_assertion_signed_with_the_certificate_signs_in_and_a_wrong_one_does_not() {
    let client = Client::start(settings()).await;
    let endpoint = format!("{}/{}/oauth2/v2.0/token", client.azure.address(), client.azure.credentials().tenant_id);
    let soon = jiff::Timestamp::now().as_second() + 600;
    for pss in [true, false] {
        let right = assertion(&client, &endpoint, soon, pss);
        let answer = sign_in(&client, &[JWT_BEARER, ("client_assertion", &right)], MANAGEMENT).await;
        assert!(answer.status.is_success(), "{answer:?}");
    }
    let mut forged = assertion(&client, &endpoint, soon, true);
    forged.replace_range(forged.len() - 8.., "AAAAAAAA");
    let cases = [
        (forged, "AADSTS700027"),
        (assertion(&client, "https://elsewhere", soon, true), "AADSTS50012"),
        (assertion(&client, &endpoint, 1, true), "AADSTS700024"),
    ];
    for (assertion, code) in cases {
        let answer = sign_in(&client, &[JWT_BEARER, ("client_assertion", &assertion)], MANAGEMENT).await;
        assert_eq!(answer.status, 401);
        assert!(answer.text.contains(code), "{code}: {}", answer.text);
    }
}

#[tokio::test]
async fn the_endpoint_of_a_managed_identity_gives_tokens_to_who_knows_its_header() {
    let client = Client::start(settings()).await;
    let url = format!("{}/msi/token?api-version=2019-08-01&resource=https://monitor.azure.com", client.azure.address());
    let secret = client.azure.credentials().client_secret.clone();
    let answer = reply(client.http.get(&url).header("x-identity-header", secret)).await;
    assert!(answer.json()["access_token"].is_string(), "{answer:?}");
    assert_eq!(reply(client.http.get(&url)).await.status, 400);
}
