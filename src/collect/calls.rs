//! Every call that a collection would make, from its settings alone. Pure: nothing is asked. What the lists alone can tell stands in
//! braces (`{pod}`).

use jiff::Timestamp;
use serde::Serialize;

use super::{
    rights::{Answer, needed},
    settings::Settings,
};
use crate::{
    cluster::{Level, list, log_stream::LogRequest, review},
    evidence::{
        Source,
        registry::{Access, NAMESPACES, NODES},
    },
};

/// A call, or a pattern of calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Call {
    /// HTTP method.
    pub method: &'static str,
    /// Path and query; in braces what is not known yet.
    pub path: String,
    /// The level that lets it out: `core`, `exec`, `node-logs`, `debug`; `azure` for calls to Resource Manager.
    pub level: &'static str,
    /// What it is for.
    pub purpose: String,
    /// How often.
    pub times: &'static str,
    /// Rights that the API server asks for, as `VERB RESOURCE`.
    pub rights: Vec<String>,
    /// Whether all of these are granted; absent when that is not known, or none is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<bool>,
}

const ONCE: &str = "once";
const PAGES: &str = "once for each page of 500 objects";
const POD_PAGES: &str =
    "once for each page of 500 pods; once more, a few times at most, when their logs have been read";
const WHERE_DENIED: &str = "in each namespace, only where the whole cluster is denied";
const INSTANCES: &str = "once for each container instance that ever started";

/// The calls, in the order of their levels. `since` is the beginning of the window.
pub fn calls(settings: &Settings, since: Option<Timestamp>, asks_azure: bool, has_preflight: bool) -> Vec<Call> {
    let rights = needed(settings, asks_azure);
    let mut calls = opening(settings);
    if has_preflight {
        let reviews = super::rights::in_scope(rights.clone(), settings).len();
        let purpose = format!("what is allowed: {reviews} questions, more where the whole cluster is denied");
        calls.push(core("POST", review::PATH.to_owned(), &purpose, "once for each right"));
    }
    for right in rights {
        add(&mut calls, &right, settings, since);
    }
    if asks_azure && settings.sources.contains(&Source::Aks) {
        calls.extend(azure(settings));
    }
    calls
}

/// The calls that need no right of their own.
fn opening(settings: &Settings) -> Vec<Call> {
    let reviews = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let mut calls = vec![
        core("GET", "/version".to_owned(), "whether the server answers, and its version", ONCE),
        core("POST", reviews.to_owned(), "the name that the cluster knows the caller by", ONCE),
    ];
    let exists = |namespace| Call {
        rights: vec!["get namespaces".to_owned()],
        ..core("GET", format!("{}/{namespace}", NAMESPACES.path(None)), "whether the namespace exists", ONCE)
    };
    calls.extend(settings.namespaces.iter().flatten().map(exists));
    calls
}

fn core(method: &'static str, path: String, purpose: &str, times: &'static str) -> Call {
    let (level, rights) = (Level::Core.name(), Vec::new());
    Call { method, path, level, purpose: purpose.to_owned(), times, rights, allowed: None }
}

/// Adds the calls that a right is for.
fn add(calls: &mut Vec<Call>, right: &Access, settings: &Settings, since: Option<Timestamp>) {
    let name = format!("{} {}", right.verb, right.full_name());
    let (level, purpose) = (right.level.name(), right.purpose.to_owned());
    for (method, path, times) in targets(right, settings, since) {
        // Exec needs two rights for one call.
        match calls.iter_mut().find(|call| call.path == path && call.level == level && call.method == method) {
            Some(call) => call.rights.push(name.clone()),
            None => calls.push(Call {
                method,
                path,
                level,
                purpose: purpose.clone(),
                times,
                rights: vec![name.clone()],
                allowed: None,
            }),
        }
    }
}

