//! How long people's desktops have run today, for those whose hours are limited; kept over restarts
//! and the machine's too in STATE/usage.json.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use deskway_osuser::LocalDay;
use serde::{Deserialize, Serialize};

use super::place::write_whole;
use crate::model::UserName;

/// Most people whose hours are counted.
const MAX_PEOPLE: usize = 10_000;
/// Most bytes of the file.
const MAX_FILE: u64 = 4 << 20;
/// Between two writings.
const SAVE: Duration = Duration::from_mins(1);
/// So long before the end the person is told.
const NOTICE: Duration = Duration::from_mins(10);
/// What the person was told may be off by so many seconds before it is said anew.
const OFF: u64 = 30;
const DAY: u32 = 24 * 60 * 60;

/// What is to be done about the hours of a desktop that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    /// They will be used up then, seconds since 1970, and the person does not know it.
    Tell {
        when: u64,
    },
    /// What the person was told is not so.
    Withdraw,
    End,
}

/// What is due when `left` is left, and the person has been `told` when that will be used up, in
/// seconds since 1970; now is `unix`.
pub(crate) fn due(left: Duration, told: Option<u64>, unix: u64) -> Due {
    let when = unix + left.as_secs();
    match told {
        _ if left.is_zero() => Due::End,
        Some(_) if left > NOTICE => Due::Withdraw,
        Some(told) if told.abs_diff(when) <= OFF => Due::Nothing,
        None if left > NOTICE => Due::Nothing,
        Some(_) | None => Due::Tell { when },
    }
}

/// How long from now on nothing is due, if nothing else changes.
pub(crate) fn quiet(left: Duration, told: Option<u64>, unix: u64) -> Duration {
    match due(left, told, unix) {
        Due::Nothing if told.is_none() => left.saturating_sub(NOTICE),
        Due::Nothing => left,
        Due::Tell { .. } | Due::Withdraw | Due::End => Duration::ZERO,
    }
}

#[derive(Debug)]
pub(crate) struct Hours {
    path: PathBuf,
    kept: Kept,
    /// When it was last counted.
    counted: Instant,
    /// When the day ends, if nobody sets the clock.
    midnight: Instant,
    saved: Instant,
    is_saved: bool,
}

/// What stands in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    day: Day,
    used: Used,
    /// The clock's day when it was last looked at: an earlier one than `day` when it was set back.
    #[serde(default)]
    seen: Option<Day>,
    /// What was used on the day before: the clock may be set back to it.
    #[serde(default)]
    before: Option<(Day, Used)>,
}

/// Milliseconds.
type Used = BTreeMap<UserName, u64>;

/// A day of the machine's calendar, in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Day {
    year: i32,
    day: i32,
}

impl Kept {
    /// The clock shows that day; whether a new one has begun.
    ///
    /// A clock that was set back begins none, not even when it goes on to the day that it came
    /// from. When it passes a midnight by itself, that is one, wherever it has been before.
    fn turn_to(&mut self, today: Day) -> bool {
        let seen = self.seen.replace(today).unwrap_or(self.day);
        if today == self.day {
            return false;
        }
        if let Some((_, used)) = self.before.take_if(|(day, _)| *day == today) {
            let since = std::mem::replace(&mut self.used, used);
            for (person, time) in since {
                let used = self.used.entry(person).or_default();
                *used = used.saturating_add(time);
            }
            self.day = today;
            return false;
        }
        let is_new = today > seen;
        if is_new {
            self.before = Some((self.day, std::mem::take(&mut self.used)));
            self.day = today;
        }
        is_new
    }
}

