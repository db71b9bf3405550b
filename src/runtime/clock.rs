//! The time as a value, so that tests can move it.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// Where the time comes from: the system, or a test's hand.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    #[default]
    System,
    /// As [`Clock::System`], and beside it the time that nobody can set: see [`Clock::anchored`].
    Anchored(Anchor),
    /// Seconds since 1970 that a test sets.
    Manual(Arc<AtomicU64>),
}

/// What the system's clock said when the machine began, as far as was known then: seconds since
/// 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor(i64);

/// The anchor's file in the run directory.
const ANCHOR: &str = "clock";
/// Most bytes of it: two numbers.
const MAX_ANCHOR: u64 = 128;

impl Clock {
    /// Seconds since 1970. For records and lifetimes; a clock that is set moves it.
    pub fn unix(&self) -> u64 {
        self.since_1970().as_secs()
    }

    /// Milliseconds since 1970, as [`Clock::unix`].
    pub fn unix_millis(&self) -> u64 {
        u64::try_from(self.since_1970().as_millis()).unwrap_or(u64::MAX)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks the system"
    )]
    fn since_1970(&self) -> Duration {
        match self {
            Self::System | Self::Anchored(_) => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
            Self::Manual(seconds) => Duration::from_secs(seconds.load(Ordering::Relaxed)),
        }
    }

    /// The system's clock, whose [`Clock::steady`] is the same in every process that uses the run
    /// directory `run`, until the machine starts again. The first of them writes down how things
    /// are; where it cannot, each process has its own word for it.
    pub fn anchored(run: &Path) -> Self {
        let file = run.join(ANCHOR);
        // Where there is none, nobody can tell one start of the machine from another.
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        if let Some(anchor) = read_anchor(&file, boot.trim()) {
            return Self::Anchored(anchor);
        }
        let now = i64::try_from(Self::System.unix()).unwrap_or_default();
        let anchor = Anchor(now - since_the_machine_began());
        let new = run.join(format!("{ANCHOR}.{}", std::process::id()));
        let written = fs::write(&new, format!("{} {}\n", boot.trim(), anchor.0))
            .and_then(|()| fs::rename(&new, &file));
        if let Err(error) = written {
            tracing::warn!(%error, "a clock that is set may end sign-ins early or late");
        }
        Self::Anchored(anchor)
    }

    /// Seconds since 1970 as they would be if nobody had set the clock since Deskway first ran: for
    /// how long sign-ins last.
    pub fn steady(&self) -> u64 {
        match self {
            Self::Anchored(anchor) => {
                let now = anchor.0.saturating_add(since_the_machine_began());
                now.max(0).cast_unsigned()
            }
            Self::System | Self::Manual(_) => self.unix(),
        }
    }

    /// For deadlines: never goes back, whatever is done to the system's clock.
    pub fn monotonic(&self) -> Instant {
        Instant::now()
    }
}

/// The anchor that a process before this one wrote down, since the same start of the machine.
fn read_anchor(file: &Path, boot: &str) -> Option<Anchor> {
    let mut text = String::new();
    let file = fs::File::open(file).ok()?;
    file.take(MAX_ANCHOR).read_to_string(&mut text).ok()?;
    let (of, anchor) = text.trim().split_once(' ')?;
    (of == boot).then(|| anchor.parse().ok().map(Anchor))?
}

/// Seconds, those in which the machine slept too.
fn since_the_machine_began() -> i64 {
    clock_gettime(ClockId::Boottime).tv_sec
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_moves_the_time_of_records_and_not_that_of_sign_ins() {
        let run = tempfile::tempdir().unwrap();
        let first = Clock::anchored(run.path());
        let now = first.steady();
        assert!(now.abs_diff(first.unix()) <= 1);
        // To the processes of before, a clock that is set ten years back looks like this.
        let ten_years = 10 * 365 * 86_400;
        let text = fs::read_to_string(run.path().join(ANCHOR)).unwrap();
        let (boot, anchor) = text.trim().split_once(' ').unwrap();
        let anchor = anchor.parse::<i64>().unwrap() + ten_years;
        fs::write(run.path().join(ANCHOR), format!("{boot} {anchor}\n")).unwrap();
        let second = Clock::anchored(run.path());
        assert!(second.unix().abs_diff(now) <= 5);
        assert!(second.steady().abs_diff(now + ten_years.cast_unsigned()) <= 5);
    }

    #[test]
    fn after_the_machine_s_start_it_begins_anew() {
        let run = tempfile::tempdir().unwrap();
        fs::write(run.path().join(ANCHOR), "another-start 5\n").unwrap();
        let clock = Clock::anchored(run.path());
        assert!(clock.steady().abs_diff(clock.unix()) <= 1);
    }
}