/// Method, target and how often, of the calls that a right is for.
fn targets(right: &Access, settings: &Settings, since: Option<Timestamp>) -> Vec<(&'static str, String, &'static str)> {
    let mut targets = Vec::new();
    let namespaces = namespaces(right, settings);
    match (right.subresource, right.verb) {
        ("", "list") => {
            let times = match right.resource {
                NAMESPACES => "only where the whole cluster is denied",
                NODES => ONCE,
                resource if resource.plural == "pods" && settings.sources.contains(&Source::Logs) => POD_PAGES,
                _ => PAGES,
            };
            let query = list::query(&selectors(right, settings), None);
            let path = |namespace| format!("{}?{query}", right.resource.path(namespace));
            targets.extend(namespaces.iter().map(|namespace| ("GET", path(namespace.as_deref()), times)));
            if right.resource.namespaced && settings.namespaces.is_none() {
                targets.push(("GET", path(Some("{namespace}")), WHERE_DENIED));
            }
        }
        ("", "watch") => {
            let path = |namespace| format!("{}?watch=true", right.resource.path(namespace));
            let until = "until the bundle is sealed; opened again where it ends early";
            targets.extend(namespaces.iter().map(|namespace| ("GET", path(namespace.as_deref()), until)));
        }
        ("", _) if right.resource == NAMESPACES => {
            targets.push(("GET", format!("{}/kube-system", right.resource.path(None)), ONCE));
        }
        ("", _) => {
            let times = "before and after a debug container is added, and until it has started";
            targets.extend(namespaces.iter().map(|namespace| ("GET", pod(namespace.as_deref()), times)));
        }
        ("log", _) => targets.extend(namespaces.iter().flat_map(|namespace| {
            let limit = settings.max_bytes_per_container;
            let log = |previous, times| ("GET", log_target(namespace.as_deref(), previous, limit, since), times);
            [log(false, INSTANCES), log(true, "once for each instance before the last restart")]
        })),
        ("exec", _) => {
            let times = match right.level {
                Level::DebugContainer => "once for each debug container, and once for each shell that it lacks",
                _ => "once for each running container, and once for each shell that it lacks",
            };
            let path =
                |namespace: &Option<String>| format!("{}/exec?container={{container}}", pod(namespace.as_deref()));
            targets.extend(namespaces.iter().map(|namespace| ("GET", path(namespace), times)));
        }
        ("proxy", _) => {
            let folder = "/api/v1/nodes/{node}/proxy/logs/pods/{namespace}_{pod}_{uid}/{container}/";
            targets.push(("GET", folder.to_owned(), "once for each container"));
            targets.push(("GET", format!("{folder}{{file}}"), "once for each rotated file"));
        }
        (subresource, _) => targets.extend(namespaces.iter().map(|namespace| {
            let path = format!("{}/{subresource}", pod(namespace.as_deref()));
            ("PATCH", path, "once for each pod with a container without a shell")
        })),
    }
    targets
}

/// Where the right is used; none is the whole cluster.
fn namespaces(right: &Access, settings: &Settings) -> Vec<Option<String>> {
    match settings.namespaces.as_ref().filter(|_| right.resource.namespaced) {
        Some(namespaces) => namespaces.iter().cloned().map(Some).collect(),
        None => vec![None],
    }
}

fn selectors(right: &Access, settings: &Settings) -> list::Selectors {
    if right.resource.plural == "pods" { settings.pod_selectors() } else { list::Selectors::default() }
}

fn pod(namespace: Option<&str>) -> String {
    format!("/api/v1/namespaces/{}/pods/{{pod}}", namespace.unwrap_or("{namespace}"))
}

fn log_target(namespace: Option<&str>, previous: bool, limit: Option<u64>, since: Option<Timestamp>) -> String {
    let namespace = namespace.unwrap_or("{namespace}").to_owned();
    let (pod, container) = ("{pod}".to_owned(), "{container}".to_owned());
    LogRequest { namespace, pod, container, previous, limit, since }.target()
}

