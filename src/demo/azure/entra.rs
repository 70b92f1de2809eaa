//! The token service: OAuth 2.0 client credentials (RFC 6749 section 4.4) with Entra ID's error bodies, the discovery documents that
//! Microsoft's libraries ask for first, and the token endpoint of App Service's managed identity.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    answer::Answer,
    assertion,
    call::Call,
    credentials::Credentials,
    query::LOG_ANALYTICS,
    token::{Claims, Signer},
};

/// Audience of tokens for the resource manager, that of the public cloud.
pub(super) const MANAGEMENT: &str = "https://management.azure.com";
/// Audience of tokens for ingestion, that of the public cloud.
pub(super) const MONITOR: &str = "https://monitor.azure.com";

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Who issues tokens, and for how long.
pub(super) struct Issuer<'a> {
    pub(super) credentials: &'a Credentials,
    pub(super) signer: &'a Signer,
    pub(super) base: &'a str,
    pub(super) seconds: i64,
    pub(super) now: i64,
}

/// Answers a request to the token service; none when it is not for it.
pub(super) fn answer(issuer: &Issuer<'_>, call: &Call) -> Option<Answer> {
    let lower: Vec<&str> = call.lower.iter().map(String::as_str).collect();
    let get = call.method == Method::GET;
    match lower.as_slice() {
        ["common", "discovery", "instance"] if get => Some(instances(issuer)),
        [tenant, "v2.0", ".well-known", "openid-configuration"] | [tenant, ".well-known", "openid-configuration"]
            if get =>
        {
            Some(if *tenant == issuer.credentials.tenant_id { configuration(issuer) } else { unknown_tenant(tenant) })
        }
        [tenant, "oauth2", "v2.0", "token"] if call.method == Method::POST => {
            Some(if *tenant == issuer.credentials.tenant_id { token(issuer, call) } else { unknown_tenant(tenant) })
        }
        ["msi", "token"] if get => Some(managed_identity(issuer, call)),
        _ => None,
    }
}

