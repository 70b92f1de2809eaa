//! Waiting and chance, as an edge that tests replace.

use std::time::Duration;

use async_trait::async_trait;

/// Lets time pass and rolls the dice.
#[async_trait]
pub trait Pace: Send + Sync {
    /// Returns after the duration.
    async fn sleep(&self, duration: Duration);
    /// A random number from 0 up to 1.
    fn jitter(&self) -> f64;
}

/// Real time and real chance.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealPace;

#[async_trait]
impl Pace for RealPace {
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn jitter(&self) -> f64 {
        let random = uuid::Uuid::new_v4().as_u64_pair().0;
        (random >> 16 & 0xffff_ffff) as f64 / 4_294_967_296.0
    }
}
