//! Which rights a collection needs, where, and what the server says about them. Pure.

use super::settings::Settings;
use crate::{
    cluster::review::Question,
    evidence::{
        Source,
        permissions::PermissionRow,
        registry::{self, Access, NAMESPACES},
    },
};

/// A right in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// The right.
    pub access: Access,
    /// Its namespace; none for the whole cluster.
    pub namespace: Option<String>,
}

/// What the server said to a right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Granted, with the server's reason.
    Allowed(String),
    /// Not granted, with the server's reason, which is often empty.
    Denied(String),
    /// There was no answer, and why. It means neither.
    Unanswered(String),
}

/// A right and what the server said to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The right.
    pub right: Right,
    /// The answer.
    pub verdict: Verdict,
}

/// The rights that the settings need, in the order in which they are used. Azure is asked about the cluster or not.
pub fn needed(settings: &Settings, asks_azure: bool) -> Vec<Access> {
    let levels = settings.levels();
    let finds_aks = asks_azure && settings.aks_cluster.is_none();
    let is_wanted = |source: &Source| settings.sources.contains(source) && (*source != Source::Aks || finds_aks);
    let mut rights = registry::access();
    rights.retain(|right| levels.has(right.level) && (right.sources.is_empty() || right.sources.iter().any(is_wanted)));
    // Namespaces are listed only to read one after the other what may not be read all at once.
    let may_fall_back = settings.namespaces.is_none() && rights.iter().any(|right| right.resource.namespaced);
    rights.retain(|right| right.resource != NAMESPACES || right.verb != "list" || may_fall_back);
    rights
}

/// The rights, each in the places where the settings need it: the named namespaces, or the whole cluster. A right that two levels
/// need stands there once.
pub fn in_scope(rights: Vec<Access>, settings: &Settings) -> Vec<Right> {
    let mut placed: Vec<Right> = Vec::new();
    for access in rights {
        let name = (access.verb, access.full_name());
        if placed.iter().any(|right| (right.access.verb, right.access.full_name()) == name) {
            continue;
        }
        match settings.namespaces.as_ref().filter(|_| access.resource.namespaced) {
            Some(namespaces) => placed.extend(
                namespaces.iter().map(|namespace| Right { access: access.clone(), namespace: Some(namespace.clone()) }),
            ),
            None => placed.push(Right { access, namespace: None }),
        }
    }
    placed
}

/// What is worth asking in each namespace, because it is denied for all of them at once.
pub fn to_ask_again(answers: &[Answer], namespaces: &[String]) -> Vec<Right> {
    let denied = answers.iter().filter(|answer| answer.is_denied() && answer.right.is_about_all_namespaces());
    denied
        .flat_map(|answer| {
            let access = &answer.right.access;
            namespaces.iter().map(|namespace| Right { access: access.clone(), namespace: Some(namespace.clone()) })
        })
        .collect()
}

impl Right {
    /// Whether it is about the objects of all namespaces.
    pub fn is_about_all_namespaces(&self) -> bool {
        self.access.resource.namespaced && self.namespace.is_none()
    }

    /// The question for the server.
    pub fn question(&self) -> Question<'_> {
        Question {
            verb: self.access.verb,
            group: self.access.resource.group,
            resource: self.access.resource.plural,
            subresource: self.access.subresource,
            namespace: self.namespace.as_deref(),
        }
    }
}

impl Answer {
    /// Whether the server said no.
    pub fn is_denied(&self) -> bool {
        matches!(self.verdict, Verdict::Denied(_))
    }

    /// Whether the server said yes; none when it said nothing.
    pub fn allowed(&self) -> Option<bool> {
        match self.verdict {
            Verdict::Allowed(_) => Some(true),
            Verdict::Denied(_) => Some(false),
            Verdict::Unanswered(_) => None,
        }
    }

    /// The server's reason, or why there is no answer.
    pub fn reason(&self) -> Option<&str> {
        let (Verdict::Allowed(reason) | Verdict::Denied(reason) | Verdict::Unanswered(reason)) = &self.verdict;
        Some(reason.as_str()).filter(|reason| !reason.is_empty())
    }

