//! The way to one data collection rule, whose limits hold for all requests together: the quota a minute, how many requests at
//! once, and pauses that the service asked for.
//!
//! How many at once adapts: each 429 halves it, once for all requests that were under way together; each body that is taken
//! adds a share, so that a full round adds one, up to what `--concurrency` allows.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use super::quota::Quota;
use crate::azure::Sleeper;

/// The requests to one rule.
#[derive(Debug)]
pub(super) struct Lane {
    state: Mutex<LaneState>,
    changed: Notify,
}

#[derive(Debug)]
struct LaneState {
    pace: Pace,
    quota: Quota,
    /// Nothing is sent before this moment, because the service asked for it.
    closed_until: Duration,
}

/// Leave to send one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leave(u64);

/// Whether a request may be sent.
#[derive(Debug, PartialEq, Eq)]
enum Admission {
    Now(Leave),
    After(Duration),
    WhenAnotherEnds,
}

impl Lane {
    /// A lane for at most `most` requests at once and so many bytes a minute.
    pub(super) fn new(most: usize, bytes_per_minute: Option<u64>) -> Self {
        let state =
            LaneState { pace: Pace::new(most), quota: Quota::new(bytes_per_minute), closed_until: Duration::ZERO };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    /// Waits until a request of `bytes` may be sent. `tell` is called with every pause that is not for another request's end.
    pub(super) async fn enter(&self, clock: &dyn Sleeper, bytes: u64, tell: impl Fn(Duration)) -> Leave {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let admission = self.state().admit(clock.now(), bytes);
            match admission {
                Admission::Now(leave) => return leave,
                Admission::After(pause) => {
                    tell(pause);
                    clock.sleep(pause).await;
                }
                Admission::WhenAnotherEnds => changed.await,
            }
        }
    }

    /// A request has ended.
    pub(super) fn left(&self, leave: Leave, is_throttled: bool) {
        self.state().pace.end(leave, is_throttled);
        self.changed.notify_waiters();
    }

    /// Nothing is sent for a while.
    pub(super) fn close_for(&self, clock: &dyn Sleeper, pause: Duration) {
        let mut state = self.state();
        state.closed_until = state.closed_until.max(clock.now() + pause);
    }

    fn state(&self) -> MutexGuard<'_, LaneState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LaneState {
    fn admit(&mut self, now: Duration, bytes: u64) -> Admission {
        if let Some(pause) = self.closed_until.checked_sub(now).filter(|pause| !pause.is_zero()) {
            return Admission::After(pause);
        }
        if !self.pace.is_free() {
            return Admission::WhenAnotherEnds;
        }
        match self.quota.take(now, bytes) {
            Ok(()) => Admission::Now(self.pace.begin()),
            Err(pause) => Admission::After(pause),
        }
    }
}

/// How many requests at once: additive increase, multiplicative decrease.
#[derive(Debug)]
struct Pace {
    most: f64,
    allowed: f64,
    under_way: u32,
    /// Counts the decreases; a request that was begun before the last one says nothing new.
    epoch: u64,
}

impl Pace {
    fn new(most: usize) -> Self {
        let most = f64::from(u32::try_from(most.max(1)).unwrap_or(u32::MAX));
        Self { most, allowed: most, under_way: 0, epoch: 0 }
    }

    fn is_free(&self) -> bool {
        f64::from(self.under_way + 1) <= self.allowed
    }

    fn begin(&mut self) -> Leave {
        self.under_way += 1;
        Leave(self.epoch)
    }

    fn end(&mut self, leave: Leave, is_throttled: bool) {
        self.under_way = self.under_way.saturating_sub(1);
        if !is_throttled {
            self.allowed = (self.allowed + 1.0 / self.allowed).min(self.most);
        } else if leave.0 == self.epoch {
            self.allowed = (self.allowed / 2.0).max(1.0);
            self.epoch += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Begins as many as are allowed.
    fn fill(pace: &mut Pace) -> Vec<Leave> {
        std::iter::from_fn(|| pace.is_free().then(|| pace.begin())).collect()
    }

    #[test]
    fn throttling_halves_once_and_success_adds_one_a_round() {
        let mut pace = Pace::new(8);
        let mut under_way = |throttled: bool| {
            let round = fill(&mut pace);
            round.iter().for_each(|leave| pace.end(*leave, throttled));
            round.len()
        };
        assert_eq!([true, true, true, true, false].map(&mut under_way), [8, 4, 2, 1, 1]);
        let rounds: Vec<_> = (0..12).map(|_| under_way(false)).collect();
        assert_eq!(rounds.first(), Some(&2));
        assert!(rounds.is_sorted() && rounds.last() == Some(&8), "{rounds:?}");
    }

    #[test]
    fn a_closed_lane_and_a_spent_quota_wait() {
        let second = Duration::from_secs;
        let lane = Lane::new(2, Some(100));
        let mut state = lane.state();
        state.closed_until = second(5);
        assert_eq!(state.admit(second(2), 60), Admission::After(second(3)));
        assert!(matches!(state.admit(second(5), 60), Admission::Now(_)));
        assert_eq!(state.admit(second(6), 60), Admission::After(second(59)));
        assert!(matches!(state.admit(second(6), 40), Admission::Now(_)));
        assert_eq!(state.admit(second(66), 40), Admission::WhenAnotherEnds);
    }
}
