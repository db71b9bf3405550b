//! Whether the roles are there: each is asked now and then, and one that does not answer is killed,
//! to be started again. While all answer, systemd is told so, where it watches (WatchdogSec).

use std::time::{Duration, Instant};

use super::notify::Notifier;

/// How often roles are asked.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// A role that has not answered so many questions in a row hangs.
const MISSES: u32 = 4;

/// When to ask, and whom to tell.
#[derive(Debug)]
pub(super) struct Pulse {
    every: Duration,
    next: Instant,
    is_watched: bool,
}

/// How one role has answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Answers {
    is_asked: bool,
    missed: u32,
}

impl Answers {
    /// The role has answered.
    pub(super) fn heard(&mut self) {
        *self = Self::default();
    }

    /// Before another question: whether the one before was answered.
    pub(super) fn ask(&mut self) -> bool {
        if std::mem::replace(&mut self.is_asked, true) {
            self.missed += 1;
        }
        self.missed == 0
    }

    /// Counts questions and no time, since this process may have stood still with its roles.
    pub(super) fn hangs(self) -> bool {
        self.missed >= MISSES
    }
}

impl Pulse {
    /// As systemd wants it, if it watches this process (sd_watchdog_enabled(3)).
    pub(super) fn from_environment(now: Instant) -> Self {
        let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
        let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let limit = number("WATCHDOG_USEC").filter(|limit| is_ours && *limit > 0);
        let half = limit.map(|limit| Duration::from_micros(limit / 2));
        Self {
            every: half.map_or(ASK_EVERY, |half| half.min(ASK_EVERY)),
            next: now,
            is_watched: limit.is_some(),
        }
    }

    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// Whether it is time to ask; then the next time is set.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let due = now >= self.next;
        if due {
            self.next = now + self.every;
        }
        due
    }

    /// All roles have answered; `desktops` run.
    pub(super) fn all_is_well(&self, notifier: &Notifier, desktops: usize) {
        if self.is_watched {
            notifier.say(&format!(
                "WATCHDOG=1\nSTATUS=Front and launcher answer; desktops: {desktops}"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_misses_some_questions_in_a_row_hangs() {
        let mut answers = Answers::default();
        for _ in 0..10 {
            assert!(answers.ask());
            answers.heard();
        }
        assert!(answers.ask());
        for _ in 0..3 {
            assert!(!answers.hangs());
            assert!(!answers.ask());
        }
        answers.heard();
        assert!(!answers.hangs() && answers.ask());
        for _ in 0..4 {
            assert!(!answers.ask());
        }
        assert!(answers.hangs());
    }
}
