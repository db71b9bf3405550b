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
pub(crate) const NOTICE: Duration = Duration::from_mins(10);

#[derive(Debug)]
pub(crate) struct Hours {
    path: PathBuf,
    kept: Kept,
    /// When it was last counted.
    counted: Instant,
    saved: Instant,
    is_saved: bool,
}

/// What stands in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    year: i32,
    day: i32,
    /// Milliseconds.
    used: BTreeMap<UserName, u64>,
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
        let is_today = (self.kept.year, self.kept.day) == (today.year, today.day);
        if !is_today {
            self.kept = Kept {
                year: today.year,
                day: today.day,
                used: BTreeMap::new(),
            };
            self.is_saved = false;
        }
        let passed = if is_today {
            passed
        } else {
            passed.min(Duration::from_secs(today.second.into()))
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
}
