//! From method and path to verb and resource, as the API server names them in its audit log. Pure.

use http::Method;

use super::{Requests, Sum};
use crate::cluster::{Level, guard};

/// What a request asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Kind {
    verb: String,
    resource: String,
    level: Level,
    leaves_trace: bool,
}

impl Kind {
    /// The kind of a request by its method and target.
    pub(super) fn of(method: &str, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let resource = Resource::of(path);
        let verb = match (method, &resource) {
            ("GET", Some(Resource { is_named: false, .. })) if query.split('&').any(|pair| pair == "watch=true") => {
                "watch"
            }
            ("GET", Some(Resource { is_named: false, .. })) => "list",
            ("POST", Some(_)) => "create",
            _ => &method.to_ascii_lowercase(),
        };
        let level = Method::from_bytes(method.as_bytes()).ok().and_then(|method| guard::level_of(&method, path));
        // The guard let it out, so it has a level; what an older version let out counts among the reads.
        let level = level.unwrap_or(Level::Core);
        let leaves_trace = matches!(level, Level::Exec | Level::DebugContainer);
        let resource = resource.map_or_else(|| path.to_owned(), |resource| resource.name);
        Self { verb: verb.to_owned(), resource, level, leaves_trace }
    }

    pub(super) fn into_requests(self, sum: Sum) -> Requests {
        let Self { verb, resource, level, leaves_trace } = self;
        Requests { verb, resource, level: level.name(), leaves_trace, sum }
    }
}

struct Resource {
    name: String,
    is_named: bool,
}

impl Resource {
    /// The resource that a path leads to: `/api/v1/…` and `/apis/GROUP/VERSION/…`, in a namespace or not.
    fn of(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (group, parts) = match parts.as_slice() {
            ["api", _, rest @ ..] => ("", rest),
            ["apis", group, _, rest @ ..] => (*group, rest),
            _ => return None,
        };
        let parts = match parts {
            ["namespaces", _, rest @ ..] if !rest.is_empty() => rest,
            _ => parts,
        };
        let plural = parts.first()?;
        let subresource = parts.get(2).map(|name| format!("/{name}")).unwrap_or_default();
        let group = if group.is_empty() { String::new() } else { format!(".{group}") };
        Some(Self { name: format!("{plural}{subresource}{group}"), is_named: parts.len() > 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_called_as_in_the_audit_log() {
        for (method, target, verb, resource) in [
            ("GET", "/api/v1/pods?limit=500", "list", "pods"),
            ("GET", "/api/v1/namespaces/shop/events?watch=true&resourceVersion=7", "watch", "events"),
            ("GET", "/api/v1/namespaces/kube-system", "get", "namespaces"),
            ("GET", "/api/v1/namespaces/shop/pods/web/log?follow=true", "get", "pods/log"),
            ("GET", "/apis/batch/v1/namespaces/shop/cronjobs", "list", "cronjobs.batch"),
            ("GET", "/api/v1/nodes/n/proxy/logs/pods/a/b/", "get", "nodes/proxy"),
            ("PATCH", "/api/v1/namespaces/shop/pods/web/ephemeralcontainers", "patch", "pods/ephemeralcontainers"),
            (
                "POST",
                "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                "create",
                "selfsubjectaccessreviews.authorization.k8s.io",
            ),
            ("GET", "/version", "get", "/version"),
        ] {
            let kind = Kind::of(method, target);
            assert_eq!((kind.verb.as_str(), kind.resource.as_str()), (verb, resource), "{method} {target}");
        }
        assert!(Kind::of("PATCH", "/api/v1/namespaces/shop/pods/web/ephemeralcontainers").leaves_trace);
        assert!(!Kind::of("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews").leaves_trace);
    }
}
