//! What is missing, for a person: gaps of one kind together, with what to do about them. Pure.

use regex::Regex;

use crate::bundle::{GapEntry, State};

/// Gaps that have the same cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group<'a> {
    /// The first of them, whose reason stands for all.
    pub first: &'a GapEntry,
    /// How many there are.
    pub count: usize,
    /// What to do about it.
    pub fix: &'static str,
}

/// The gaps in groups, the largest first. Reasons are alike when they differ in names, numbers and ids only.
pub fn groups(gaps: &[GapEntry]) -> Vec<Group<'_>> {
    // A pattern of ours; if it could not be compiled, every reason would stand alone.
    let varying = Regex::new(r#""[^"]*"|[a-z]+://\S+|\S*[0-9]\S*|namespace \S+"#).ok();
    let alike = |gap: &GapEntry| {
        let reason =
            varying.as_ref().map_or_else(|| gap.reason.clone(), |varying| varying.replace_all(&gap.reason, "…").into());
        (gap.source.clone(), gap.state, reason)
    };
    let mut groups: Vec<((String, State, String), Group<'_>)> = Vec::new();
    for gap in gaps.iter().filter(|gap| gap.state.is_gap()) {
        let key = alike(gap);
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, group)) => group.count += 1,
            None => groups.push((key, Group { first: gap, count: 1, fix: fix(gap) })),
        }
    }
    let mut groups: Vec<_> = groups.into_iter().map(|(_, group)| group).collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    groups
}

fn fix(gap: &GapEntry) -> &'static str {
    let says = |words: &str| gap.reason.contains(words);
    match gap.state {
        State::Denied => {
            "ask for the rights in plugin/rbac/ (`collect --dry-run` lists them), or narrow the scope with -n"
        }
        State::Interrupted => "go on with `collect --resume`",
        State::Truncated if says("rotated") => "read what is still on the node with --node-logs",
        State::Truncated if says("--max-bytes-per-container") => "raise or leave out --max-bytes-per-container",
        State::Truncated if says("older ones are gone") || says("was replaced") => "nothing can bring it back; note it",
        State::Failed if says("unable to retrieve container logs") => {
            "the runtime does not serve this log any more; --node-logs reads its file where the node still has it"
        }
        State::Failed if says("not found") => "it was gone when it was asked for; note it",
        _ => "look at the reason, and try again with `collect --resume`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(object: &str, state: State, reason: &str) -> GapEntry {
        GapEntry { source: "logs".into(), object: object.into(), state, reason: reason.into() }
    }

    #[test]
    fn gaps_with_one_cause_stand_together_with_one_fix() {
        let gaps = [
            gap("a", State::Failed, "unable to retrieve container logs for containerd://0a1"),
            gap("b", State::Denied, "pods \"b\" is forbidden (HTTP 403)"),
            gap("c", State::Failed, "unable to retrieve container logs for containerd://9f3"),
            gap("d", State::Unsupported, "a note is no gap"),
        ];
        let found = groups(&gaps);
        let seen: Vec<_> = found.iter().map(|group| (group.first.object.as_str(), group.count)).collect();
        assert_eq!(seen, [("a", 2), ("b", 1)]);
        assert!(found[0].fix.contains("--node-logs") && found[1].fix.contains("plugin/rbac"));
    }
}
