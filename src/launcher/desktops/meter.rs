//! What a running desktop takes, read from its control group now and then.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::cgroup::{Cgroups, Group};
use crate::launcher::place::RunId;
use crate::model::Usage;

/// For so long after the kernel ended a program, a pillar's end counts as of the same cause.
const RECENT: Duration = Duration::from_secs(10);
/// Most of them that are remembered: one may be followed by another before the end is heard of.
const MAX_KILLS: usize = 8;

#[derive(Debug)]
pub(crate) struct Meter {
    /// Once it has been found: the session child makes it.
    group: Option<Group>,
    /// As of the last reading.
    pub(crate) usage: Usage,
    /// When the processor time was last read, and what it was.
    cpu: Option<(Instant, Duration)>,
    /// Processes that were refused so far; `None`: not known yet.
    refused: Option<u64>,
    /// Programs that the kernel ended so far, as the group counts and as has been noticed.
    killed: Option<u64>,
    /// The last few of them, the newest last.
    kills: VecDeque<Kill>,
}

/// That the kernel ended a program because the desktop had reached its memory limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kill {
    pub(crate) program: String,
    /// Bytes.
    pub(crate) limit: u64,
    at: Instant,
}

/// What a reading shows that was not there before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Programs were ended of which nobody has said which.
    pub(crate) killed: bool,
    /// Processes were refused; there may be so many.
    pub(crate) refused: bool,
}

impl Meter {
    /// For a desktop whose group is about to be made.
    pub(super) fn new() -> Self {
        Self {
            refused: Some(0),
            killed: Some(0),
            ..Self::adopted(None)
        }
    }

    /// For one whose group has counted for a while, and `killed` programs have been told of.
    pub(super) fn adopted(killed: Option<u64>) -> Self {
        Self {
            group: None,
            usage: Usage::default(),
            cpu: None,
            refused: None,
            killed,
            kills: VecDeque::new(),
        }
    }

    /// The group, once it is there.
    pub(crate) fn group(&mut self, cgroups: &Cgroups, id: &RunId) -> Option<&Group> {
        if self.group.is_none() {
            self.group = cgroups.open(&id.to_string());
        }
        self.group.as_ref()
    }

    /// Lets a desktop go on that is to end: it cannot hear of it otherwise.
    pub(super) fn thaw(&self) {
        if let Some(Err(error)) = self.group.as_ref().map(Group::thaw) {
            // Without a freezer, and once it is gone, nothing stands still.
            tracing::debug!(%error, "not thawed");
        }
    }

    /// Reads all of it anew; `None` while there is no group. What was counted is for
    /// [`Meter::count`], once the kernel's log has been read as far as it goes.
    pub(crate) fn read(&mut self, cgroups: &Cgroups, id: &RunId, now: Instant) -> Option<Counted> {
        self.group(cgroups, id)?;
        let group = self.group.as_ref()?;
        let memory = group.memory().ok();
        let cpu = group.cpu_time().ok();
        self.usage = Usage {
            memory: memory.map(|memory| memory.used),
            memory_max: memory.and_then(|memory| memory.max),
            cpu: match (self.cpu, cpu) {
                (Some((then, before)), Some(after)) => share(after, before, now, then),
                _ => None,
            },
            processes: group.processes().ok(),
        };
        self.cpu = cpu.map(|cpu| (now, cpu));
        Some(Counted {
            killed: group.oom_kills().ok(),
            refused: group.refused_processes().ok(),
        })
    }

    /// Takes in what was counted, once whoever says more of it has been heard.
    pub(crate) fn count(&mut self, counted: Counted) -> Reading {
        let more = |known: &mut Option<u64>, found: Option<u64>| {
            let before = *known;
            if let Some(found) = found {
                *known = Some(before.map_or(found, |before| before.max(found)));
            }
            before
                .zip(found)
                .is_some_and(|(before, found)| found > before)
        };
        Reading {
            killed: more(&mut self.killed, counted.killed),
            refused: more(&mut self.refused, counted.refused),
        }
    }

    /// Of how many programs that the kernel has ended so far has been heard.
    pub(super) fn killed(&self) -> Option<u64> {
        self.killed
    }

    /// The kernel's log names one of those that are counted.
    pub(crate) fn heard_of_kill(&mut self) {
        if let Some(killed) = &mut self.killed {
            *killed += 1;
        }
    }

    /// The kernel has ended a program because the desktop had reached its limit; `None`: it has
    /// none.
    pub(crate) fn kill(&mut self, program: String, now: Instant) -> Option<Kill> {
        let known = self.usage.memory_max;
        let max = || self.group.as_ref()?.memory().ok()?.max;
        let kill = Kill {
            program,
            limit: known.or_else(max)?,
            at: now,
        };
        if self.kills.len() >= MAX_KILLS {
            self.kills.pop_front();
        }
        self.kills.push_back(kill.clone());
        Some(kill)
    }

    /// The last program that was ended a moment ago, of those that `picks` picks.
    pub(super) fn recent_kill(&self, now: Instant, picks: impl Fn(&str) -> bool) -> Option<&Kill> {
        let is_recent = |kill: &&Kill| now.saturating_duration_since(kill.at) <= RECENT;
        let mut kills = self.kills.iter().rev().filter(is_recent);
        kills.find(|kill| picks(&kill.program))
    }
}

/// What the group has counted since it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    killed: Option<u64>,
    refused: Option<u64>,
}

/// Thousandths of one core.
fn share(after: Duration, before: Duration, now: Instant, then: Instant) -> Option<u32> {
    let used = after.saturating_sub(before).as_micros();
    let passed = now.saturating_duration_since(then).as_micros();
    u32::try_from((used * 1000).checked_div(passed)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_busy_cores_are_two_thousand_thousandths() {
        let then = Instant::now();
        let seconds = Duration::from_secs;
        let found = share(seconds(13), seconds(3), then + seconds(5), then);
        assert_eq!(found, Some(2000));
        assert_eq!(share(seconds(13), seconds(3), then, then), None);
        assert_eq!(
            share(seconds(1), seconds(3), then + seconds(5), then),
            Some(0)
        );
    }

    #[test]
    fn a_program_that_was_ended_is_found_behind_another() {
        let (mut meter, now) = (Meter::new(), Instant::now());
        meter.usage.memory_max = Some(1);
        meter.kill("Xtigervnc".to_owned(), now).unwrap();
        meter.kill("tail".to_owned(), now).unwrap();
        let of = |kill: Option<&Kill>| kill.map(|kill| kill.program.clone());
        let screen = |name: &str| name == "Xtigervnc";
        assert_eq!(of(meter.recent_kill(now, |_| true)).unwrap(), "tail");
        assert_eq!(of(meter.recent_kill(now, screen)).unwrap(), "Xtigervnc");
        assert_eq!(of(meter.recent_kill(now + RECENT * 2, screen)), None);
    }

    #[test]
    fn what_has_been_told_by_name_is_not_told_again_by_number() {
        let counted = |killed| Counted {
            killed: Some(killed),
            refused: Some(0),
        };
        let mut meter = Meter::new();
        meter.heard_of_kill();
        assert!(!meter.count(counted(1)).killed);
        assert!(meter.count(counted(2)).killed);
        assert!(!meter.count(counted(2)).killed);
        let mut adopted = Meter::adopted(Some(6));
        assert!(adopted.count(counted(7)).killed, "nobody was there then");
        let mut adopted = Meter::adopted(None);
        assert!(!adopted.count(counted(7)).killed, "that was before");
        assert!(adopted.count(counted(8)).killed);
    }
}
