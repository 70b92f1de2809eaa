//! Who asks and what they may: the bearer token, the denials, and the reviews by which a client asks about itself.

use super::reply::{self, Reply};
use super::request::Target;
use super::server::Server;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

/// The user that the token stands for.
pub(super) const USER: &str = "forensys-responder";

/// Whether the request carries the token.
pub(super) fn authenticated(server: &Server, headers: &HeaderMap) -> bool {
    let expected = format!("Bearer {}", server.token);
    headers.get(header::AUTHORIZATION).is_some_and(|sent| sent.as_bytes() == expected.as_bytes())
}

/// The refusal of a request without a valid token.
pub(super) fn unauthorized() -> Reply {
    reply::failure(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized")
}

/// Whether the user may reach `resource` (with its subresource) in `namespace`.
pub(super) fn allowed(server: &Server, resource: &str, namespace: Option<&str>) -> bool {
    !server.denials.iter().any(|denial| denial.covers(resource, namespace))
}

/// The answer to a review posted to `target`; `None` when it is none of those served.
pub(super) fn review(server: &Server, target: &Target, body: &[u8]) -> Option<Reply> {
    let status = match (target.group.as_str(), target.plural.as_str()) {
        ("authentication.k8s.io", "selfsubjectreviews") => {
            json!({ "userInfo": { "username": USER, "groups": ["system:authenticated"] } })
        }
        ("authorization.k8s.io", "selfsubjectaccessreviews") => access_status(server, body),
        _ => return None,
    };
    let sent: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| sent.get(name).cloned().unwrap_or_default();
    let answer = json!({
        "kind": text("kind"), "apiVersion": text("apiVersion"), "metadata": {}, "spec": text("spec"), "status": status,
    });
    Some(reply::object(StatusCode::CREATED, &answer))
}

fn access_status(server: &Server, body: &[u8]) -> Value {
    let sent: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| {
        let value = sent.pointer(&format!("/spec/resourceAttributes/{name}")).and_then(Value::as_str);
        value.filter(|value| !value.is_empty())
    };
    let plural = text("resource").unwrap_or_default();
    let resource = text("subresource").map_or_else(|| plural.to_owned(), |part| format!("{plural}/{part}"));
    let reads = matches!(
        (text("verb"), resource.as_str()),
        (Some("get" | "list" | "watch"), _) | (Some("create"), "pods/exec")
    );
    let allowed = reads && allowed(server, &resource, text("namespace"));
    let reason = if allowed { "RBAC: allowed by ClusterRoleBinding \"forensys-core\"" } else { "" };
    json!({ "allowed": allowed, "reason": reason })
}
