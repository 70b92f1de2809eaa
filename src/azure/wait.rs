//! Waiting, as an edge that can be replaced: code that waits for a state asks a [`Sleeper`], and counts what it asked for.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use async_trait::async_trait;

/// Something that can let time pass.
#[async_trait]
pub trait Sleeper: Send + Sync {
    /// Returns after the duration.
    async fn sleep(&self, duration: Duration);

    /// The time since some fixed moment; grows by at least what was slept.
    fn now(&self) -> Duration {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed()
    }
}

/// Real time.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioSleeper;

#[async_trait]
impl Sleeper for TokioSleeper {
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// How often to ask again where the service does not say, and when to give up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The first pause; each next one is twice as long.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// How long to wait for one thing in total. Azure's slowest documented state takes 30 minutes (role propagation).
    pub patience: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), longest: Duration::from_secs(20), patience: Duration::from_secs(30 * 60) }
    }
}

impl Pace {
    /// The pause before the attempt number `attempt` is repeated, counted from 0.
    pub fn pause(&self, attempt: u32) -> Duration {
        self.first.saturating_mul(2u32.saturating_pow(attempt)).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let seconds: Vec<_> = [0, 1, 2, 6, 4_000_000].map(|attempt| Pace::default().pause(attempt).as_secs()).into();
        assert_eq!(seconds, [1, 2, 4, 20, 20]);
    }
}
