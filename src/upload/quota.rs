//! The quota of a data collection rule: so many requests and bytes a minute
//! (<https://learn.microsoft.com/azure/azure-monitor/fundamentals/service-limits#logs-ingestion-api>).
//!
//! Pure: time is handed in, as the duration since any fixed moment. No minute, wherever it begins, sees more than the quota,
//! for it is not documented how the service counts. What that means for a size is the caller's: Microsoft does not say whether
//! bytes are counted before or after compression.

use std::{collections::VecDeque, time::Duration};

/// Requests a minute, as documented.
const REQUESTS: u64 = 12_000;
const MINUTE: Duration = Duration::from_secs(60);
/// Requests that were begun within this time are remembered as one.
const SLOT: Duration = Duration::from_millis(500);

/// What a rule takes in a minute, and what it has taken.
#[derive(Debug)]
pub(super) struct Quota {
    bytes: u64,
    /// Oldest first.
    taken: VecDeque<Taken>,
}

#[derive(Clone, Copy, Debug)]
struct Taken {
    /// When the last request of the slot was begun.
    until: Duration,
    since: Duration,
    requests: u64,
    bytes: u64,
}

impl Quota {
    /// A quota of bytes a minute; none is no limit.
    pub(super) fn new(bytes: Option<u64>) -> Self {
        Self { bytes: bytes.unwrap_or(u64::MAX), taken: VecDeque::new() }
    }

    /// Takes one request of `bytes` from the quota, or says how long to wait before asking again.
    pub(super) fn take(&mut self, now: Duration, bytes: u64) -> Result<(), Duration> {
        while self.taken.front().is_some_and(|oldest| oldest.until + MINUTE <= now) {
            self.taken.pop_front();
        }
        let requests: u64 = self.taken.iter().map(|taken| taken.requests).sum();
        let sum: u64 = self.taken.iter().map(|taken| taken.bytes).sum();
        let fits = requests < REQUESTS && sum.saturating_add(bytes) <= self.bytes;
        // A body that is larger than the whole quota could never go.
        match self.taken.front() {
            Some(oldest) if !fits => return Err((oldest.until + MINUTE).saturating_sub(now)),
            _ => {}
        }
        match self.taken.back_mut() {
            Some(last) if now < last.since + SLOT => {
                last.until = now;
                last.requests += 1;
                last.bytes += bytes;
            }
            _ => self.taken.push_back(Taken { until: now, since: now, requests: 1, bytes }),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_minute_is_waited_for() {
        let mut quota = Quota::new(Some(100));
        let second = Duration::from_secs;
        assert_eq!(quota.take(second(0), 60), Ok(()));
        assert_eq!(quota.take(second(10), 40), Ok(()));
        assert_eq!(quota.take(second(20), 1), Err(second(40)));
        assert_eq!(quota.take(second(60), 1), Ok(()));
        assert_eq!(quota.take(second(61), 60), Err(second(9)));
        assert_eq!(Quota::new(Some(100)).take(second(0), 101), Ok(()), "what never fits goes alone");
    }

    #[test]
    fn requests_are_counted_too() {
        let mut quota = Quota::new(None);
        for _ in 0..REQUESTS {
            assert_eq!(quota.take(Duration::from_secs(1), 1), Ok(()));
        }
        assert_eq!(quota.take(Duration::from_secs(1), 1), Err(MINUTE));
    }

    proptest! {
        #[test]
        fn no_minute_sees_more_than_the_quota(steps in prop::collection::vec((0u64..9000, 1u64..50), 1..200)) {
            let (mut quota, mut now, mut sent) = (Quota::new(Some(100)), Duration::ZERO, Vec::new());
            for (pause, bytes) in steps {
                now += Duration::from_millis(pause);
                while let Err(wait) = quota.take(now, bytes) {
                    prop_assert!(!wait.is_zero());
                    now += wait;
                }
                sent.push((now, bytes));
                let minute: u64 = sent.iter().filter(|(at, _)| *at + MINUTE > now).map(|(_, bytes)| bytes).sum();
                prop_assert!(minute <= 100);
            }
        }
    }
}
