//! Slows down who guesses passwords: by name and by address, whatever the front says. This
//! machine's own address is everybody's on it, and is no reason to keep one waiting for another. Those
//! whom a proxy hides are `0.0.0.0` to the front, and one address.
//!
//! Up to `tries_per_minute` wrong passwords within a minute are answered as they come. From
//! then on each further one doubles a wait (1, 2, 4, … 60 s) during which no try is looked at.
//! A try counts as wrong from its beginning until it turns out right, so that many at once are
//! no way around it.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::model::network;

/// The window in which wrong passwords are counted.
const WINDOW: Duration = Duration::from_mins(1);
/// The longest wait.
const LONGEST: Duration = Duration::from_mins(1);
/// After so long without a wrong password everything is forgotten.
const FORGET: Duration = Duration::from_mins(10);
/// Most names and addresses that are remembered; beyond it the quietest is forgotten.
const MAX_ENTRIES: usize = 20_000;
/// Most wrong passwords of one name or address that are remembered.
const MAX_TRIES: usize = 256;

/// What is counted: a name, or where tries come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Name(String),
    Address(IpAddr),
}

#[derive(Debug)]
struct Entry {
    /// When the wrong passwords of the last minute were tried.
    tries: VecDeque<Instant>,
    /// Tries that have been let through and have not turned out right or wrong.
    undecided: usize,
    /// Wrong passwords beyond what is allowed in a minute.
    strikes: u32,
    blocked_until: Instant,
    last: Instant,
}

#[derive(Debug, Default)]
pub(crate) struct Throttle {
    entries: HashMap<Key, Entry>,
}

/// A try that was let through. Give it back to [`Throttle::right`] or [`Throttle::wrong`].
#[derive(Debug)]
pub(crate) struct Try {
    keys: Vec<Key>,
    began: Instant,
}

impl Throttle {
    /// Lets a try through, or says how many seconds to wait before the next.
    pub(crate) fn admit(
        &mut self,
        name: &str,
        peer: IpAddr,
        tries_per_minute: u32,
        now: Instant,
    ) -> Result<Try, u32> {
        let mut keys = vec![Key::Name(name.to_owned())];
        if !peer.to_canonical().is_loopback() {
            keys.push(Key::Address(network(peer)));
        }
        let allowed = usize::try_from(tries_per_minute).unwrap_or(MAX_TRIES);
        let mut wait = Duration::ZERO;
        for key in &keys {
            if let Some(entry) = self.entries.get_mut(key) {
                wait = wait.max(entry.wait(allowed.clamp(1, MAX_TRIES), now));
            }
        }
        if wait > Duration::ZERO {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            return Err(u32::try_from(seconds).unwrap_or(u32::MAX));
        }
        for key in &keys {
            self.make_room(key, now);
            let entry = self.entries.entry(key.clone()).or_insert_with(|| Entry {
                tries: VecDeque::new(),
                undecided: 0,
                strikes: 0,
                blocked_until: now,
                last: now,
            });
            entry.tries.push_back(now);
            entry.undecided += 1;
            entry.last = now;
            while entry.tries.len() > MAX_TRIES {
                entry.tries.pop_front();
            }
        }
        Ok(Try { keys, began: now })
    }

    /// It was the right password: the try never was.
    pub(crate) fn right(&mut self, done: &Try) {
        for key in &done.keys {
            let Some(entry) = self.entries.get_mut(key) else {
                continue;
            };
            entry.decided();
            if let Some(index) = entry.tries.iter().rposition(|at| *at == done.began) {
                entry.tries.remove(index);
            }
        }
    }

    /// It was wrong, and is told so `now`: the wait, if there is one, begins.
    pub(crate) fn wrong(&mut self, done: &Try, tries_per_minute: u32, now: Instant) {
        let allowed = usize::try_from(tries_per_minute).unwrap_or(MAX_TRIES);
        for key in &done.keys {
            if let Some(entry) = self.entries.get_mut(key) {
                entry.decided();
                entry.forget_old(now);
                entry.last = now;
                if entry.tries.len() >= allowed.clamp(1, MAX_TRIES) {
                    let wait = Duration::from_secs(1 << entry.strikes.min(6)).min(LONGEST);
                    entry.strikes = entry.strikes.saturating_add(1);
                    entry.blocked_until = entry.blocked_until.max(now + wait);
                }
            }
        }
    }

    /// Keeps the table bounded: what is forgotten anyway goes first, then the quietest.
    fn make_room(&mut self, key: &Key, now: Instant) {
        if self.entries.len() < MAX_ENTRIES || self.entries.contains_key(key) {
            return;
        }
        self.entries
            .retain(|_, entry| now.saturating_duration_since(entry.last) < FORGET);
        if self.entries.len() >= MAX_ENTRIES {
            let quietest = self.entries.iter().min_by_key(|(_, entry)| entry.last);
            if let Some(quietest) = quietest.map(|(key, _)| key.clone()) {
                self.entries.remove(&quietest);
            }
        }
    }
}

impl Entry {
    /// The entry may have been forgotten and made anew while the try was on its way.
    fn decided(&mut self) {
        self.undecided = self.undecided.saturating_sub(1);
    }

    fn forget_old(&mut self, now: Instant) {
        while let Some(oldest) = self.tries.front()
            && now.saturating_duration_since(*oldest) >= WINDOW
        {
            self.tries.pop_front();
        }
        if now.saturating_duration_since(self.last) >= FORGET {
            self.strikes = 0;
        }
    }

