//! The desktops of this machine: those that run, and how those that ended came to their end.

mod meter;
mod notices;
mod pace;
mod processor;
mod running;
mod said;
mod start;
mod strain;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::ops::Bound;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;

pub(crate) use meter::Counted;
pub(crate) use notices::Notices;
pub(crate) use processor::Processes;
pub(crate) use running::{Running, Source};
pub(crate) use start::Request;
pub(crate) use strain::{Change, Counts};

use super::lifecycle::Lifecycle;
use super::owner::Owner;
use super::place::{Place, RunId};
use super::protocol::cause_word;
use super::restarts::Again;
use super::session_child::Record;
use crate::cgroup::Cgroups;
use crate::config;
use crate::model::{
    Census, DesktopId, DesktopInfo, DesktopName, DesktopState, ProfileId, UserName,
};
use crate::runtime::Clock;

/// Most ended desktops that are remembered; beyond it the oldest is forgotten.
const MAX_ENDED: usize = 1000;
/// Most desktops without an account that are looked for one at once.
const MAX_LOOKED_FOR: usize = 16;
/// Most records that are read at the start.
const MAX_RECORDS: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Registry {
    running: BTreeMap<RunId, Running>,
    ended: BTreeMap<DesktopId, Past>,
    /// The ended ones, oldest first.
    order: VecDeque<DesktopId>,
}

/// How a desktop came to its end.
#[derive(Debug)]
struct Past {
    /// The OS account that it ran as.
    uid: u32,
    profile: ProfileId,
    life: Lifecycle,
}

/// A desktop that is over.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) desktop: DesktopId,
    pub(crate) state: DesktopState,
    /// Whether its session child could not remove its files itself.
    pub(crate) files_left: bool,
    /// What it takes to start it again, when it failed though it could be used before.
    pub(crate) again: Option<Again>,
    /// How it came to its end, for the metrics.
    pub(crate) cause: &'static str,
}

impl Past {
    fn info(&self, desktop: &DesktopId) -> DesktopInfo {
        DesktopInfo {
            id: desktop.clone(),
            profile: Some(self.profile.clone()),
            state: self.life.state(),
            active: None,
            notices: Vec::new(),
        }
    }
}

impl Registry {
    /// The desktop's run, while it has one.
    pub(crate) fn find(&self, desktop: &DesktopId) -> Option<(&RunId, &Running)> {
        self.running
            .iter()
            .find(|(_, running)| running.desktop == *desktop)
    }

    pub(crate) fn get(&self, id: &RunId) -> Option<&Running> {
        self.running.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: &RunId) -> Option<&mut Running> {
        self.running.get_mut(id)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.running.len()
    }

    /// The next `most` runs after that one, from the first on again when there are none.
    pub(crate) fn after(&self, last: Option<&RunId>, most: usize) -> Vec<RunId> {
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        let next = |from| {
            let range = self.running.range::<RunId, _>((from, Bound::Unbounded));
            range.take(most).map(|(id, _)| id.clone()).collect()
        };
        let found: Vec<RunId> = next(from);
        if found.is_empty() {
            next(Bound::Unbounded)
        } else {
            found
        }
    }

    /// Desktops of whose disk something is to be said, and which have not been looked at lately.
    pub(crate) fn disks_due(&self, now: Instant, most: usize) -> Vec<RunId> {
        let due = self.running.iter();
        let due = due.filter(|(_, it)| it.disk_warning.is_some() && it.disk_at <= now);
        due.take(most).map(|(id, _)| id.clone()).collect()
    }

    pub(crate) fn ids(&self) -> Vec<RunId> {
        self.running.keys().cloned().collect()
    }

    /// A person's desktops, or everybody's, and of them those that run as `uid`, or as anybody:
    /// a local account may have the name of an OS account and run as another.
    pub(crate) fn infos(&self, owner: Option<&UserName>, uid: Option<u32>) -> Vec<DesktopInfo> {
        let (unix, now) = (Clock::System.unix(), Clock::System.monotonic());
        let is_theirs = |desktop: &DesktopId, runs_as| {
            owner.is_none_or(|owner| desktop.owner == *owner)
                && uid.is_none_or(|uid| runs_as == uid)
        };
        // Of what has ended and runs again, only the run is told of.
        let mut infos: BTreeMap<&DesktopId, DesktopInfo> = BTreeMap::new();
        for (desktop, past) in &self.ended {
            if is_theirs(desktop, past.uid) {
                infos.insert(desktop, past.info(desktop));
            }
        }
        for running in self.running.values() {
            let is_of = running.owner.os.uid;
            // What is nobody's is shown to those alone who see what is anybody's.
            let is_shown = uid.is_none() || !running.is_orphan;
            if is_shown && is_theirs(&running.desktop, is_of) {
                infos.insert(&running.desktop, running.info(unix, now));
            } else {
                infos.remove(&running.desktop);
            }
        }
        infos.into_values().collect()
    }

