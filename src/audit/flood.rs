//! Keeps one source, and all sources together, from filling a log: beyond their share events are
//! only counted.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// What the events of too many sources go by.
const OTHERS: &str = "others";

/// What has been told of each source.
#[derive(Debug)]
pub struct Flood {
    /// Most events of one source in one window that are told one by one.
    share: u32,
    /// Most of all sources together, and most sources that are told apart.
    overall: u32,
    window: Duration,
    sources: HashMap<String, Seen>,
    all: Option<Seen>,
}

#[derive(Debug)]
struct Seen {
    since: Instant,
    told: u32,
    left_out: u32,
}

impl Default for Flood {
    /// For what anybody can cause: twenty a minute of each, 300 of all.
    fn default() -> Self {
        Self::new(20, 300, Duration::from_mins(1))
    }
}

impl Flood {
    /// Tells `share` events of one source in a `window`, and `overall` of all of them.
    pub fn new(share: u32, overall: u32, window: Duration) -> Self {
        Self {
            share,
            overall,
            window,
            sources: HashMap::new(),
            all: None,
        }
    }

    /// Whether the next event of `source` is to be told.
    pub fn admits(&mut self, source: &str, now: Instant) -> bool {
        let has_room = self.sources.len() < usize::try_from(self.overall).unwrap_or(usize::MAX);
        let source = if has_room || self.sources.contains_key(source) {
            source
        } else {
            OTHERS
        };
        let seen = self.sources.entry(source.to_owned());
        let all = || Seen::since(now);
        seen.or_insert_with(all).takes(self.share)
            && self.all.get_or_insert_with(all).takes(self.overall)
    }

    /// The sources whose time is over, and how many events of each were not told.
    pub fn over(&mut self, now: Instant) -> Vec<(String, u32)> {
        let is_over = |seen: &Seen| now.saturating_duration_since(seen.since) >= self.window;
        let all = self.all.take_if(|all| is_over(all));
        let all = all.map(|seen| (OTHERS.to_owned(), seen));
        let ended = self.sources.extract_if(|_, seen| is_over(seen));
        ended
            .chain(all)
            .filter(|(_, seen)| seen.left_out > 0)
            .map(|(source, seen)| (source, seen.left_out))
            .collect()
    }
}

impl Seen {
    fn since(now: Instant) -> Self {
        Self {
            since: now,
            told: 0,
            left_out: 0,
        }
    }

    fn takes(&mut self, most: u32) -> bool {
        let takes = self.told < most;
        let count = if takes {
            &mut self.told
        } else {
            &mut self.left_out
        };
        *count = count.saturating_add(1);
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_mins(1);

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
    fn sources_without_number_take_bounded_room_and_have_one_share_together() {
        let (mut flood, now) = (Flood::default(), Instant::now());
        let told = (0..100_000).filter(|n| flood.admits(&(n % 50_000).to_string(), now));
        assert_eq!(told.count(), 300);
        assert!(flood.sources.len() <= 301);
        let left_out: u32 = flood.over(now + WINDOW).iter().map(|(_, n)| n).sum();
        assert_eq!(left_out, 100_000 - 300);
        assert!(flood.admits("0", now + WINDOW));
    }
}