/// Calls to Azure Resource Manager, which are made only when the server's name, the nodes or the command line say that it is AKS.
fn azure(settings: &Settings) -> Vec<Call> {
    const CLUSTERS: &str = "providers/Microsoft.ContainerService/managedClusters";
    let call = |path: String, purpose: &str, times| Call {
        method: "GET",
        path: format!("{{resource-manager}}{path}"),
        level: "azure",
        purpose: purpose.to_owned(),
        times,
        rights: Vec::new(),
        allowed: None,
    };
    let (subscription, cluster) = match &settings.aks_cluster {
        Some([subscription, group, name]) => {
            let below = format!("/subscriptions/{subscription}");
            (below.clone(), format!("{below}/resourceGroups/{group}/{CLUSTERS}/{name}"))
        }
        None => ("/subscriptions/{subscription}".to_owned(), format!("/subscriptions/{{subscription}}/{CLUSTERS}")),
    };
    vec![
        call(subscription, "whether Azure answers; only when the cluster is AKS and somebody is signed in", ONCE),
        call(cluster, "the AKS cluster, its addons and node pools", "once for each subscription"),
        call("{cluster}/providers/Microsoft.Insights/diagnosticSettings".to_owned(), "where its audit logs go", ONCE),
    ]
}

/// Marks the calls of which the server said whether they are allowed: a call is when all of its rights are. A pattern over
/// namespaces of which some are allowed is left unmarked.
pub fn mark(calls: &mut [Call], answers: &[Answer]) {
    for call in calls.iter_mut().filter(|call| !call.rights.is_empty()) {
        let said: Vec<_> = call.rights.iter().map(|right| said(right, &call.path, answers)).collect();
        call.allowed = match said.contains(&Some(false)) {
            true => Some(false),
            false => said.iter().all(Option::is_some).then_some(true),
        };
    }
}

