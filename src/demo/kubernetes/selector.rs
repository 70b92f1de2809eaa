//! `labelSelector` and `fieldSelector`: equality, inequality, presence and sets for labels; equality for fields.

use serde_json::Value;

/// What an object must have to be listed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Selector(Vec<Term>);

#[derive(Debug, PartialEq, Eq)]
struct Term {
    path: Vec<String>,
    test: Test,
}

#[derive(Debug, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
}

impl Selector {
    /// The selector of the two parameters; the error is the message of the 400.
    pub(super) fn parse(labels: Option<&str>, fields: Option<&str>) -> Result<Self, String> {
        let labels = split(labels.unwrap_or_default());
        let fields = split(fields.unwrap_or_default());
        let terms = labels.iter().map(|term| label(term)).chain(fields.iter().map(|term| field(term)));
        Ok(Self(terms.collect::<Result<_, _>>()?))
    }

    /// Whether `object` has all that is asked for.
    pub(super) fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|term| {
            let found = term.path.iter().try_fold(object, |value, part| value.get(part));
            let text = found.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            match &term.test {
                Test::In(values) => values.contains(&text.unwrap_or_default()),
                Test::NotIn(values) => text.is_none_or(|text| !values.contains(&text)),
                Test::Exists => text.is_some(),
                Test::Absent => text.is_none(),
            }
        })
    }
}

/// Splits at commas outside parentheses.
fn split(raw: &str) -> Vec<String> {
    let mut terms = vec![String::new()];
    let mut depth = 0_u32;
    for letter in raw.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                terms.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(term) = terms.last_mut() {
            term.push(letter);
        }
    }
    terms.into_iter().map(|term| term.trim().to_owned()).filter(|term| !term.is_empty()).collect()
}

fn label(term: &str) -> Result<Term, String> {
    let (key, test) = if let Some(key) = term.strip_prefix('!') {
        (key, Test::Absent)
    } else if let Some((key, values)) = term.split_once(" notin ") {
        (key, Test::NotIn(set(values)))
    } else if let Some((key, values)) = term.split_once(" in ") {
        (key, Test::In(set(values)))
    } else if let Some((key, test)) = comparison(term) {
        (key, test)
    } else {
        (term, Test::Exists)
    };
    let key = key.trim();
    if key.is_empty() || key.contains(char::is_whitespace) {
        return Err(format!("unable to parse requirement: found {term:?}"));
    }
    Ok(Term { path: vec!["metadata".to_owned(), "labels".to_owned(), key.to_owned()], test })
}

fn field(term: &str) -> Result<Term, String> {
    let (path, test) =
        comparison(term).ok_or_else(|| format!("invalid selector: {term:?}; can't understand {term:?}"))?;
    Ok(Term { path: path.split('.').map(str::to_owned).collect(), test })
}

fn comparison(term: &str) -> Option<(&str, Test)> {
    if let Some((key, value)) = term.split_once("!=") {
        return Some((key, Test::NotIn(vec![value.trim().to_owned()])));
    }
    let (key, value) = term.split_once('=')?;
    Some((key, Test::In(vec![value.trim_start_matches('=').trim().to_owned()])))
}

fn set(values: &str) -> Vec<String> {
    values.trim().trim_matches(['(', ')']).split(',').map(|value| value.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn labels_and_fields_select() {
        let pod = json!({"metadata": {"name": "web", "labels": {"app": "web", "tier": "front"}}, "spec": {"nodeName": "node1"}});
        let cases = [
            ("app=web,tier in (front, back)", "metadata.name=web", true),
            ("app==web", "spec.nodeName!=node2", true),
            ("app!=web", "", false),
            ("!app", "", false),
            ("tier notin (back)", "spec.nodeName=node2", false),
        ];
        for (labels, fields, expected) in cases {
            let selector = Selector::parse(Some(labels), Some(fields)).unwrap();
            assert_eq!(selector.matches(&pod), expected, "{labels} {fields}");
        }
        assert!(Selector::parse(None, Some("nonsense")).is_err());
    }
}