    /// The desktops of which something is to be done now, or asked, since nobody uses them.
    pub(crate) fn idle_due(
        &self,
        rules: &config::Idle,
        viewers: impl Fn(&DesktopId) -> u32,
        now: Instant,
    ) -> Vec<RunId> {
        let due = |(id, running): (&RunId, &Running)| {
            let next = running.idle.next(rules, viewers(&running.desktop), now)?;
            (next <= now).then(|| id.clone())
        };
        self.used().filter_map(due).collect()
    }

    /// When there is something of that kind.
    pub(crate) fn next_idle(
        &self,
        rules: &config::Idle,
        viewers: impl Fn(&DesktopId) -> u32,
        now: Instant,
    ) -> Option<Instant> {
        let next = |running: &Running| running.idle.next(rules, viewers(&running.desktop), now);
        self.used().filter_map(|(_, running)| next(running)).min()
    }

    /// The desktops that take of their owners' hours now, and how many those are.
    pub(crate) fn counted(&self) -> impl Iterator<Item = (&RunId, Duration, &UserName)> {
        let counts = |running: &&Running| running.takes_hours();
        let all = self.running.iter();
        all.filter_map(move |(id, running)| {
            let hours = Some(running).filter(counts)?.hours?;
            Some((id, hours, &running.desktop.owner))
        })
    }

    fn used(&self) -> impl Iterator<Item = (&RunId, &Running)> {
        self.running.iter().filter(|(_, running)| running.is_used())
    }

    /// How many of a person's desktops are running.
    pub(crate) fn count(&self, owner: &UserName) -> usize {
        let own = |running: &&Running| running.desktop.owner == *owner;
        self.running.values().filter(own).count()
    }

    /// How many of all desktops are where in their life.
    pub(crate) fn census(&self) -> Census {
        let mut census = Census::default();
        for running in self.running.values() {
            match running.life() {
                Lifecycle::Starting { .. } => census.starting += 1,
                Lifecycle::Ready { .. } => census.ready += 1,
                Lifecycle::Frozen { .. } => census.frozen += 1,
                Lifecycle::Stopping { .. } => census.stopping += 1,
                Lifecycle::Absent | Lifecycle::Gone { .. } | Lifecycle::Failed { .. } => {}
            }
        }
        census
    }

    /// What to poll for being readable.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = (&RunId, Source, BorrowedFd<'_>)> {
        self.running.iter().flat_map(|(id, running)| {
            running
                .sockets()
                .map(move |(source, socket)| (id, source, socket))
        })
    }

    /// Asks a desktop's agent to end it, and remembers to kill it when that takes too long.
    pub(crate) fn stop(&mut self, id: &RunId, unix: u64, now: Instant) {
        if let Some(running) = self.running.get_mut(id) {
            running.stop(unix, now);
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.running.values().filter_map(Running::kill_at).min()
    }

    /// When an agent is next to be connected to.
    pub(crate) fn next_connect(&self) -> Option<Instant> {
        let times = self.running.values().map(|running| running.connect_at);
        times.flatten().min()
    }

    /// Whose agent is to be connected to first of those that are due: who has waited longest.
    pub(crate) fn unconnected(&self, now: Instant) -> Option<RunId> {
        let times = self.running.iter().filter_map(|(id, running)| {
            let at = running.connect_at.filter(|at| *at <= now)?;
            Some((at, id))
        });
        times.min().map(|(.., id)| id.clone())
    }

    /// Kills the desktops whose time to stop, or to die, is over.
    pub(crate) fn kill_late(&mut self, now: Instant) {
        for running in self.running.values_mut() {
            if running.kill_at().is_some_and(|at| at <= now) {
                running.kill(now);
            }
        }
    }

    /// Takes in that nothing of a desktop runs any more.
    pub(crate) fn over(&mut self, id: &RunId, place: &Place, unix: u64) -> Option<Ended> {
        let running = self.running.remove(id)?;
        let uid = running.owner.os.uid;
        let (desktop, profile, life, again) = running.over(unix);
        let cause = life.cause().map_or("stopped", cause_word);
        let state = life.state();
        let past = Past { uid, profile, life };
        self.remember(&desktop, past);
        let left = [place.record(id), place.run_dir(id), place.private_tmp(id)];
        Some(Ended {
            desktop,
            again,
            cause,
            state,
            files_left: left.iter().any(|path| path.symlink_metadata().is_ok()),
        })
    }

    /// Looks again whether the accounts of desktops without any are there now.
    pub(crate) fn look_for_owners(&mut self, place: &Place) {
        let orphans = self.running.values_mut().filter(|it| it.is_orphan);
        for running in orphans.take(MAX_LOOKED_FOR) {
            let (name, os) = (&running.desktop.owner, &running.owner.os);
            if let Ok(Some(owner)) = Owner::find(name, &os.name, os.uid, place) {
                tracing::info!(desktop = %running.desktop, "its account is there again");
                running.owner = owner;
                running.is_orphan = false;
            }
        }
    }

    /// Writes down what a later launcher could not know of them.
    pub(crate) fn keep(&mut self, place: &Place) {
        for (id, running) in &mut self.running {
            running.keep(place, id);
        }
    }

    /// Forgets how a desktop ended.
    pub(crate) fn forget(&mut self, desktop: &DesktopId) {
        self.ended.remove(desktop);
        self.order.retain(|known| known != desktop);
    }

    fn remember(&mut self, desktop: &DesktopId, past: Past) {
        self.forget(desktop);
        self.ended.insert(desktop.clone(), past);
        self.order.push_back(desktop.clone());
        if self.order.len() > MAX_ENDED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ended.remove(&oldest);
        }
    }

    /// Takes over what an earlier launcher started and still runs, and says which. What has ended
    /// meanwhile is the second list: its files are to be removed.
    ///
    /// # Errors
    /// When the directories cannot be read.
    pub(crate) fn adopt(
        &mut self,
        place: &Place,
        cgroups: &Cgroups,
    ) -> io::Result<(Vec<RunId>, Vec<RunId>)> {
        let mut dead = Vec::new();
        for directory in [place.records(), place.run_dirs(), place.private_tmps()] {
            for entry in std::fs::read_dir(directory)?.take(MAX_RECORDS) {
                let name = entry?.file_name();
                let id = name.to_str().and_then(|name| name.split('.').next());
                let Some(id) = id.and_then(|id| id.parse::<RunId>().ok()) else {
                    tracing::warn!(?name, "a file that belongs to no desktop; it stays");
                    continue;
                };
                if self.running.contains_key(&id) || dead.contains(&id) {
                    continue;
                }
                match adopt_one(place, &id) {
                    Ok(Some(mut running)) => {
                        let group = running.meter.group(cgroups, &id);
                        let frozen = group.and_then(|group| group.is_to_stand_still().ok());
                        running.adopt_frozen(frozen.unwrap_or(false), Clock::System.unix());
                        self.running.insert(id, running);
                    }
                    Ok(None) => dead.push(id),
                    Err(error) => {
                        tracing::warn!(%id, %error, "a desktop that cannot be adopted; it stays");
                    }
                }
            }
        }
        Ok((self.ids(), dead))
    }
}

