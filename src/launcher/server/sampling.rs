//! What desktops take and run into: looked at every few seconds, a share of them at a time, and as
//! soon as the kernel says that it ended a program.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Server;
use super::errands::Errand;
use crate::cgroup::Group;
use crate::launcher::desktops::{Counted, Processes};
use crate::launcher::jobs::{Outcome, Outlet, Purse};
use crate::launcher::kernel_log::{KernelLog, OutOfMemory};
use crate::launcher::place::RunId;
use crate::launcher::user_child;
use crate::model::NoticeKind;

/// Between two looks at one desktop.
const EVERY: Duration = Duration::from_secs(5);
/// Most desktops of one turn, so that thousands do not hold up the loop.
const AT_ONCE: usize = 64;
/// A person is told of the same thing no more often than that.
const TOLD_AGAIN: u64 = 60;
/// A kernel that logs without end wakes the loop no more often than that.
const LOG_PAUSE: Duration = Duration::from_millis(200);
/// Between two looks at the disk where a home is, and how long one may take.
const DISK_EVERY: Duration = Duration::from_mins(5);
const DISK_TIMEOUT: Duration = Duration::from_secs(20);
/// Most desktops of one turn whose home is looked at, or put off.
const DISKS_AT_ONCE: usize = 64;

#[derive(Debug)]
pub(super) struct Sampling {
    next: Instant,
    /// The last one of the turn before.
    after: Option<RunId>,
    /// Root's alone.
    kernel_log: Option<KernelLog>,
    /// Until then nothing wakes the loop for it.
    silent_until: Option<Instant>,
    looks: Looks,
    /// Where no control group counts what they take.
    pub(super) processes: Processes,
}

/// The homes that children look at, each with its child's number. One at a server that does not
/// answer stays there, even killed, for as long as that lasts.
#[derive(Debug, Default)]
struct Looks(Vec<(u64, PathBuf)>);

impl Looks {
    fn forget_ended(&mut self, is_there: impl Fn(u64) -> bool) {
        self.0.retain(|(number, _)| is_there(*number));
    }

    /// Whether a child looks at it still.
    fn has(&self, home: &Path) -> bool {
        self.0.iter().any(|(_, looked_at)| looked_at == home)
    }

    fn add(&mut self, number: u64, home: PathBuf) {
        self.0.push((number, home));
    }
}

impl Sampling {
    pub(super) fn new(is_root: bool, now: Instant) -> Self {
        let kernel_log = is_root.then(KernelLog::open).and_then(|opened| {
            let inspected = opened.inspect_err(|error| {
                tracing::info!(%error, "no kernel log: programs ended by it have no names");
            });
            inspected.ok()
        });
        Self {
            next: now + EVERY,
            after: None,
            kernel_log,
            silent_until: None,
            looks: Looks::default(),
            processes: Processes::default(),
        }
    }

    pub(super) fn socket(&self) -> Option<BorrowedFd<'_>> {
        let log = self
            .kernel_log
            .as_ref()
            .filter(|_| self.silent_until.is_none());
        log.map(AsFd::as_fd)
    }
}

impl Server {
    /// When there is something for [`Server::sample`].
    pub(super) fn next_sample(&self) -> Option<Instant> {
        let sample = (!self.desktops.is_empty()).then_some(self.sampling.next);
        sample.into_iter().chain(self.sampling.silent_until).min()
    }

    /// Looks at the next share of the desktops, when it is time to.
    pub(super) fn sample(&mut self, now: Instant) {
        self.sampling.silent_until = self.sampling.silent_until.filter(|until| now < *until);
        if self.desktops.is_empty() || now < self.sampling.next {
            return;
        }
        let turns = self.desktops.len().div_ceil(AT_ONCE);
        self.sampling.next = now + EVERY / u32::try_from(turns).unwrap_or(u32::MAX);
        let share = self.desktops.after(self.sampling.after.as_ref(), AT_ONCE);
        self.sampling.after = share.last().cloned();
        let counted: Vec<(RunId, Counted)> = share
            .into_iter()
            .filter_map(|id| {
                let running = self.desktops.get_mut(&id)?;
                let counted = running.meter.read(&self.cgroups, &id, now)?;
                Some((id, counted))
            })
            .collect();
        // It says which programs they were that were counted.
        self.read_kernel_log();
        for (id, counted) in counted {
            self.take_in(&id, counted, now);
            self.look_at_strain(&id, now);
        }
        self.look_at_disks(now);
    }

    fn take_in(&mut self, id: &RunId, counted: Counted, now: Instant) {
        let Some(running) = self.desktops.get_mut(id) else {
            return;
        };
        let reading = running.meter.count(counted);
        if reading.killed {
            self.out_of_memory(id, "a program".to_owned(), now);
        }
        if let Some(running) = self.desktops.get_mut(id) {
            running.keep(&self.place, id);
        }
        if reading.refused {
            let group = self.group_of(id);
            if let Some(limit) = group.and_then(|group| group.most_processes().ok()?) {
                self.tell(id, NoticeKind::TooManyProcesses { limit });
            }
        }
    }

