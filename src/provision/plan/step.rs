//! The plan as data: its steps, and how they read.

use serde_json::Value;

use crate::{failure::Failure, provision::kind::Kind, table::Table, ui::printable};

/// Everything to be done, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The region of every resource.
    pub location: String,
    /// The steps.
    pub steps: Vec<Step>,
    /// What could not be seen while the plan was made.
    pub notes: Vec<String>,
}

/// One resource, and what is to become of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What it is.
    pub kind: Kind,
    /// The table that it serves; None for what serves all.
    pub table: Option<&'static Table>,
    /// Full resource id.
    pub id: String,
    /// Version of the API that it is written with.
    pub version: &'static str,
    /// What is to be done.
    pub action: Action,
    /// Body of the request; unused when the resource stays as it is.
    pub body: Value,
    /// Whether the body is only what changes, for a PATCH, instead of the whole resource, for a PUT.
    pub partial: bool,
    /// Whether it was made or adopted here, or is to be made.
    pub ours: bool,
    /// Ids of the steps that have to be done before.
    pub after: Vec<String>,
}

/// What is to become of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is not there.
    Create,
    /// It was deleted and comes back, with this consequence.
    Recover(String),
    /// It is there and has to change, for this reason.
    Update(String),
    /// It is there and stays as it is.
    Unchanged,
    /// It cannot be had; nothing is done.
    Blocked(Obstacle),
}

/// What stands in the way, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// Why it cannot be done.
    pub why: String,
    /// What would help.
    pub fix: String,
}

impl Obstacle {
    /// An obstacle with its fix.
    pub fn new(why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { why: why.into(), fix: fix.into() }
    }
}

impl Action {
    /// One word for reports: `create`, `recover`, `update`, `unchanged` or `blocked`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Recover(_) => "recover",
            Self::Update(_) => "update",
            Self::Unchanged => "unchanged",
            Self::Blocked(_) => "blocked",
        }
    }

    /// The reason, where there is one.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Recover(why) | Self::Update(why) => Some(why),
            Self::Blocked(obstacle) => Some(&obstacle.why),
            Self::Create | Self::Unchanged => None,
        }
    }
}

impl Step {
    /// The last part of the id; for a role assignment what it grants, since its own name is a GUID.
    pub fn name(&self) -> String {
        let last = |id: &str| printable(id.rsplit('/').next().unwrap_or_default());
        match (self.kind, self.id.split("/providers/Microsoft.Authorization/").next()) {
            (Kind::Role, Some(rule)) => format!("Monitoring Metrics Publisher on {}", last(rule)),
            (Kind::DnsLink, _) => last(self.id.split("/virtualNetworkLinks/").next().unwrap_or_default()),
            _ => last(&self.id),
        }
    }

    /// The step as one line.
    pub fn line(&self) -> String {
        let why = match &self.action {
            Action::Blocked(obstacle) => format!(" ({}; fix: {})", printable(&obstacle.why), obstacle.fix),
            action => action.reason().map(|why| format!(" ({})", printable(why))).unwrap_or_default(),
        };
        format!("{:<9}  {:<24}  {}{why}", self.action.name(), self.kind.name(), self.name())
    }

    /// The same step, which cannot be done.
    pub(super) fn blocked(self, why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { action: Action::Blocked(Obstacle::new(why, fix)), ..self }
    }
}

impl Plan {
    /// The steps that cannot be done.
    pub fn blocked(&self) -> impl Iterator<Item = (&Step, &Obstacle)> {
        self.steps.iter().filter_map(|step| match &step.action {
            Action::Blocked(obstacle) => Some((step, obstacle)),
            _ => None,
        })
    }

    /// Nothing, if the plan can be carried out.
    ///
    /// # Errors
    /// A step is blocked; every one is named with its reason, and the fixes are given.
    pub fn unblocked(&self) -> Result<(), Failure> {
        let mut message = String::from("the plan cannot be carried out, and nothing was changed:");
        let mut fixes: Vec<&str> = Vec::new();
        for (step, obstacle) in self.blocked() {
            let (kind, name, why) = (step.kind.name(), step.name(), printable(&obstacle.why));
            message.push_str(&format!("\n  - {kind} {name}: {why}"));
            if !fixes.contains(&obstacle.fix.as_str()) {
                fixes.push(&obstacle.fix);
            }
        }
        if fixes.is_empty() { Ok(()) } else { Err(Failure::new(message, fixes.join("\n"))) }
    }
}
