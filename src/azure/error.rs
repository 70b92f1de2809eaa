//! What goes wrong with Azure, in the service's own words with every detail, and what to do about it.

use std::fmt;

use serde_json::Value;

use super::sign_in;
use crate::failure::Failure;

/// An error of a call to Azure.
#[derive(Debug, thiserror::Error)]
pub enum AzureError {
    /// The service answered with an error.
    #[error("{0}")]
    Service(Box<ServiceError>),
    /// No answer came: no connection, no name, no trust, or a connection that broke.
    #[error("{host} cannot be reached: {cause}")]
    Unreachable {
        /// The host that was asked.
        host: String,
        /// Why.
        cause: String,
    },
    /// No token could be had.
    #[error("signing in to Azure failed: {0}")]
    SignIn(String),
    /// A state was waited for that did not come.
    #[error("{what} took longer than {minutes} minutes; last: {last}")]
    TookTooLong {
        /// What was waited for.
        what: String,
        /// How long, in minutes.
        minutes: u64,
        /// The last thing that the service said.
        last: String,
    },
    /// The service answered in a way that its API does not promise.
    #[error("{what} was answered in an unexpected way: {problem}")]
    Unexpected {
        /// What was asked.
        what: String,
        /// What is wrong with the answer.
        problem: String,
    },
}

/// An error answer (<https://github.com/microsoft/api-guidelines/blob/vNext/azure/Guidelines.md#handling-errors>).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceError {
    /// What was asked: method and path.
    pub request: String,
    /// HTTP status, or 200 for an operation that was accepted and failed later.
    pub status: u16,
    /// The error itself.
    pub body: ErrorBody,
    /// The service's id of the request, for support.
    pub request_id: Option<String>,
}

/// Code, message and details of an error. Details nest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorBody {
    /// Such as `InvalidPayload`; empty when the service gave none.
    pub code: String,
    /// For people.
    pub message: String,
    /// The part of the request that is meant.
    pub target: Option<String>,
    /// What exactly is wrong; the outer message often does not say.
    pub details: Vec<Self>,
}

impl ErrorBody {
    /// Reads an error from a body. Understands `{"error": {…}}`, `{"error": "…"}` and `{"code", "message"}` in any case.
    pub fn of(body: &Value) -> Self {
        let error = field(body, "error").or_else(|| field(body, "odata.error")).unwrap_or(body);
        if let Some(text) = error.as_str() {
            let message = field(body, "error_description").and_then(Value::as_str).unwrap_or_default();
            return Self { code: text.to_owned(), message: message.to_owned(), ..Self::default() };
        }
        let text = |name| field(error, name).and_then(Value::as_str).map(str::to_owned);
        let details = field(error, "details").and_then(Value::as_array);
        Self {
            code: text("code").unwrap_or_default(),
            message: text("message").unwrap_or_default(),
            target: text("target"),
            details: details.into_iter().flatten().map(Self::of).collect(),
        }
    }

    /// Whether the error, or any of its details, has the code.
    pub fn has_code(&self, code: &str) -> bool {
        self.code.eq_ignore_ascii_case(code) || self.details.iter().any(|detail| detail.has_code(code))
    }
}

fn field<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

impl fmt::Display for ErrorBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = crate::ui::printable(self.message.trim());
        formatter.write_str(&crate::ui::printable(&self.code))?;
        if let Some(target) = &self.target {
            write!(formatter, " ({})", crate::ui::printable(target))?;
        }
        if !message.is_empty() {
            write!(formatter, "{}{message}", if self.code.is_empty() { "" } else { ": " })?;
        }
        self.details
            .iter()
            .try_for_each(|detail| detail.to_string().lines().try_for_each(|line| write!(formatter, "\n  - {line}")))
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} was refused: {} {}", self.request, self.status, self.body)
    }
}

impl AzureError {
    /// The error for a token that could not be had.
    pub(crate) fn of_sign_in(error: &azure_core::Error) -> Self {
        let words = chain(error);
        // The ways that were tried stand one on each line.
        Self::SignIn(words.lines().map(crate::ui::printable).collect::<Vec<_>>().join("\n"))
    }