    /// The kernel's log can be read.
    pub(super) fn kernel_has_logged(&mut self, now: Instant) {
        self.read_kernel_log();
        self.sampling.silent_until = Some(now + LOG_PAUSE);
    }

    /// Tells of the programs that the kernel has ended since the last reading.
    pub(super) fn read_kernel_log(&mut self) {
        let Some(log) = &mut self.sampling.kernel_log else {
            return;
        };
        let found = log.read().unwrap_or_else(|error| {
            tracing::error!(%error, "the kernel's log cannot be read any more");
            self.sampling.kernel_log = None;
            Vec::new()
        });
        let now = self.clock.monotonic();
        for OutOfMemory {
            group,
            limited,
            program,
        } in found
        {
            let id = |path| self.cgroups.name_in(path)?.parse::<RunId>().ok();
            let limited_run = id(&limited);
            // It may be of no desktop, or of another Deskway's.
            let Some(run) = id(&group) else { continue };
            let Some(running) = self.desktops.get_mut(&run) else {
                continue;
            };
            running.meter.heard_of_kill();
            if limited_run.as_ref() == Some(&run) {
                self.out_of_memory(&run, program, now);
            } else {
                tracing::warn!(%run, %program, %limited, "ended: there is no memory left there");
            }
        }
    }

    fn out_of_memory(&mut self, id: &RunId, program: String, now: Instant) {
        let Some(running) = self.desktops.get_mut(id) else {
            return;
        };
        let (user, desktop) = (&running.desktop.owner, &running.desktop);
        tracing::warn!(%user, %desktop, %program, "its memory limit is reached: ended by the kernel");
        // Sooner than the first reading, it may be.
        running.meter.group(&self.cgroups, id);
        let Some(kill) = running.meter.kill(program, now) else {
            return;
        };
        let what = NoticeKind::OutOfMemory {
            program: kill.program,
            limit: kill.limit,
        };
        self.tell(id, what);
    }

    /// Has the owner see it, unless that was told a moment ago.
    fn tell(&mut self, id: &RunId, what: NoticeKind) {
        let unix = self.clock.unix();
        let Some(running) = self.desktops.get_mut(id) else {
            return;
        };
        let same = running.notices.list().iter().find(|told| told.what == what);
        if same.is_some_and(|told| unix < told.at.saturating_add(TOLD_AGAIN)) {
            return;
        }
        running.notices.add(what, unix);
        self.changed.insert(running.desktop.owner.clone());
    }

    /// Sends children to the homes of those who are to be warned of a full disk: one may be on a
    /// server that does not answer. No second one goes to a home before the first is back.
    fn look_at_disks(&mut self, now: Instant) {
        let jobs = &self.jobs;
        self.sampling
            .looks
            .forget_ended(|number| jobs.is_there(number));
        for id in self.desktops.disks_due(now, DISKS_AT_ONCE) {
            if !self.jobs.has_room(Purse::Disk) {
                return;
            }
            let Some(running) = self.desktops.get_mut(&id) else {
                continue;
            };
            let owner = running.owner.os.clone();
            if self.sampling.looks.has(&owner.home) {
                running.disk_at = now + EVERY;
                continue;
            }
            running.disk_at = now + DISK_EVERY;
            let home = owner.home.clone();
            let number = self.begin(DISK_TIMEOUT, Errand::Disk(id), |outlet: &Outlet| {
                user_child::free_space(&owner, outlet)
            });
            if let Some(number) = number {
                self.sampling.looks.add(number, home);
            }
        }
    }

    pub(super) fn disk_looked_at(&mut self, id: &RunId, outcome: Outcome) {
        let Some(running) = self.desktops.get_mut(id) else {
            return;
        };
        let Some((Some(left), _)) = outcome.word::<Option<u64>>() else {
            let (user, desktop) = (&running.desktop.owner, &running.desktop);
            return tracing::warn!(%user, %desktop, "what is free where its home is cannot be told");
        };
        let is_disk = |told: &NoticeKind| matches!(told, NoticeKind::DiskAlmostFull { .. });
        let is_low = running.disk_warning.is_some_and(|least| left < least);
        let is_told = running
            .notices
            .list()
            .iter()
            .any(|told| is_disk(&told.what));
        if is_low && !is_told {
            self.tell(id, NoticeKind::DiskAlmostFull { left });
        } else if !is_low && running.notices.withdraw(is_disk) {
            self.changed.insert(running.desktop.owner.clone());
        }
    }

    fn group_of(&mut self, id: &RunId) -> Option<&Group> {
        self.desktops.get_mut(id)?.meter.group(&self.cgroups, id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_not_looked_at_again_while_a_child_hangs_in_it() {
        let (hung, other) = (Path::new("/net/alice"), Path::new("/net/bob"));
        let mut looks = Looks::default();
        looks.add(7, hung.to_owned());
        looks.add(8, other.to_owned());
        // The second one has been reaped; the first was killed, and is there still.
        looks.forget_ended(|number| number == 7);
        assert!(looks.has(hung) && !looks.has(other));
        looks.forget_ended(|_| false);
        assert!(!looks.has(hung));
    }
}