    /// The row of the answer.
    pub fn row(&self) -> PermissionRow {
        let access = &self.right.access;
        let present = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        PermissionRow {
            verb: access.verb.to_owned(),
            group: present(access.resource.group),
            resource: access.resource.plural.to_owned(),
            subresource: present(access.subresource),
            namespace: self.right.namespace.clone(),
            allowed: self.allowed(),
            reason: self.reason().map(str::to_owned),
            level: access.level.name().to_owned(),
            purpose: access.purpose.to_owned(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{cluster::Level, collect::settings::LogMetadata};

    /// Settings for tests: some sources in some namespaces, or in all of them.
    pub(in crate::collect) fn settings(sources: &[Source], namespaces: Option<&[&str]>, exec: bool) -> Settings {
        let named = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let mut settings: Settings = serde_json::from_value(serde_json::json!({
            "fallback_namespace": "default", "sources": [], "exec": exec, "log_metadata": LogMetadata::None,
            "namespaces": null,
        }))
        .unwrap();
        settings.namespaces = namespaces.map(named);
        settings.sources = sources.to_vec();
        settings
    }

    fn names(rights: &[Access]) -> Vec<String> {
        rights.iter().map(|right| format!("{} {}", right.verb, right.full_name())).collect()
    }

    #[test]
    fn one_source_needs_its_own_rights_and_no_others() {
        let one = |source, namespaces| names(&needed(&settings(&[source], namespaces, true), true));
        assert_eq!(
            one(Source::Rbac, None),
            [
                "list rolebindings.rbac.authorization.k8s.io",
                "list clusterrolebindings.rbac.authorization.k8s.io",
                "get namespaces",
                "list namespaces"
            ]
        );
        assert_eq!(one(Source::Events, Some(&["shop"])), ["list events", "watch events", "get namespaces"]);
        assert_eq!(
            one(Source::History, Some(&["shop"])),
            ["list pods", "watch pods", "get namespaces", "get pods/exec", "create pods/exec"]
        );
        assert_eq!(one(Source::Logs, Some(&["shop"])), ["list pods", "watch pods", "get pods/log", "get namespaces"]);
    }

    #[test]
    fn without_exec_and_without_azure_nothing_is_asked_for_them() {
        let all = |exec, azure| names(&needed(&settings(&Source::ALL, None, exec), azure));
        assert!(all(true, true).contains(&"create pods/exec".to_owned()));
        assert!(!all(false, true).iter().any(|right| right.contains("exec")));
        assert!(all(false, true).contains(&"list nodes".to_owned()));
        assert!(!all(false, false).iter().any(|right| right.contains("nodes")));
        let named = Settings { aks_cluster: Some(Default::default()), ..settings(&[Source::Aks], None, false) };
        assert_eq!(names(&needed(&named, true)), ["get namespaces"]);
    }

    #[test]
    fn what_is_in_namespaces_is_asked_for_in_each_and_the_rest_once() {
        let settings = settings(&[Source::Rbac], Some(&["a", "b"]), false);
        let placed = in_scope(needed(&settings, false), &settings);
        let places: Vec<_> =
            placed.iter().map(|right| (right.access.resource.plural, right.namespace.as_deref())).collect();
        assert_eq!(
            places,
            [
                ("rolebindings", Some("a")),
                ("rolebindings", Some("b")),
                ("clusterrolebindings", None),
                ("namespaces", None)
            ]
        );
    }

    #[test]
    fn a_right_of_two_levels_is_asked_for_once() {
        let settings = settings(&[Source::History], None, true);
        let rights = in_scope(registry::access(), &settings);
        let execs = rights.iter().filter(|right| right.access.subresource == "exec");
        assert_eq!(execs.map(|right| right.access.verb).collect::<Vec<_>>(), ["get", "create"]);
    }

    #[test]
    fn only_what_is_denied_for_all_namespaces_is_asked_for_again() {
        let settings = settings(&[Source::Rbac], None, false);
        let say = |right: Right| {
            let verdict = if right.access.verb == "list" {
                Verdict::Denied(String::new())
            } else {
                Verdict::Allowed(String::new())
            };
            Answer { right, verdict }
        };
        let answers: Vec<_> = in_scope(needed(&settings, false), &settings).into_iter().map(say).collect();
        let again = to_ask_again(&answers, &["a".to_owned()]);
        assert_eq!(again.len(), 1, "cluster role bindings are in no namespace: {again:?}");
        assert_eq!((again[0].access.resource.plural, again[0].namespace.as_deref()), ("rolebindings", Some("a")));
        assert_eq!(again[0].access.level, Level::Core);
    }
}
