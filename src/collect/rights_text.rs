//! The matrix of rights for people: only what is denied or unknown, a line for each resource, and what will be missing. Pure.

use super::{
    preflight::Findings,
    rights::{Answer, Verdict},
};
use crate::ui::printable;

/// Names written out before the rest is a number.
const SHOWN: usize = 5;

/// What is denied of one resource in the same places.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    verbs: Vec<&'static str>,
    resource: String,
    place: String,
    missing: Vec<&'static str>,
}

/// The lines to show before anything is read.
pub fn matrix(findings: &Findings) -> Vec<String> {
    let asked: Vec<_> = findings.answers.iter().filter(|answer| !is_detail(answer, findings)).collect();
    let granted = asked.iter().filter(|answer| answer.allowed() == Some(true)).count();
    let denied = denied(&asked, findings);
    let mut text = Vec::new();
    if denied.is_empty() {
        text.push(format!("rights: {granted} of {} granted (asked with SelfSubjectAccessReview)", asked.len()));
    } else {
        text.push(format!("rights: {granted} of {} granted in full; denied, and tried all the same:", asked.len()));
        let width = |of: &dyn Fn(&Line) -> usize| denied.iter().map(of).max().unwrap_or_default();
        let verbs = width(&|line| line.verbs.join(", ").len());
        let resource = width(&|line| line.resource.len());
        text.extend(denied.iter().map(|line| {
            let missing = if line.missing.is_empty() { "nothing".to_owned() } else { line.missing.join("; ") };
            format!(
                "  {:<verbs$}  {:<resource$}  {}; missing: {missing}",
                line.verbs.join(", "),
                line.resource,
                line.place
            )
        }));
        text.extend(findings.note.as_ref().map(|note| format!("  {}", printable(note))));
    }
    let unanswered: Vec<_> = findings.answers.iter().filter(|answer| answer.allowed().is_none()).collect();
    if let Some(first) = unanswered.first() {
        let why = printable(first.reason().unwrap_or_default());
        text.push(format!("rights: {} not answered: {why}", unanswered.len()));
    }
    text
}

/// Whether it is about one namespace because the whole cluster is denied: a detail of that answer.
fn is_detail(answer: &Answer, findings: &Findings) -> bool {
    answer.right.namespace.is_some()
        && findings
            .answers
            .iter()
            .any(|other| other.right.is_about_all_namespaces() && other.right.access == answer.right.access)
}

fn denied(asked: &[&Answer], findings: &Findings) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for answer in asked.iter().filter(|answer| answer.is_denied()) {
        let (access, resource) = (&answer.right.access, answer.right.access.full_name());
        let (place, is_missing) = match &answer.right.namespace {
            Some(_) => (in_named(asked, answer), true),
            None if answer.right.is_about_all_namespaces() => in_cluster(answer, findings),
            None => ("denied".to_owned(), true),
        };
        let missing = is_missing.then_some(access.purpose);
        match lines.iter_mut().find(|line| line.resource == resource && line.place == place) {
            Some(line) => {
                line.verbs.extend((!line.verbs.contains(&access.verb)).then_some(access.verb));
                line.missing.extend(missing.filter(|missing| !line.missing.contains(missing)));
            }
            None => {
                lines.push(Line { verbs: vec![access.verb], resource, place, missing: missing.into_iter().collect() });
            }
        }
    }
    lines
}

/// Of the named namespaces, those where the same right is denied.
fn in_named(asked: &[&Answer], answer: &Answer) -> String {
    let same = asked.iter().filter(|other| other.is_denied() && other.right.access == answer.right.access);
    format!("denied in {}", names(same.copied()))
}