impl Hours {
    /// A file that is none is set aside.
    pub(crate) fn load(path: PathBuf, now: Instant) -> Self {
        let kept = read(&path).unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                let aside = path.with_extension("broken");
                let moved = std::fs::rename(&path, &aside);
                let path = path.display();
                tracing::error!(%path, %error, ?moved, "the hours of today are lost: set aside");
            }
            Kept::default()
        });
        Self {
            path,
            kept,
            counted: now,
            midnight: now,
            saved: now,
            is_saved: true,
        }
    }

    /// The desktops of these have run since the last time, each desktop by itself.
    #[expect(
        single_use_lifetimes,
        reason = "it cannot be left out where a type is not named"
    )]
    pub(crate) fn count<'a>(
        &mut self,
        running: impl Iterator<Item = &'a UserName>,
        today: LocalDay,
        now: Instant,
    ) {
        let passed = now.saturating_duration_since(self.counted);
        self.counted = now;
        let second = today.second.min(DAY);
        self.midnight = now + Duration::from_secs((DAY - second).into());
        let today = Day {
            year: today.year,
            day: today.day,
        };
        let seen = self.kept.seen;
        let is_new = self.kept.turn_to(today);
        self.is_saved &= self.kept.seen == seen;
        let passed = if is_new {
            passed.min(Duration::from_secs(second.into()))
        } else {
            passed
        };
        let passed = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        for person in running {
            if self.kept.used.len() < MAX_PEOPLE || self.kept.used.contains_key(person) {
                let used = self.kept.used.entry(person.clone()).or_default();
                *used = used.saturating_add(passed);
                self.is_saved &= passed == 0;
            }
        }
    }

    /// How long a person's desktops have run today.
    pub(crate) fn used(&self, person: &UserName) -> Duration {
        Duration::from_millis(self.kept.used.get(person).copied().unwrap_or_default())
    }

    /// How long a person's desktops can go on who may have `limit` in a day, when so many run
    /// `together`: beyond midnight there is a day's more.
    pub(crate) fn left(
        &self,
        person: &UserName,
        limit: Duration,
        together: u32,
        now: Instant,
    ) -> Duration {
        let together = together.max(1);
        let today = limit.saturating_sub(self.used(person)) / together;
        let until_midnight = self.midnight.saturating_duration_since(now);
        if today.is_zero() || today < until_midnight {
            today
        } else {
            until_midnight + limit / together
        }
    }

    /// When the file is to be written, if anything has changed.
    pub(crate) fn next_save(&self) -> Option<Instant> {
        (!self.is_saved).then_some(self.saved + SAVE)
    }

    /// Writes the file when it is time to, or in any case.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn save(&mut self, now: Instant, in_any_case: bool) -> io::Result<()> {
        if self.is_saved || (!in_any_case && now < self.saved + SAVE) {
            return Ok(());
        }
        self.saved = now;
        self.is_saved = true;
        write_whole(&self.path, &serde_json::to_vec(&self.kept)?)
    }
}

