//! Which deeds are entries of their own, and which are only counted: the log's room is bounded, and
//! nobody may push out of it what others did.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::entry::{Entry, Outcome, What};
use super::flood::Flood;
use crate::model::network;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
/// Of what is refused to people who are signed in, so many a minute of each, and so many of all.
const REFUSED: u32 = 20;
const REFUSED_TO_ALL: u32 = 1000;
/// Of what goes well, so many a minute of one person, deed and desktop, and so many of all.
const DONE: u32 = 60;
const DONE_BY_ALL: u32 = 6000;
/// Most people and desktops that are told apart in an hour.
const HOURLY: u32 = 10_000;

/// How much of each share is used up.
#[derive(Debug)]
pub(super) struct Shares {
    /// Of those who are not signed in: they have as many networks as they pay for.
    strangers: Flood,
    refused: Flood,
    done: Flood,
    /// What the front says, which may say anything.
    left: Flood,
    hourly: Flood,
}

impl Default for Shares {
    fn default() -> Self {
        Self {
            strangers: Flood::default(),
            refused: Flood::new(REFUSED, REFUSED_TO_ALL, MINUTE),
            done: Flood::new(DONE, DONE_BY_ALL, MINUTE),
            left: Flood::new(DONE, DONE_BY_ALL, MINUTE),
            hourly: Flood::new(1, HOURLY, HOUR),
        }
    }
}

impl Shares {
    /// Whether `entry` is to be kept. What root does and what Deskway does by itself always is.
    pub(super) fn admit(&mut self, entry: &Entry, now: Instant) -> bool {
        if entry.uid == Some(0) || entry.is_by_deskway() && entry.what != What::WatchEnd {
            return true;
        }
        let source = source(entry);
        self.flood(entry).admits(&source, now)
    }

    /// The same of what goes on all the time: kept once an hour, and nobody is told how often it was.
    pub(super) fn admit_hourly(&mut self, entry: &Entry, now: Instant) -> bool {
        let of = (source(entry), entry.outcome.word());
        self.hourly.admits(&format!("{} {}", of.0, of.1), now) && self.admit(entry, now)
    }

    /// What was left out within the minutes that are over, and how often.
    pub(super) fn over(&mut self, now: Instant) -> Vec<(String, u32)> {
        self.hourly.over(now);
        let mut told = self.strangers.over(now);
        told.extend(self.refused.over(now));
        told.extend(self.done.over(now));
        told.extend(self.left.over(now));
        told
    }

    fn flood(&mut self, entry: &Entry) -> &mut Flood {
        match entry.outcome {
            Outcome::Ok if entry.what == What::WatchEnd => &mut self.left,
            Outcome::Ok => &mut self.done,
            Outcome::Refused | Outcome::Failed if is_strangers(entry) => &mut self.strangers,
            Outcome::Refused | Outcome::Failed => &mut self.refused,
        }
    }
}

/// Whoever is refused this need not have signed in.
fn is_strangers(entry: &Entry) -> bool {
    matches!(entry.what, What::SignIn | What::SetUp)
}

/// What shares one share, in words.
fn source(entry: &Entry) -> String {
    let (what, who) = (entry.what.word(), &entry.who);
    match (&entry.desktop, entry.outcome) {
        (_, Outcome::Refused | Outcome::Failed) if is_strangers(entry) => {
            let peer = entry.origin.parse::<IpAddr>().map(network);
            let from = peer.map_or_else(|_| entry.origin.clone(), |peer| peer.to_string());
            format!("{what} from {from}")
        }
        (Some(desktop), Outcome::Ok) => format!("{what} of {desktop} by {who}"),
        // Whoever asks for what they must not may name any desktop.
        _ => format!("{what} by {who}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(shares: &mut Shares, count: u32, entry: impl Fn(u32) -> Entry) -> usize {
        let now = Instant::now();
        (0..count).filter(|n| shares.admit(&entry(*n), now)).count()
    }

    #[test]
    fn what_goes_well_again_and_again_is_counted_and_the_same_of_others_is_kept() {
        let mut shares = Shares::default();
        let by = |who| Entry::new(1, who, "192.0.2.7", What::Keep).on("alice");
        assert_eq!(kept(&mut shares, 100_000, |_| by("alice")), 60);
        assert_eq!(kept(&mut shares, 1, |_| by("admin")), 1);
        let told = shares.over(Instant::now() + MINUTE);
        assert_eq!(told, [("keep of alice by alice".to_owned(), 99_940)]);
    }

    #[test]
    fn root_s_and_deskway_s_own_deeds_are_kept_always() {
        let mut shares = Shares::default();
        let root = |_| Entry::here(1, "root", 0, What::Stop).on("alice");
        assert_eq!(kept(&mut shares, 10_000, root), 10_000);
        let ended = |_| Entry::by_deskway(1, What::Ended).on("alice");
        assert_eq!(kept(&mut shares, 10_000, ended), 10_000);
        let user = |_| Entry::here(1, "alice", 1000, What::Stop).on("alice");
        assert_eq!(kept(&mut shares, 10_000, user), 60);
    }

    #[test]
    fn a_whole_network_of_strangers_has_one_share_and_all_networks_have_one() {
        let mut shares = Shares::default();
        let from = |address: String| {
            let entry = Entry::new(1, "(unknown name)", &address, What::SignIn);
            entry.went(Outcome::Refused, "wrong")
        };
        let near = |n| from(format!("2001:db8::{n:x}"));
        assert_eq!(kept(&mut shares, 10_000, near), 20);
        let far = |n| from(format!("2001:db8:{:x}:{:x}::1", n / 5000 + 1, n % 5000));
        assert_eq!(kept(&mut shares, 100_000, far), 280);
        let good = |_| Entry::new(1, "alice", "2001:db8::1", What::SignIn);
        assert_eq!(kept(&mut shares, 1, good), 1);
        let other = |_| good(1).went(Outcome::Refused, "none of theirs");
        let other = |n| Entry {
            what: What::Watch,
            ..other(n)
        };
        assert_eq!(kept(&mut shares, 1, other), 1, "who is signed in is heard");
    }

    #[test]
    fn who_looks_at_what_is_kept_however_many_are_behind_one_address() {
        let mut shares = Shares::default();
        let watch = |n| Entry::new(1, &format!("p{n}"), "0.0.0.0", What::Watch).on(format!("p{n}"));
        assert_eq!(kept(&mut shares, 500, watch), 500);
        let end = |n| Entry::by_deskway(1, What::WatchEnd).on(format!("p{n}"));
        assert_eq!(kept(&mut shares, 500, end), 500);
        // Whoever opens their own again and again covers nobody's.
        assert_eq!(kept(&mut shares, 1000, |_| watch(1)), 59);
        assert_eq!(kept(&mut shares, 1000, |_| end(1)), 59);
        assert_eq!(kept(&mut shares, 1, |_| watch(2)), 1);
        assert_eq!(kept(&mut shares, 1, |_| end(2)), 1);
    }

    #[test]
    fn a_picture_is_kept_once_an_hour_and_a_refused_one_hides_none() {
        let (mut shares, now) = (Shares::default(), Instant::now());
        let look = Entry::new(1, "alice", "::1", What::Watch).on("alice");
        let refused = look.clone().went(Outcome::Refused, "it does not run");
        assert!(shares.admit_hourly(&refused, now));
        assert!(shares.admit_hourly(&look, now));
        assert!(!shares.admit_hourly(&look, now + MINUTE * 59));
        assert_eq!(shares.over(now + HOUR), []);
        assert!(shares.admit_hourly(&look, now + HOUR));
    }
}