/// The whole cluster, with the namespaces where the same right is granted; and whether that leaves something out.
fn in_cluster(answer: &Answer, findings: &Findings) -> (String, bool) {
    let details = findings
        .answers
        .iter()
        .filter(|other| other.right.namespace.is_some() && other.right.access == answer.right.access);
    let (granted, others): (Vec<_>, Vec<_>) = details.partition(|detail| matches!(detail.verdict, Verdict::Allowed(_)));
    match (granted.is_empty(), others.is_empty()) {
        (true, true) => ("denied for all namespaces at once".to_owned(), true),
        (true, false) => (format!("denied for all namespaces at once and in {}", names(others.into_iter())), true),
        (false, true) if findings.note.is_none() => {
            ("denied for all namespaces at once, granted in each".to_owned(), false)
        }
        (false, _) => (format!("denied but in {}", names(granted.into_iter())), true),
    }
}

fn names<'a>(answers: impl Iterator<Item = &'a Answer>) -> String {
    let names: Vec<_> = answers.filter_map(|answer| answer.right.namespace.as_deref()).map(printable).collect();
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{shown} and {} more", names.len() - SHOWN) } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        collect::rights::{Right, in_scope, needed, tests::settings, to_ask_again},
        evidence::Source,
    };

    fn say(rights: Vec<Right>, is_allowed: impl Fn(&Right) -> bool) -> Vec<Answer> {
        let say = |right: Right| {
            let verdict =
                if is_allowed(&right) { Verdict::Allowed(String::new()) } else { Verdict::Denied(String::new()) };
            Answer { right, verdict }
        };
        rights.into_iter().map(say).collect()
    }

    #[test]
    fn the_whole_cluster_denied_says_where_it_is_allowed() {
        let settings = settings(&[Source::Events, Source::Rbac], None, false);
        let mut answers = say(in_scope(needed(&settings, false), &settings), |right| right.access.verb == "get");
        let namespaces = ["shop", "dev"].map(str::to_owned);
        let again = to_ask_again(&answers, &namespaces);
        answers.extend(say(again, |right| {
            right.namespace.as_deref() == Some("shop") && right.access.resource.plural == "events"
        }));
        insta::assert_snapshot!(matrix(&Findings { answers, note: None }).join("\n"), @r"
        rights: 1 of 6 granted in full; denied, and tried all the same:
          list, watch  events                                         denied but in shop; missing: events; events that come during the collection
          list         rolebindings.rbac.authorization.k8s.io         denied for all namespaces at once and in shop, dev; missing: rbac
          list         clusterrolebindings.rbac.authorization.k8s.io  denied; missing: rbac
          list         namespaces                                     denied; missing: the namespaces to fall back to
        ");
    }

    #[test]
    fn named_namespaces_are_named_and_escapes_do_not_reach_the_terminal() {
        let settings = settings(&[Source::ServiceAccounts], Some(&["a", "b", "c"]), false);
        let mut answers =
            say(in_scope(needed(&settings, false), &settings), |right| right.namespace.as_deref() == Some("b"));
        answers[0].right.namespace = Some("\u{1b}[2J".to_owned());
        insta::assert_snapshot!(matrix(&Findings { answers, note: None }).join("\n"), @r"
        rights: 1 of 4 granted in full; denied, and tried all the same:
          list  serviceaccounts  denied in \u{1b}[2J, c; missing: serviceaccounts
          get   namespaces       denied; missing: the cluster's identity
        ");
    }

    #[test]
    fn silence_is_no_denial() {
        let settings = settings(&[Source::CronJobs], None, false);
        let mut answers = say(in_scope(needed(&settings, false), &settings), |_| true);
        assert_eq!(
            matrix(&Findings { answers: answers.clone(), note: None }),
            ["rights: 3 of 3 granted (asked with SelfSubjectAccessReview)"]
        );
        answers[0].verdict = Verdict::Unanswered("webhook down".to_owned());
        let text = matrix(&Findings { answers, note: None });
        assert_eq!(text.last().map(String::as_str), Some("rights: 1 not answered: webhook down"));
        assert!(!text.join("\n").contains("denied"), "{text:?}");
    }
}
