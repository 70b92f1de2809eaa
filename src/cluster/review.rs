//! Asking the API server what the caller may do. A review changes nothing; it stands in the audit log as a `create`.
//!
//! Limits: an answer is what the authorizers said at that moment. Webhooks may say something else to the request itself, so
//! nobody may take an answer for a reason not to try.

use serde_json::{Value, json};

use super::{
    connect::Cluster,
    problem::{Problem, ProblemKind},
};

/// Path of the reviews.
pub const PATH: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// What is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// Verb.
    pub verb: &'a str,
    /// API group; empty for the core group.
    pub group: &'a str,
    /// Plural name.
    pub resource: &'a str,
    /// Subresource; empty for the resource itself.
    pub subresource: &'a str,
    /// Namespace; none for all of them.
    pub namespace: Option<&'a str>,
}

/// What the server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// Whether the request would be let through.
    pub allowed: bool,
    /// The server's reason, where it gave one; what went wrong while it decided comes after it.
    pub reason: String,
}

impl Cluster {
    /// Asks whether the caller may do something (SelfSubjectAccessReview, authorization.k8s.io/v1). Asked once, never repeated.
    pub async fn review(&self, question: Question<'_>) -> Result<Review, Problem> {
        read(&self.post(PATH, &body(question)).await?)
    }
}

fn body(question: Question<'_>) -> Value {
    let Question { verb, group, resource, subresource, namespace } = question;
    let mut attributes = json!({"verb": verb, "group": group, "resource": resource, "subresource": subresource});
    if let (Some(namespace), Some(attributes)) = (namespace, attributes.as_object_mut()) {
        attributes.insert("namespace".to_owned(), namespace.into());
    }
    json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    })
}

fn read(answer: &Value) -> Result<Review, Problem> {
    let Some(allowed) = answer.pointer("/status/allowed").and_then(Value::as_bool) else {
        return Err(Problem::new(ProblemKind::Unreachable, "the review has no answer in it"));
    };
    let text = |name: &str| answer.pointer(&format!("/status/{name}")).and_then(Value::as_str).unwrap_or_default();
    let words = [text("reason"), text("evaluationError")];
    let reason = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join("; ");
    Ok(Review { allowed, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_about_all_namespaces_names_none() {
        let question = Question { verb: "get", group: "", resource: "pods", subresource: "log", namespace: None };
        let asked = body(question);
        let attributes = &asked["spec"]["resourceAttributes"];
        assert_eq!(*attributes, json!({"verb": "get", "group": "", "resource": "pods", "subresource": "log"}));
        let asked = body(Question { namespace: Some("shop"), ..question });
        assert_eq!(asked["spec"]["resourceAttributes"]["namespace"], "shop");
    }

    #[test]
    fn an_answer_keeps_both_of_the_servers_words_and_nonsense_is_no_answer() {
        let review = read(&json!({"status": {"allowed": false, "reason": "no", "evaluationError": "role gone"}}));
        assert_eq!(review, Ok(Review { allowed: false, reason: "no; role gone".to_owned() }));
        assert!(read(&json!({"status": {}})).is_err() && read(&json!([])).is_err());
    }
}
