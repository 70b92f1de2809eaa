//! Paths of requests, with parameters in braces.

/// A path such as `/subscriptions/{subscriptionId}`. A parameter at its beginning stands for the id of any resource, every
/// other for one segment. Names are compared without regard to case, as Azure does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) text: String,
    segments: Vec<String>,
}

impl Template {
    pub(super) fn new(text: &str) -> Self {
        let segments = text.split('/').skip(1).filter(|part| !part.is_empty()).map(str::to_lowercase).collect();
        Self { text: text.to_owned(), segments }
    }

    /// Whether it stands for any resource whatsoever, and so tells nothing.
    pub(super) fn is_anything(&self) -> bool {
        matches!(self.segments.as_slice(), [only] if is_parameter(only))
    }

    /// Whether every path of the other is one of this. A path without parameters is a template too.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let (Some(first), count) = (self.segments.first(), self.segments.len()) else { return false };
        if !is_parameter(first) {
            return all_cover(&self.segments, &other.segments);
        }
        let rest = other.segments.len().checked_sub(count - 1).filter(|scope| *scope > 0);
        rest.is_some_and(|scope| all_cover(&self.segments[1..], &other.segments[scope..]))
    }

    /// How many of its segments are names: of two templates for a path, the one with more says more.
    pub(super) fn names(&self) -> usize {
        self.segments.iter().filter(|part| !is_parameter(part)).count()
    }

    /// The resource type that it ends with, in lower case, and whether it names one resource instead of all.
    pub(super) fn resource_type(&self) -> Option<(String, bool)> {
        if self.segments.starts_with(&["subscriptions".to_owned()]) && matches!(self.segments.len(), 3 | 4) {
            let is_group = self.segments[2] == "resourcegroups";
            return is_group.then(|| ("microsoft.resources/resourcegroups".to_owned(), self.segments.len() == 4));
        }
        let at = self.segments.iter().rposition(|part| part == "providers")?;
        let after = self.segments.get(at + 2..)?;
        let types: Vec<_> = after.iter().step_by(2).cloned().collect();
        let namespace = self.segments.get(at + 1)?;
        (!types.is_empty()).then(|| (format!("{namespace}/{}", types.join("/")), after.len() % 2 == 0))
    }
}

fn is_parameter(segment: &str) -> bool {
    segment.starts_with('{')
}

fn all_cover(these: &[String], others: &[String]) -> bool {
    let covers = |(this, other): (&String, &String)| is_parameter(this) || this == other;
    these.len() == others.len() && these.iter().zip(others).all(covers)
}

#[test]
fn a_scope_stands_for_many_segments_and_a_parameter_for_one() {
    let list = Template::new("/{scope}/providers/Microsoft.Authorization/roleAssignments");
    let path = Template::new("/subscriptions/s/resourceGroups/g/providers/microsoft.authorization/roleassignments");
    assert!(list.covers(&path) && !path.covers(&list));
    assert!(!list.covers(&Template::new("/providers/Microsoft.Authorization/roleAssignments")));
    let provider = Template::new("/subscriptions/{id}/providers/{name}");
    assert!(provider.covers(&Template::new("/subscriptions/{id}/providers/Microsoft.Insights")));
    assert!(!provider.covers(&Template::new("/subscriptions/{id}/providers/a/b")));
    assert_eq!(list.resource_type(), Some(("microsoft.authorization/roleassignments".to_owned(), false)));
}