fn configuration(issuer: &Issuer<'_>) -> Answer {
    let tenant = format!("{}/{}", issuer.base, issuer.credentials.tenant_id);
    Answer::ok(json!({
        "issuer": format!("{tenant}/v2.0"),
        "authorization_endpoint": format!("{tenant}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{tenant}/oauth2/v2.0/token"),
        "device_authorization_endpoint": format!("{tenant}/oauth2/v2.0/devicecode"),
        "jwks_uri": format!("{tenant}/discovery/v2.0/keys"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "response_types_supported": ["code"],
        "subject_types_supported": ["pairwise"],
    }))
}

fn instances(issuer: &Issuer<'_>) -> Answer {
    let host = issuer.base.split_once("://").map_or(issuer.base, |(_, host)| host);
    Answer::ok(json!({
        "tenant_discovery_endpoint":
            format!("{}/{}/v2.0/.well-known/openid-configuration", issuer.base, issuer.credentials.tenant_id),
        "api-version": "1.1",
        "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
    }))
}

fn token(issuer: &Issuer<'_>, call: &Call) -> Answer {
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(&call.body).into_owned().collect();
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    if field("grant_type") != "client_credentials" {
        return refused("unsupported_grant_type", 70003, "The app requested an unsupported grant type.");
    }
    if !field("client_id").eq_ignore_ascii_case(&issuer.credentials.client_id) {
        let text = format!("Application with identifier '{}' was not found in the directory.", field("client_id"));
        return refused("unauthorized_client", 700_016, &text);
    }
    if let Err(answer) = proof(issuer, &form) {
        return answer;
    }
    match audience(field("scope")) {
        Some(audience) => issue(issuer, audience),
        None => refused(
            "invalid_scope",
            1_002_012,
            &format!(
                "The provided value for scope {} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).",
                field("scope")
            ),
        ),
    }
}

/// Checks the secret or the assertion.
fn proof(issuer: &Issuer<'_>, form: &BTreeMap<String, String>) -> Result<(), Answer> {
    if let Some(secret) = form.get("client_secret") {
        let right = *secret == issuer.credentials.client_secret;
        return if right { Ok(()) } else { Err(invalid_client("AADSTS7000215: Invalid client secret provided.")) };
    }
    let Some(assertion) = form.get("client_assertion") else {
        return Err(invalid_client(
            "AADSTS7000218: The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        ));
    };
    if form.get("client_assertion_type").map(String::as_str) != Some(ASSERTION_TYPE) {
        return Err(invalid_client("AADSTS900144: 'client_assertion_type' must be jwt-bearer."));
    }
    let endpoint = format!("{}/{}/oauth2/v2.0/token", issuer.base, issuer.credentials.tenant_id);
    assertion::check(issuer.credentials, assertion, &endpoint, issuer.now).map_err(|message| invalid_client(&message))
}

/// The audience of a scope's token: its resource, byte for byte, as Entra ID does it (`https://r//.default` gives `https://r/`).
fn audience(scope: &str) -> Option<&str> {
    let resource = scope.split_whitespace().next()?.strip_suffix("/.default")?;
    known(resource).then_some(resource)
}

fn known(resource: &str) -> bool {
    [MANAGEMENT, MONITOR, LOG_ANALYTICS, "https://management.core.windows.net"]
        .contains(&resource.trim_end_matches('/'))
}

fn claims(issuer: &Issuer<'_>, audience: &str) -> Claims {
    let credentials = issuer.credentials;
    Claims {
        aud: audience.to_owned(),
        iss: format!("{}/{}/v2.0", issuer.base, credentials.tenant_id),
        iat: issuer.now,
        exp: issuer.now + issuer.seconds,
        appid: credentials.client_id.clone(),
        oid: credentials.principal_object_id.clone(),
        tid: credentials.tenant_id.clone(),
        idtyp: "app".to_owned(),
        uti: uuid::Uuid::new_v4().to_string(),
    }
}

fn issue(issuer: &Issuer<'_>, audience: &str) -> Answer {
    match issuer.signer.sign(&claims(issuer, audience)) {
        Ok(token) => Answer::ok(json!({
            "token_type": "Bearer",
            "expires_in": issuer.seconds,
            "ext_expires_in": issuer.seconds,
            "access_token": token,
        })),
        Err(error) => Answer::error(StatusCode::INTERNAL_SERVER_ERROR, "server_error", error.to_string()),
    }
}

/// App Service's endpoint (`IDENTITY_ENDPOINT`); the header's value is the client secret.
fn managed_identity(issuer: &Issuer<'_>, call: &Call) -> Answer {
    let resource = call.query("resource").unwrap_or_default();
    if call.header("x-identity-header") != Some(&issuer.credentials.client_secret) || !known(resource) {
        return Answer::json(
            StatusCode::BAD_REQUEST,
            json!({"statusCode": 400, "message": "No managed identity found."}),
        );
    }
    match issuer.signer.sign(&claims(issuer, resource)) {
        Ok(token) => Answer::ok(json!({
            "access_token": token,
            "expires_on": (issuer.now + issuer.seconds).to_string(),
            "resource": resource,
            "token_type": "Bearer",
            "client_id": issuer.credentials.client_id,
        })),
        Err(error) => Answer::error(StatusCode::INTERNAL_SERVER_ERROR, "server_error", error.to_string()),
    }
}

fn unknown_tenant(tenant: &str) -> Answer {
    refused("invalid_request", 90002, &format!("Tenant '{tenant}' not found."))
}

fn invalid_client(message: &str) -> Answer {
    let code: u64 = message.trim_start_matches("AADSTS").split(':').next().and_then(|n| n.parse().ok()).unwrap_or(0);
    Answer::json(StatusCode::UNAUTHORIZED, error_body("invalid_client", code, message))
}

fn refused(error: &str, code: u64, message: &str) -> Answer {
    Answer::json(StatusCode::BAD_REQUEST, error_body(error, code, &format!("AADSTS{code}: {message}")))
}

fn error_body(error: &str, code: u64, message: &str) -> Value {
    json!({"error": error, "error_description": message, "error_codes": [code]})
}
