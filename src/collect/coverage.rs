//! How much of a log was there to be read. The log endpoint serves the newest file of a container only: what was rotated before is not in
//! it, and nothing in the answer says so. Pure.

use jiff::SignedDuration;

use crate::{
    bundle::{Coverage, Window},
    ui::size,
};

/// A log that begins this soon after its container began is whole.
const SOON: SignedDuration = SignedDuration::from_secs(60);
/// Kubelets rotate at 10 MiB unless they are told otherwise (`containerLogMaxSize`); somewhat less is taken as a sign of it.
const ROTATED: f64 = 8.0 * 1024.0 * 1024.0;

/// Why a log that was read to its end is probably not whole: it begins long after its container, and at the rate at which it grew since
/// then the time before would have filled a file. None when nothing speaks for that, or when the window leaves the beginning out.
pub(super) fn rotated_away(coverage: &Coverage, window: Window) -> Option<String> {
    let (first, last, started) = (coverage.first?, coverage.last?, coverage.started?);
    let missing = first.duration_since(started);
    if missing < SOON || window.since.is_some_and(|since| since > started) {
        return None;
    }
    let seen = last.duration_since(first).as_secs_f64().max(1.0);
    let bytes = coverage.bytes? as f64 / seen * missing.as_secs_f64();
    (bytes >= ROTATED).then(|| {
        format!(
            "the log begins at {first}, {} s after the container; at the rate at which it grew since then some {} came before: they were rotated \
             away, and --node-logs reads what of them is still on the node",
            missing.as_secs(),
            size(bytes as u64)
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
    fn a_busy_log_that_begins_late_was_rotated_and_a_quiet_one_was_not() {
        let (start, hour, end) = ("2026-01-02T00:00:00Z", "2026-01-02T01:00:00Z", "2026-01-02T02:00:00Z");
        let any = Window::default();
        let reason = rotated_away(&coverage(start, hour, end, 9 << 20), any).unwrap();
        assert!(reason.contains("3600 s after") && reason.contains("9.0 MiB"), "{reason}");
        assert_eq!(rotated_away(&coverage(start, hour, end, 1 << 20), any), None, "it just said little at first");
        assert_eq!(rotated_away(&coverage(start, start, end, 9 << 20), any), None);
        let late = Window { since: end.parse().ok(), until: None };
        assert_eq!(rotated_away(&coverage(start, hour, end, 9 << 20), late), None, "the window left the beginning out");
    }
}
