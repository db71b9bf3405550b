//! The time as a value, so that tests can move it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Where the time comes from: the system, or a test's hand.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    #[default]
    System,
    /// Seconds since 1970 that a test sets.
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// Seconds since 1970. For records and lifetimes; a clock that is set moves it.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks the system"
    )]
    pub fn unix(&self) -> u64 {
        match self {
            Self::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
            Self::Manual(seconds) => seconds.load(Ordering::Relaxed),
        }
    }

    /// For deadlines: never goes back, whatever is done to the system's clock.
    pub fn monotonic(&self) -> Instant {
        Instant::now()
    }
}