    fn wait(&mut self, allowed: usize, now: Instant) -> Duration {
        self.forget_old(now);
        let blocked = self.blocked_until.saturating_duration_since(now);
        // As many as are allowed are on their way and not one has turned out right or wrong;
        // after a strike they are looked at one by one, or the wait would be for none of them.
        let all_undecided = if self.strikes == 0 {
            self.tries.len().max(self.undecided) >= allowed
        } else {
            self.undecided > 0
        };
        if all_undecided {
            blocked.max(Duration::from_secs(1))
        } else {
            blocked
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// A throttle for five wrong passwords a minute and a clock that the test moves.
    struct Door {
        throttle: Throttle,
        now: Instant,
    }

    impl Door {
        fn new() -> Self {
            let (throttle, now) = (Throttle::default(), Instant::now());
            Self { throttle, now }
        }

        fn wrong(&mut self, name: &str, peer: IpAddr) -> Result<(), u32> {
            let tried = self.throttle.admit(name, peer, 5, self.now)?;
            self.throttle.wrong(&tried, 5, self.now);
            Ok(())
        }

        fn wait(&mut self, seconds: u64) {
            self.now += Duration::from_secs(seconds);
        }
    }

    #[test]
    fn the_sixth_wrong_password_in_a_minute_waits_and_each_next_one_twice_as_long() {
        let mut door = Door::new();
        for _ in 0..5 {
            door.wrong("alice", HERE).unwrap();
        }
        for seconds in [1, 2, 4, 8] {
            assert_eq!(door.wrong("alice", HERE), Err(seconds));
            door.wait(u64::from(seconds));
            door.wrong("alice", HERE).unwrap();
        }
    }

    #[test]
    fn waits_end_at_a_minute() {
        let mut door = Door::new();
        let mut longest = 0;
        for _ in 0..200 {
            if let Err(seconds) = door.wrong("alice", HERE) {
                longest = longest.max(seconds);
                door.wait(1);
            }
        }
        assert!((16..=60).contains(&longest), "{longest}");
    }

    #[test]
    fn a_name_is_slowed_from_every_address_and_an_address_for_every_name() {
        let mut door = Door::new();
        for last in 1..=5 {
            door.wrong("alice", IpAddr::from([192, 0, 2, last]))
                .unwrap();
        }
        assert!(door.wrong("alice", IpAddr::from([192, 0, 2, 9])).is_err());
        let mut door = Door::new();
        for name in ["a", "b", "c", "d", "e"] {
            door.wrong(name, "2001:db8::1".parse().unwrap()).unwrap();
        }
        let neighbour = "2001:db8::ffff:2".parse().unwrap();
        assert!(door.wrong("f", neighbour).is_err(), "the same /64");
        let other = "2001:db8:0:1::1".parse().unwrap();
        assert!(door.wrong("f", other).is_ok());
    }

    #[test]
    fn who_guesses_on_this_machine_locks_only_that_name() {
        for here in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            let mut door = Door::new();
            let here = here.parse().unwrap();
            for number in 0..50 {
                door.wrong(&format!("n{number}"), here).unwrap();
            }
            for _ in 0..5 {
                door.wrong("alice", here).unwrap();
            }
            assert!(door.wrong("alice", here).is_err());
            assert!(door.wrong("bob", here).is_ok());
        }
    }

    #[test]
    fn all_who_come_by_a_proxy_that_hides_them_are_slowed_down_together() {
        let mut door = Door::new();
        let hidden = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        for number in 0..5 {
            door.wrong(&format!("n{number}"), hidden).unwrap();
        }
        assert!(door.wrong("alice", hidden).is_err());
        assert!(door.wrong("alice", HERE).is_ok());
    }

    #[test]
    fn right_passwords_do_not_count() {
        let mut door = Door::new();
        for _ in 0..50 {
            let tried = door.throttle.admit("alice", HERE, 5, door.now).unwrap();
            door.throttle.right(&tried);
        }
        assert!(door.wrong("alice", HERE).is_ok());
    }

    #[test]
    fn tries_at_once_are_no_way_around() {
        let mut door = Door::new();
        let admit = |door: &mut Door| door.throttle.admit("alice", HERE, 5, door.now);
        let tries: Vec<Try> = (0..5).map(|_| admit(&mut door).unwrap()).collect();
        assert!(admit(&mut door).is_err());
        for tried in &tries {
            door.throttle.right(tried);
        }
        assert!(admit(&mut door).is_ok());
    }

    #[test]
    fn after_a_strike_tries_are_let_through_one_by_one() {
        let mut door = Door::new();
        for _ in 0..5 {
            door.wrong("alice", HERE).unwrap();
        }
        for seconds in [1, 2, 4] {
            door.wait(seconds);
            let admit = |door: &mut Door| door.throttle.admit("alice", HERE, 5, door.now);
            let tried = admit(&mut door).unwrap();
            assert!(admit(&mut door).is_err());
            door.throttle.wrong(&tried, 5, door.now);
        }
        door.wait(8);
        let tried = door.throttle.admit("alice", HERE, 5, door.now).unwrap();
        door.throttle.right(&tried);
        assert!(door.wrong("alice", HERE).is_ok());
    }

    #[test]
    fn the_table_is_bounded() {
        let mut door = Door::new();
        for number in 0..u32::try_from(MAX_ENTRIES).unwrap() + 100 {
            door.wrong(&format!("n{number}"), IpAddr::from(number.to_be_bytes()))
                .unwrap();
            if number % 1000 == 0 {
                door.wait(1);
            }
        }
        assert!(door.throttle.entries.len() <= MAX_ENTRIES);
    }
}