fn read(path: &Path) -> io::Result<Kept> {
    if std::fs::symlink_metadata(path)?.len() > MAX_FILE {
        return Err(io::Error::other("it is too long"));
    }
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: LocalDay = LocalDay {
        year: 2026,
        day: 100,
        second: 40_000,
    };
    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn two_desktops_use_twice_the_time_and_a_restart_forgets_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("usage.json");
        let (alice, bob): (UserName, UserName) = ("alice".parse().unwrap(), "bob".parse().unwrap());
        let mut now = Instant::now();
        let mut hours = Hours::load(path.clone(), now);
        hours.count(std::iter::empty(), TODAY, now);
        now += MINUTE;
        hours.count([&alice, &alice, &bob].into_iter(), TODAY, now);
        assert_eq!(hours.used(&alice), 2 * MINUTE);
        assert_eq!(hours.used(&bob), MINUTE);
        hours.save(now, true).unwrap();
        assert_eq!(hours.next_save(), None);
        let mut hours = Hours::load(path, now);
        assert_eq!(hours.used(&alice), 2 * MINUTE);

        now += 30 * MINUTE;
        let tomorrow = LocalDay {
            day: 101,
            second: 60,
            ..TODAY
        };
        hours.count([&alice].into_iter(), tomorrow, now);
        assert_eq!(hours.used(&alice), MINUTE, "the rest was yesterday");
        assert_eq!(hours.used(&bob), Duration::ZERO);
    }

    #[test]
    fn a_broken_file_is_set_aside() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("usage.json");
        std::fs::write(&path, "{").unwrap();
        let hours = Hours::load(path.clone(), Instant::now());
        assert_eq!(hours.used(&"alice".parse().unwrap()), Duration::ZERO);
        assert!(!path.exists());
        assert!(directory.path().join("usage.broken").exists());
    }

    #[test]
    fn nothing_is_written_more_often_than_once_a_minute() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("usage.json");
        let alice: UserName = "alice".parse().unwrap();
        let now = Instant::now();
        let mut hours = Hours::load(path.clone(), now);
        hours.count([&alice].into_iter(), TODAY, now + MINUTE / 2);
        hours.save(now + MINUTE / 2, false).unwrap();
        assert!(!path.exists());
        assert_eq!(hours.next_save(), Some(now + MINUTE));
        hours.save(now + MINUTE, false).unwrap();
        assert!(path.exists());
    }

    /// A launcher with one desktop of Alice's, who may have so long a day.
    struct Life {
        hours: Hours,
        now: Instant,
        told: Option<u64>,
        _directory: tempfile::TempDir,
    }

    fn alice() -> UserName {
        "alice".parse().unwrap()
    }

    fn on(day: i32, second: u32) -> LocalDay {
        LocalDay {
            day,
            second,
            ..TODAY
        }
    }

    impl Life {
        fn begin(today: LocalDay) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let now = Instant::now();
            let mut hours = Hours::load(directory.path().join("usage.json"), now);
            hours.count(std::iter::empty(), today, now);
            Self {
                hours,
                now,
                told: None,
                _directory: directory,
            }
        }

        /// So much later it is that time, and so many desktops have run.
        fn later(&mut self, passed: Duration, today: LocalDay, running: usize) {
            let alice = alice();
            self.now += passed;
            self.hours
                .count(std::iter::repeat_n(&alice, running), today, self.now);
        }

        fn used(&self) -> Duration {
            self.hours.used(&alice())
        }

        fn restart(&mut self) {
            self.hours.save(self.now, true).unwrap();
            self.hours = Hours::load(self.hours.path.clone(), self.now);
        }

        /// What is due for somebody with so many desktops that run, and done.
        fn due(&mut self, limit: Duration, together: u32, unix: u64) -> Due {
            let left = self.hours.left(&alice(), limit, together, self.now);
            let due = due(left, self.told, unix);
            match due {
                Due::Tell { when } => self.told = Some(when),
                Due::Withdraw => self.told = None,
                Due::Nothing | Due::End => {}
            }
            let quiet = quiet(left, self.told, unix);
            assert_eq!(quiet.is_zero(), due == Due::End, "{due:?}, then {quiet:?}");
            due
        }
    }

    #[test]
    fn the_person_is_told_ten_minutes_before_the_end_each_day() {
        let mut life = Life::begin(TODAY);
        let limit = 60 * MINUTE;
        for day in [100, 101] {
            let at = |minutes: u32| on(day, 36_000 + minutes * 60);
            life.later(Duration::ZERO, at(0), 0);
            assert_eq!(life.due(limit, 1, 0), Due::Nothing);
            life.later(49 * MINUTE, at(49), 1);
            assert_eq!(life.due(limit, 1, 0), Due::Nothing);
            life.later(MINUTE, at(50), 1);
            assert_eq!(life.due(limit, 1, 1000), Due::Tell { when: 1600 });
            life.later(5 * MINUTE, at(55), 1);
            assert_eq!(life.due(limit, 1, 1300), Due::Nothing);
            life.later(5 * MINUTE, at(60), 1);
            assert_eq!(life.due(limit, 1, 1600), Due::End);
            // It has ended, and what was told with it.
            life.told = None;
        }
    }

    #[test]
    fn what_was_told_is_taken_back_when_a_new_day_begins() {
        let mut life = Life::begin(on(100, 80_000));
        let limit = 60 * MINUTE;
        life.later(55 * MINUTE, on(100, 83_300), 1);
        assert_eq!(life.due(limit, 1, 1000), Due::Tell { when: 1300 });
        // Somebody sets the clock.
        life.later(Duration::ZERO, on(101, 5), 1);
        assert_eq!(life.due(limit, 1, 5000), Due::Withdraw);
        life.later(50 * MINUTE, on(101, 3005), 1);
        assert_eq!(life.due(limit, 1, 8000), Due::Tell { when: 8600 });
    }

    #[test]
    fn nobody_is_told_of_an_end_that_midnight_prevents() {
        let mut life = Life::begin(on(100, 86_400 - 55 * 60));
        let limit = 60 * MINUTE;
        life.later(52 * MINUTE, on(100, 86_400 - 180), 1);
        assert_eq!(
            life.due(limit, 1, 0),
            Due::Nothing,
            "eight minutes, and three to midnight"
        );
        life.later(4 * MINUTE, on(101, 60), 1);
        assert_eq!(life.used(), MINUTE);
        assert_eq!(life.due(limit, 1, 0), Due::Nothing);
        // Whoever has not so long is told all the same.
        let mut life = Life::begin(on(100, 86_400 - 70 * 60));
        life.later(58 * MINUTE, on(100, 86_400 - 720), 1);
        assert_eq!(life.due(limit, 1, 0), Due::Tell { when: 120 });
    }

    #[test]
    fn what_was_told_is_told_anew_when_the_end_comes_at_another_time() {
        let mut life = Life::begin(TODAY);
        let limit = 60 * MINUTE;
        let at = |minutes: u32| on(100, 40_000 + minutes * 60);
        life.later(50 * MINUTE, at(50), 1);
        assert_eq!(life.due(limit, 1, 1000), Due::Tell { when: 1600 });
        assert_eq!(life.due(limit, 1, 1025), Due::Nothing, "25 s off");
        assert_eq!(
            life.due(limit, 2, 1000),
            Due::Tell { when: 1300 },
            "two run"
        );
        assert_eq!(
            life.due(limit, 1, 1000),
            Due::Tell { when: 1600 },
            "one again"
        );
        // The machine's clock is set.
        assert_eq!(life.due(limit, 1, 5000), Due::Tell { when: 5600 });
        // It stood still for an hour, and what was told had been taken back.
        life.told = None;
        life.later(60 * MINUTE, at(110), 0);
        assert_eq!(life.due(limit, 1, 9000), Due::Tell { when: 9600 });
        // The limit has been raised.
        assert_eq!(life.due(2 * limit, 1, 9000), Due::Withdraw);
    }

    #[test]
    fn a_clock_that_jumps_over_midnight_and_back_gives_no_more_hours() {
        let mut life = Life::begin(TODAY);
        life.later(50 * MINUTE, TODAY, 1);
        for other in [101, 99, -20_000, 20_000] {
            life.later(Duration::ZERO, on(other, 40_000), 1);
            life.restart();
            life.later(MINUTE, on(other, 40_060), 1);
            life.later(MINUTE, TODAY, 1);
        }
        assert_eq!(life.used(), 58 * MINUTE);
        life.later(MINUTE, on(101, 0), 1);
        assert_eq!(life.used(), Duration::ZERO, "that was midnight");
    }

    #[test]
    fn a_clock_that_was_far_ahead_blocks_nobody_beyond_the_next_midnight() {
        let mut life = Life::begin(on(9000, 40_000));
        life.later(50 * MINUTE, on(9000, 43_000), 1);
        life.later(Duration::ZERO, on(100, 40_000), 1);
        assert_eq!(life.used(), 50 * MINUTE);
        life.restart();
        life.later(MINUTE, on(100, 40_060), 1);
        assert_eq!(life.used(), 51 * MINUTE);
        life.restart();
        life.later(60 * MINUTE, on(101, 60), 1);
        assert_eq!(life.used(), MINUTE);
    }

    #[test]
    fn a_file_of_an_older_deskway_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("usage.json");
        std::fs::write(&path, r#"{"year":2026,"day":100,"used":{"alice":60000}}"#).unwrap();
        let now = Instant::now();
        let mut hours = Hours::load(path, now);
        hours.count([&alice()].into_iter(), TODAY, now);
        assert_eq!(hours.used(&alice()), MINUTE);
    }
}
