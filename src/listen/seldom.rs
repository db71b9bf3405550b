//! Lines in the log that anybody outside can cause.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One line, then none for so long.
const PAUSE: Duration = Duration::from_secs(10);

/// Lets one line through, and counts those that come soon after it.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    left_out: u64,
}

impl Seldom {
    pub const fn new() -> Self {
        Self(Mutex::new(State {
            last: None,
            left_out: 0,
        }))
    }

    /// Whether a line may be written at `now`: then how many have been left out since the last.
    pub fn at(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let soon = |last: Instant| now.saturating_duration_since(last) < PAUSE;
        if state.last.is_some_and(soon) {
            state.left_out += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_lines_one_is_written_and_the_next_tells_of_the_others() {
        let seldom = Seldom::new();
        let start = Instant::now();
        assert_eq!(seldom.at(start), Some(0));
        assert_eq!(seldom.at(start), None);
        assert_eq!(seldom.at(start + PAUSE / 2), None);
        assert_eq!(seldom.at(start + PAUSE), Some(2));
        assert_eq!(seldom.at(start + PAUSE * 2), Some(0));
    }
}