/// What the server said to a right at the place that a path names.
fn said(right: &str, path: &str, answers: &[Answer]) -> Option<bool> {
    let same = answers.iter().filter(|answer| {
        let access = &answer.right.access;
        right == format!("{} {}", access.verb, access.full_name())
    });
    let (whole, single): (Vec<_>, Vec<_>) = same.partition(|answer| answer.right.namespace.is_none());
    if let Some(answer) = whole.first() {
        let is_granted_somewhere = single.iter().any(|answer| answer.allowed() == Some(true));
        return answer.allowed().filter(|_| !path.contains("/{namespace}/") || !is_granted_somewhere);
    }
    let is_here = |answer: &&&Answer| {
        answer.right.namespace.as_ref().is_some_and(|name| path.contains(&format!("/namespaces/{name}/")))
    };
    single.iter().find(is_here).and_then(|answer| answer.allowed())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use http::Method;

    use super::*;
    use crate::{
        cluster::guard,
        collect::rights::{Right, Verdict, in_scope, tests::settings},
        evidence::registry,
    };

    fn of(settings: &Settings) -> Vec<Call> {
        calls(settings, None, true, true)
    }

    #[test]
    fn the_guard_lets_each_call_out_at_the_level_of_its_right() {
        for namespaces in [None, Some(["shop", "dev"].as_slice())] {
            let settings = settings(&Source::ALL, namespaces, true);
            for right in registry::access() {
                let targets = targets(&right, &settings, None);
                assert!(!targets.is_empty(), "{right:?}");
                for (method, target, _) in targets {
                    let path = target.split('?').next().unwrap();
                    let level = guard::level_of(&Method::from_bytes(method.as_bytes()).unwrap(), path);
                    // What a debug container needs beside its creation are the exec and the reads that others use, too.
                    let wanted = match (right.level, right.subresource) {
                        (Level::DebugContainer, "exec") => Level::Exec,
                        (Level::DebugContainer, "") => Level::Core,
                        (level, _) => level,
                    };
                    assert_eq!(level, Some(wanted), "{method} {target}");
                }
            }
            for call in of(&settings).iter().filter(|call| call.rights.is_empty() && call.level != "azure") {
                let method = Method::from_bytes(call.method.as_bytes()).unwrap();
                assert_eq!(guard::level_of(&method, &call.path), Some(Level::Core), "{call:?}");
            }
        }
    }

    #[test]
    fn every_right_that_is_needed_stands_at_a_call() {
        let settings = settings(&Source::ALL, None, true);
        let at_calls: BTreeSet<_> = of(&settings).into_iter().flat_map(|call| call.rights).collect();
        let wanted: BTreeSet<_> =
            needed(&settings, true).iter().map(|right| format!("{} {}", right.verb, right.full_name())).collect();
        assert_eq!(at_calls, wanted);
    }

    #[test]
    fn one_source_makes_its_own_calls_only() {
        let settings =
            Settings { selector: Some("app=web".to_owned()), ..settings(&[Source::Logs], Some(&["shop"]), true) };
        let made = calls(&settings, "2026-01-02T03:04:05Z".parse().ok(), false, false);
        let made: Vec<_> = made.iter().map(|call| format!("{} {}", call.method, call.path)).collect();
        assert_eq!(
            made,
            [
                "GET /version",
                "POST /apis/authentication.k8s.io/v1/selfsubjectreviews",
                "GET /api/v1/namespaces/shop",
                "GET /api/v1/namespaces/shop/pods?limit=500&labelSelector=app%3Dweb",
                "GET /api/v1/namespaces/shop/pods?watch=true",
                "GET /api/v1/namespaces/shop/pods/{pod}/log?container={container}&timestamps=true&sinceTime=2026-01-02T03%3A04%3A04Z",
                "GET /api/v1/namespaces/shop/pods/{pod}/log?container={container}&timestamps=true&previous=true&sinceTime=2026-01-02T03%3A04%3A04Z",
                "GET /api/v1/namespaces/kube-system",
            ]
        );
    }

    #[test]
    fn a_call_is_allowed_when_all_of_its_rights_are() {
        let settings = settings(&[Source::History], Some(&["shop", "dev"]), true);
        let say = |right: Right| {
            let denied = right.access.verb == "create" && right.namespace.as_deref() == Some("dev");
            let verdict = if denied { Verdict::Denied(String::new()) } else { Verdict::Allowed(String::new()) };
            Answer { right, verdict }
        };
        let answers: Vec<_> = in_scope(needed(&settings, false), &settings).into_iter().map(say).collect();
        let mut calls = of(&settings);
        mark(&mut calls, &answers);
        let execs: Vec<_> = calls.iter().filter(|call| call.level == "exec").collect();
        assert_eq!(execs.iter().map(|call| call.allowed).collect::<Vec<_>>(), [Some(true), Some(false)]);
        assert_eq!(execs[0].rights, ["get pods/exec", "create pods/exec"]);
        assert_eq!(calls[0].allowed, None, "nobody asks for the right to see the version");
    }

    #[test]
    fn a_pattern_over_namespaces_is_not_denied_when_one_of_them_is_allowed() {
        let settings = settings(&[Source::CronJobs], None, false);
        let access = needed(&settings, false).remove(0);
        let answer = |namespace: Option<&str>, verdict| {
            let namespace = namespace.map(str::to_owned);
            Answer { right: Right { access: access.clone(), namespace }, verdict }
        };
        let mut answers = vec![answer(None, Verdict::Denied(String::new()))];
        let marked = |answers: &[Answer]| {
            let mut calls = of(&settings);
            mark(&mut calls, answers);
            calls.retain(|call| call.path.contains("cronjobs"));
            calls.iter().map(|call| call.allowed).collect::<Vec<_>>()
        };
        assert_eq!(marked(&answers), [Some(false), Some(false)]);
        answers.push(answer(Some("shop"), Verdict::Allowed(String::new())));
        assert_eq!(marked(&answers), [Some(false), None]);
    }
}