    /// Whether the service refused with the code, in the error itself or in a detail.
    pub fn has_code(&self, code: &str) -> bool {
        matches!(self, Self::Service(error) if error.body.has_code(code))
    }

    /// Whether the service refused with the code and gave no detail of what is wrong.
    pub fn is_only(&self, code: &str) -> bool {
        matches!(self, Self::Service(error) if error.body.details.is_empty() && error.body.has_code(code))
    }

    /// Whether a workspace exists and does not serve its tables yet: it was made or recovered a moment ago.
    pub fn is_workspace_inactive(&self) -> bool {
        matches!(self, Self::Service(error) if error.status == 404 && error.body.message.contains("Workspace not active"))
    }

    /// The status of the service's answer, when it gave one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Service(error) => Some(error.status),
            _ => None,
        }
    }

    /// What to do about it.
    pub fn fix(&self) -> &'static str {
        match self {
            Self::Service(error) => service_fix(error),
            Self::Unreachable { .. } => "check the network, the proxy and --cloud",
            Self::SignIn(words) => sign_in::fix(words),
            Self::TookTooLong { .. } => "run the same command again: it goes on where this one stopped",
            Self::Unexpected { .. } => "check that --cloud names the right addresses",
        }
    }
}

fn service_fix(error: &ServiceError) -> &'static str {
    let has = |code| error.body.has_code(code);
    if has("ResourceGroupNotFound") {
        return "name an existing resource group with -g, or add --create-resource-group";
    }
    if has("SubscriptionNotFound") || has("InvalidSubscriptionId") {
        return "check --subscription, and that the identity can see it (`az account list`)";
    }
    match error.status {
        401 => "the token was not accepted: sign in again, and check that --cloud and --tenant-id fit",
        403 if error.request.contains("/roleAssignments/") => {
            "to assign roles the identity must be Owner, User Access Administrator or Role Based Access Control \
             Administrator; or leave it to somebody who is, with --skip-role-assignment"
        }
        403 => "the identity needs the rights that plugin/azure/custom-role.json lists, at the resource group",
        404 => "check the names, and that --cloud and --subscription are the right ones",
        409 => "another operation is at work on the resource, or its name is taken: wait, or choose another name",
        429 => "the subscription is being throttled: run the same command again later",
        500.. => "the service has a problem: run the same command again later",
        _ => "correct what the service names; its words are above",
    }
}

impl From<AzureError> for Failure {
    fn from(error: AzureError) -> Self {
        Self::new(error.to_string(), error.fix())
    }
}

/// An error with all its causes, each said once.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let next = inner.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn details_are_shown_not_only_the_outer_message() {
        let body = ErrorBody::of(
            &json!({"error": {"code": "InvalidPayload", "message": "Data collection rule is invalid",
            "details": [{"code": "InvalidOutputTable", "message": "Table … is not available", "target": "properties.dataFlows[0]"}]}}),
        );
        let expected = "InvalidPayload: Data collection rule is invalid\n  - InvalidOutputTable (properties.dataFlows[0]): Table … is not available";
        assert_eq!(body.to_string(), expected);
        assert!(body.has_code("invalidoutputtable") && !body.has_code("InvalidStream"));
    }

    #[test]
    fn other_shapes_are_understood() {
        let flat = ErrorBody::of(&json!({"Code": "Conflict", "Message": "busy"}));
        assert_eq!(flat.to_string(), "Conflict: busy");
        let text = ErrorBody::of(&json!({"error": "invalid_client", "error_description": "bad secret"}));
        assert_eq!(text.to_string(), "invalid_client: bad secret");
    }

    #[test]
    fn terminal_escapes_of_a_service_reach_no_terminal() {
        let body = ErrorBody::of(&json!({"code": "X", "message": "\u{1b}[2J"}));
        assert!(!body.to_string().contains('\u{1b}'));
    }
}
