//! From a problem with a request to the state of the unit that needed it.

use crate::{
    bundle::{Outcome, State},
    cluster::{Problem, ProblemKind},
};

/// What a problem makes of a unit.
///
/// # Errors
/// The problem is that the bundle cannot be written: nothing more can be kept, so the run has to stop.
pub fn of_problem(problem: &Problem) -> anyhow::Result<Outcome> {
    let state = match problem.kind {
        ProblemKind::Denied | ProblemKind::Unauthenticated => State::Denied,
        ProblemKind::Local => return Err(anyhow::anyhow!("{problem}")),
        ProblemKind::NotFound
        | ProblemKind::Gone
        | ProblemKind::Refused
        | ProblemKind::Unreachable
        | ProblemKind::Forbidden => State::Failed,
    };
    Ok(Outcome::new(state, problem.message.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_right_is_denied_and_a_full_disk_stops_the_run() {
        let denied = of_problem(&Problem::new(ProblemKind::Denied, "no"));
        assert_eq!(denied.map(|outcome| outcome.state).ok(), Some(State::Denied));
        assert!(of_problem(&Problem::new(ProblemKind::Local, "no space left on device")).is_err());
    }
}