/// `None`: its session child has ended.
fn adopt_one(place: &Place, id: &RunId) -> io::Result<Option<Running>> {
    let record = match Record::read(place, id) {
        Ok(record) => record,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let process = match deskway_osuser::open_process(record.process()) {
        Ok(process) => process,
        Err(error) if is_no_such_process(&error) => return Ok(None),
        // It may well run.
        Err(error) => return Err(error),
    };
    let (name, os_name, uid) = (&record.desktop.owner, &record.os_name, record.uid);
    let found = Owner::find(name, os_name, uid, place);
    let is_orphan = !matches!(found, Ok(Some(_)));
    if is_orphan {
        let error = found.as_ref().err();
        tracing::warn!(%id, desktop = %record.desktop, os_name, uid, ?error,
            "the account of a desktop that runs is not there; it can be stopped, and not opened");
    }
    let owner = found.ok().flatten();
    let owner = owner.unwrap_or_else(|| Owner::lost(name, os_name, uid));
    Ok(Some(Running::adopted(record, owner, is_orphan, process)))
}

fn is_no_such_process(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || Errno::from_io_error(error) == Some(Errno::SRCH)
}

/// The desktop of that name of that person.
pub(crate) fn of(owner: &UserName, name: DesktopName) -> DesktopId {
    DesktopId::new(owner.clone(), name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Paths;

    #[test]
    fn only_a_desktop_whose_process_is_surely_gone_is_dead() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths {
            run: directory.path().join("r"),
            state: directory.path().join("s"),
            templates_dir: None,
        };
        let place = Place::new(&paths);
        place.prepare().unwrap();
        let write = |pid: i32| {
            let id = RunId::new().unwrap();
            let record = Record {
                desktop: "alice".parse().unwrap(),
                profile: "xfce".parse().unwrap(),
                os_name: "alice".to_owned(),
                uid: 1000,
                display: 10,
                since: 1,
                pid,
                start: 1,
                disk_warning: None,
                speaks: 0,
                hours: None,
                ready: None,
                frozen: None,
                killed: None,
            };
            std::fs::write(place.record(&id), serde_json::to_vec(&record).unwrap()).unwrap();
            id
        };
        let gone = write(i32::MAX);
        // The kernel has no answer for this one.
        write(0);
        let (adopted, dead) = Registry::default()
            .adopt(&place, &Cgroups::find(directory.path()))
            .unwrap();
        assert_eq!(adopted, []);
        assert_eq!(dead, [gone]);
    }
}
