//! How much of a log was there to be read. The log endpoint serves the newest file of a container only: what was rotated before is not in
//! it, and nothing in the answer says so. Pure.

use jiff::{SignedDuration, Timestamp};

use crate::{
    bundle::{Coverage, Window},
    ui::size,
};

/// A log that begins this soon after its container began is whole.
const SOON: SignedDuration = SignedDuration::from_secs(20);
/// Kubelets rotate at 10 MiB unless they are told otherwise (`containerLogMaxSize`); somewhat less is taken as a sign of it.
const ROTATED: f64 = 8.0 * 1024.0 * 1024.0;

/// What is to be said of an empty log. The same words for all: they are many where containers are quiet.
const EMPTY: &str = "the log is empty: either nothing was said, or all that was said was rotated away; whether files were rotated away is \
                     not known without --node-logs";

/// What the beginning of a log says about what came before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    /// Nothing is missing, or nothing was asked for.
    Whole,
    /// It begins long after its container: the container may have said nothing, or what it said was rotated away.
    Late(String),
    /// At the rate at which it grew since it begins, the time before would have filled a file: it was rotated.
    Rotated(String),
}

/// The moment from which lines could be there and were asked for.
fn asked_from(started: Timestamp, window: Window) -> Timestamp {
    window.since.map_or(started, |since| since.max(started))
}

/// Judges a log that was read to its end, at `read`.
pub(super) fn beginning(coverage: &Coverage, window: Window, read: Timestamp) -> Beginning {
    let Some(started) = coverage.started else { return Beginning::Whole };
    let (Some(first), Some(last)) = (coverage.first, coverage.last) else {
        return if read.duration_since(asked_from(started, window)) < SOON {
            Beginning::Whole
        } else {
            Beginning::Late(EMPTY.to_owned())
        };
    };
    let missing = first.duration_since(asked_from(started, window));
    if missing < SOON {
        return Beginning::Whole;
    }
    let seen = last.duration_since(first).as_secs_f64().max(1.0);
    let bytes = coverage.bytes.unwrap_or_default() as f64 / seen * missing.as_secs_f64();
    let late = format!("the log begins at {first}, {} s after its container", missing.as_secs());
    if bytes < ROTATED {
        return Beginning::Late(format!("{late}; whether files were rotated away is not known without --node-logs"));
    }
    Beginning::Rotated(format!(
        "{late}; at the rate at which it grew since then some {} came before and were rotated away; --node-logs reads what of it is still \
         on the node",
        size(bytes as u64)
    ))
}

/// Whether lines that were read as those of an instance may be those of the one after it, which began at `next`. Both times are the node's.
pub(super) fn may_be_of_next(coverage: Option<&Coverage>, next: Option<Timestamp>) -> bool {
    match (coverage.and_then(|coverage| coverage.last), next) {
        (Some(last), Some(next)) => last >= next,
        _ => true,
    }
}

/// Why what the files of the node hold is not all: the oldest of several begins long after the container.
pub(super) fn gone_from_node(coverage: &Coverage, window: Window) -> Option<String> {
    let (first, started) = (coverage.first?, coverage.started?);
    let missing = first.duration_since(asked_from(started, window));
    (missing >= SOON).then(|| {
        format!(
            "the oldest file of the node begins at {first}, {} s after its container: older ones are gone",
            missing.as_secs()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coverage(started: &str, first: &str, last: &str, bytes: u64) -> Coverage {
        let moment = |text: &str| Some(text.parse().unwrap());
        Coverage {
            first: moment(first),
            last: moment(last),
            started: moment(started),
            bytes: Some(bytes),
            resource_version: None,
        }
    }

    #[test]
    fn a_busy_log_that_begins_late_was_rotated_and_a_quiet_one_may_have_been() {
        let (start, hour, end) = ("2026-01-02T00:00:00Z", "2026-01-02T01:00:00Z", "2026-01-02T02:00:00Z");
        let any = Window::default();
        let beginning = |coverage: &Coverage, window| beginning(coverage, window, end.parse().unwrap());
        let Beginning::Rotated(reason) = beginning(&coverage(start, hour, end, 9 << 20), any) else {
            panic!("not rotated")
        };
        assert!(reason.contains("3600 s after") && reason.contains("9.0 MiB"), "{reason}");
        assert!(matches!(beginning(&coverage(start, hour, end, 1 << 20), any), Beginning::Late(_)));
        assert_eq!(beginning(&coverage(start, start, end, 9 << 20), any), Beginning::Whole);
        let late = Window { since: end.parse().ok(), until: None };
        assert_eq!(
            beginning(&coverage(start, hour, end, 9 << 20), late),
            Beginning::Whole,
            "the window left the beginning out"
        );
        assert!(gone_from_node(&coverage(start, hour, end, 1), any).is_some());
        assert_eq!(gone_from_node(&coverage(start, start, end, 1), any), None);
    }

    #[test]
    fn an_empty_log_of_a_container_that_has_run_for_a_while_may_have_been_rotated() {
        let (start, hour) = ("2026-01-02T00:00:00Z", "2026-01-02T01:00:00Z");
        let empty = Coverage { started: start.parse().ok(), ..Coverage::default() };
        let read_at = |window, read: &str| beginning(&empty, window, read.parse().unwrap());
        let Beginning::Late(reason) = read_at(Window::default(), hour) else { panic!("whole") };
        assert!(reason.contains("empty") && reason.contains("--node-logs"), "{reason}");
        assert_eq!(read_at(Window::default(), "2026-01-02T00:00:05Z"), Beginning::Whole, "it has just begun");
        let late = Window { since: hour.parse().ok(), until: None };
        assert_eq!(read_at(late, "2026-01-02T01:00:05Z"), Beginning::Whole, "hardly anything was asked for");
        assert_eq!(beginning(&Coverage::default(), late, hour.parse().unwrap()), Beginning::Whole, "it never began");
    }
}
