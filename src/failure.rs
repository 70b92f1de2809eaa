//! The one error type that callers branch on: what happened, what to do about it, and the exit status it deserves.

use std::fmt;

/// How a verb ended, as the shell sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// All that was asked was done.
    Complete = 0,
    /// The verb failed.
    Failed = 1,
    /// The command line was wrong.
    Usage = 2,
    /// Done, but something was denied, failed or truncated; rows were spooled; what is missing is listed.
    Gaps = 3,
    /// A bundle differs from its manifest, or has none.
    VerificationFailed = 4,
    /// Stopped by a signal; can be resumed.
    Interrupted = 130,
}

/// An error with its exit status and, where there is one, the fix. Kept in an [`anyhow::Error`]; found again by downcast.
#[derive(Debug)]
pub struct Failure {
    /// The exit status that the process ends with.
    pub status: ExitStatus,
    /// What happened, naming the thing.
    pub message: String,
    /// What to do about it.
    pub fix: Option<String>,
}

impl Failure {
    /// A failure (exit status 1) with its fix.
    pub fn new(message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { status: ExitStatus::Failed, message: message.into(), fix: Some(fix.into()) }
    }

    /// A wrong command line (exit status 2) with its fix.
    pub fn usage(message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { status: ExitStatus::Usage, ..Self::new(message, fix) }
    }

    /// The same failure with another exit status.
    pub fn with_status(self, status: ExitStatus) -> Self {
        Self { status, ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
