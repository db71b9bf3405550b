//! Keeps one source from filling a log: beyond its share its events are only counted.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Most events of one source in one [`WINDOW`] that are told one by one.
const SHARE: u32 = 20;
const WINDOW: Duration = Duration::from_mins(1);
/// Most sources that are told apart; beyond it they share one share.
const MAX_SOURCES: usize = 1024;

/// What has been told of each source.
#[derive(Debug, Default)]
pub struct Flood {
    sources: HashMap<String, Seen>,
}

#[derive(Debug)]
struct Seen {
    since: Instant,
    count: u32,
}

impl Flood {
    /// Whether the next event of `source` is to be told.
    pub fn admits(&mut self, source: &str, now: Instant) -> bool {
        let known = self.sources.contains_key(source);
        let source = if known || self.sources.len() < MAX_SOURCES {
            source
        } else {
            "others"
        };
        let seen = self.sources.entry(source.to_owned()).or_insert(Seen {
            since: now,
            count: 0,
        });
        seen.count = seen.count.saturating_add(1);
        seen.count <= SHARE
    }

    /// The sources whose time is over, and how many events of each were not told.
    pub fn over(&mut self, now: Instant) -> Vec<(String, u32)> {
        let over = |seen: &Seen| now.saturating_duration_since(seen.since) >= WINDOW;
        let ended = self.sources.extract_if(|_, seen| over(seen));
        ended
            .filter(|(_, seen)| seen.count > SHARE)
            .map(|(source, seen)| (source, seen.count - SHARE))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_others_are_heard() {
        let (mut flood, now) = (Flood::default(), Instant::now());
        let told = (0..1000).filter(|_| flood.admits("evil", now)).count();
        assert_eq!(told, 20);
        assert!(flood.admits("good", now));
        assert_eq!(flood.over(now), []);
        assert_eq!(flood.over(now + WINDOW), [("evil".to_owned(), 980)]);
        assert!(flood.admits("evil", now + WINDOW));
    }

    #[test]
    fn sources_without_number_take_bounded_room() {
        let (mut flood, now) = (Flood::default(), Instant::now());
        let told = (0..100_000).filter(|n| flood.admits(&n.to_string(), now));
        assert!(told.count() <= MAX_SOURCES + 20);
        assert!(flood.sources.len() <= MAX_SOURCES + 1);
    }
}
