//! Secrets that Azure may return within a cluster's description never reach the disk.

use serde_json::Value;

const REDACTED: &str = "(redacted)";
/// Ends of keys whose text is a secret. Settings about secrets, such as `enableSecretRotation`, end otherwise.
const SECRETS: &[&str] = &["secret", "password", "token", "accesskey", "sharedkey", "primarykey", "connectionstring"];

/// The value without secrets: texts under a key that names one, and user and password within addresses.
pub(super) fn redacted(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let member = |(key, value): (&String, &Value)| {
                let hidden = value.is_string() && is_secret(key);
                (key.clone(), if hidden { REDACTED.into() } else { redacted(value) })
            };
            Value::Object(object.iter().map(member).collect())
        }
        Value::Array(items) => items.iter().map(redacted).collect(),
        Value::String(text) => Value::String(without_user(text)),
        other => other.clone(),
    }
}

fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    SECRETS.iter().any(|end| key.ends_with(end))
}

/// `http://user:password@proxy:8080` becomes `http://(redacted)@proxy:8080`.
fn without_user(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{REDACTED}@{host}{path}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_go_and_settings_about_secrets_stay() {
        let value = json!({"servicePrincipalProfile": {"clientId": "c", "secret": "s"},
            "windowsProfile": {"adminPassword": "p", "adminUsername": "u"},
            "httpProxyConfig": {"httpsProxy": "http://u:p@proxy:8080/x@y", "noProxy": ["a@b"]},
            "addon": {"enableSecretRotation": "false"}});
        let expected = json!({"servicePrincipalProfile": {"clientId": "c", "secret": "(redacted)"},
            "windowsProfile": {"adminPassword": "(redacted)", "adminUsername": "u"},
            "httpProxyConfig": {"httpsProxy": "http://(redacted)@proxy:8080/x@y", "noProxy": ["a@b"]},
            "addon": {"enableSecretRotation": "false"}});
        assert_eq!(redacted(&value), expected);
    }
}
