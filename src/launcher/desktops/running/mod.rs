//! One running desktop, as the launcher sees it: its session child, its agent, and its state.

mod kept;
mod line;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use deskway_osuser::{Child, ProcessId};
use rustix::process::{Pid, Signal, WaitOptions};

use line::close_within;

use super::Notices;
use super::meter::Meter;
use super::pace::Pace;
use super::processor::Processes;
use super::strain::Strains;
use crate::agent::protocol::{Command, Status};
use crate::cgroup::Cgroups;
use crate::launcher::idle::Idle;
use crate::launcher::lifecycle::{End, Event, Lifecycle};
use crate::launcher::owner::Owner;
use crate::launcher::place::RunId;
use crate::launcher::protocol::Measure;
use crate::launcher::restarts::Again;
use crate::launcher::session_child::Record;
use crate::model::{DesktopId, DesktopInfo, DesktopState, EndCause, Geometry, ProfileId};

/// After an agent was asked to stop its desktop, so long until it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a session child has from SIGTERM on, before it is killed itself. It needs up to half
/// a minute for what is below it; whoever needs longer hangs, in a PAM module or a file system.
const KILL_TIMEOUT: Duration = Duration::from_mins(1);

/// Where news of a desktop comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The session child's end.
    Process,
    Reports,
    Agent,
}

#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) desktop: DesktopId,
    pub(crate) profile: ProfileId,
    pub(crate) owner: Owner,
    /// Its account is not there: nobody opens it, and admins can stop it.
    pub(crate) is_orphan: bool,
    /// As it was last written, or is to be.
    record: Record,
    pub(crate) display: u16,
    /// As it was wished for; not known of one that was adopted.
    geometry: Option<Geometry>,
    life: Lifecycle,
    id: ProcessId,
    process: OwnedFd,
    /// Gone when the session child was adopted.
    reports: Option<OwnedFd>,
    agent: Option<OwnedFd>,
    /// Whether an earlier launcher started it.
    is_adopted: bool,
    /// Whether this one has had a connection to its agent.
    was_reached: bool,
    /// From when on its agent is to be connected to (again).
    pub(crate) connect_at: Option<Instant>,
    /// The end of the log, when the session child has told it.
    log: String,
    stop: Stop,
    pub(crate) meter: Meter,
    pub(crate) strains: Strains,
    pub(crate) notices: Notices,
    pace: Pace,
    /// What has happened since somebody took it, for the metrics.
    measures: Vec<Measure>,
    /// The owner is to be warned when less than so many bytes are free where the home is.
    pub(crate) disk_warning: Option<u64>,
    /// When that is to be looked at.
    pub(crate) disk_at: Instant,
    /// How long the owner's desktops may run in a day.
    pub(crate) hours: Option<Duration>,
    /// Which commands the agent knows.
    speaks: u32,
    pub(crate) idle: Idle,
    /// Whether it could be used once.
    was_ready: bool,
    /// Its windows were asked to close: a stop is still to be asked for.
    is_closing: bool,
}

/// How far a stop has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    NotAsked,
    /// To be told to the agent once it is connected.
    Unsent {
        kill_at: Instant,
    },
    Sent {
        kill_at: Instant,
    },
    /// The session child was told to kill all of it.
    Killed {
        destroy_at: Instant,
    },
    /// The session child was killed itself.
    Destroyed,
}

impl Running {
    /// A desktop whose session child has just been forked.
    pub(super) fn started(
        record: &Record,
        owner: Owner,
        geometry: Option<Geometry>,
        child: Child,
        reports: OwnedFd,
    ) -> Self {
        let ProcessId { pid, start } = child.id();
        let record = Record {
            pid,
            start,
            ..record.clone()
        };
        Self {
            desktop: record.desktop.clone(),
            profile: record.profile.clone(),
            owner,
            is_orphan: false,
            display: record.display,
            geometry,
            life: Lifecycle::Absent.on(Event::Start, record.since),
            id: child.id(),
            process: child.into_handle(),
            reports: Some(reports),
            agent: None,
            is_adopted: false,
            was_reached: false,
            connect_at: None,
            log: String::new(),
            stop: Stop::NotAsked,
            meter: Meter::new(),
            strains: Strains::default(),
            notices: Notices::default(),
            pace: Pace::begun(),
            measures: Vec::new(),
            disk_warning: record.disk_warning,
            disk_at: Instant::now(),
            hours: record.hours.map(Duration::from_secs),
            speaks: record.speaks,
            idle: Idle::new(Instant::now()),
            was_ready: false,
            is_closing: false,
            record,
        }
    }

    /// Such a desktop was well once: it is not given up for an agent that does not answer.
    pub(crate) fn was_reached(&self) -> bool {
        self.is_adopted || self.was_reached
    }

    pub(crate) fn life(&self) -> &Lifecycle {
        &self.life
    }

    pub(super) fn info(&self, unix: u64, now: Instant) -> DesktopInfo {
        DesktopInfo {
            id: self.desktop.clone(),
            profile: Some(self.profile.clone()),
            state: match self.life.state() {
                DesktopState::Stopping if self.is_open_to_its_end() => DesktopState::Closing,
                state => state,
            },
            active: self.is_used().then(|| self.active(unix, now)),
            notices: self.notices.list().to_vec(),
        }
    }

    /// What there is to count since this was asked last.
    pub(crate) fn take_measures(&mut self) -> Vec<Measure> {
        std::mem::take(&mut self.measures)
    }

    pub(super) fn sockets(&self) -> impl Iterator<Item = (Source, BorrowedFd<'_>)> {
        let process = (Source::Process, self.process.as_fd());
        let reports = self
            .reports
            .as_ref()
            .map(|it| (Source::Reports, it.as_fd()));
        let agent = self.agent.as_ref().map(|it| (Source::Agent, it.as_fd()));
        [Some(process), reports, agent].into_iter().flatten()
    }

    /// Takes in what a socket has to say; `true` when the desktop's state changed.
    pub(crate) fn read(&mut self, source: Source, unix: u64) -> bool {
        let before = self.life.clone();
        match source {
            // Its end is the registry's to handle: what was said last comes first.
            Source::Process => {
                self.read_reports(unix);
                self.read_agent(unix);
            }
            Source::Reports => self.read_reports(unix),
            Source::Agent => self.read_agent(unix),
        }
        self.life != before
    }

    /// The desktop will not come up: nobody answers where its agent should.
    pub(crate) fn give_up(&mut self, error: String, unix: u64, now: Instant) {
        // The session child may have said why, and may have removed what the agent was looked for in.
        self.read_reports(unix);
        let cause = EndCause::ScreenFailed { error };
        let log = String::new();
        self.apply(Event::Refused(End { cause, log }), unix);
        self.kill(now);
    }

    pub(super) fn stop(&mut self, unix: u64, now: Instant) {
        self.meter.thaw();
        self.apply(Event::StopAsked(None), unix);
        if self.stop == Stop::NotAsked || self.is_closing {
            self.is_closing = false;
            self.ask_agent(&Command::Stop, now + STOP_TIMEOUT, now);
        }
    }

    /// Asks its windows to close within `grace`, then it ends, for that reason.
    pub(crate) fn close(&mut self, cause: EndCause, grace: Duration, unix: u64, now: Instant) {
        self.meter.thaw();
        self.apply(Event::StopAsked(Some(cause)), unix);
        if self.stop != Stop::NotAsked {
            return;
        }
        if self.speaks == 0 {
            return self.ask_agent(&Command::Stop, now + STOP_TIMEOUT, now);
        }
        self.is_closing = true;
        self.ask_agent(&close_within(grace), now + grace + STOP_TIMEOUT, now);
    }

    /// Whether its programs were asked to close, and may be asking their owner something.
    pub(crate) fn is_open_to_its_end(&self) -> bool {
        let had_screen = self.was_ready || self.is_adopted;
        self.is_closing && had_screen && matches!(self.stop, Stop::Sent { .. })
    }

    /// Whether a viewer can connect: `None` when that is still to come.
    pub(crate) fn screen_is_up(&self) -> Option<bool> {
        match self.life.screen_is_up() {
            Some(false) if self.is_open_to_its_end() => Some(true),
            up => up,
        }
    }

    /// Whether its time counts: it runs, and is not on its way out.
    pub(crate) fn takes_hours(&self) -> bool {
        matches!(
            self.life,
            Lifecycle::Starting { .. } | Lifecycle::Ready { .. }
        )
    }

    /// Whether people may be using it.
    pub(crate) fn is_used(&self) -> bool {
        matches!(
            self.life,
            Lifecycle::Ready { .. } | Lifecycle::Frozen { .. }
        )
    }

    pub(crate) fn froze(&mut self, unix: u64) {
        self.idle.froze();
        self.apply(Event::Froze, unix);
    }

    pub(crate) fn thawed(&mut self, unix: u64, now: Instant) {
        self.idle.thawed(now);
        self.apply(Event::Thawed, unix);
    }

    /// Asks for the input clock; its answer comes as a status. An agent that does not know of it
    /// never answers.
    pub(crate) fn ask_idle(&self) {
        self.tell_agent(&Command::TellIdle);
    }

    /// Shows something inside the desktop, as far as its agent can.
    pub(crate) fn show(&self, text: &str, keep: bool) {
        let text = text.to_owned();
        self.tell_agent(&Command::Show { text, keep });
    }

    /// How much of the processor it has had, and when that was so.
    pub(crate) fn cpu_time(
        &mut self,
        cgroups: &Cgroups,
        id: &RunId,
        processes: &mut Processes,
        now: Instant,
    ) -> Option<(Duration, Instant)> {
        let group = self.meter.group(cgroups, id);
        let counted = group.and_then(|group| group.cpu_time().ok());
        let counted = counted.map(|total| (total, now));
        counted.or_else(|| processes.time_below(self.id.pid, now))
    }

    /// The last sign of life, seconds since 1970.
    pub(crate) fn active(&self, unix: u64, now: Instant) -> u64 {
        unix.saturating_sub(now.saturating_duration_since(self.idle.since()).as_secs())
    }

    pub(super) fn kill_at(&self) -> Option<Instant> {
        match self.stop {
            Stop::Unsent { kill_at } | Stop::Sent { kill_at } => Some(kill_at),
            Stop::Killed { destroy_at } => Some(destroy_at),
            Stop::NotAsked | Stop::Destroyed => None,
        }
    }

    /// Tells the session child to kill all of it. A session child that was told so long ago is
    /// killed itself, and what it leaves is swept once it has ended.
    pub(super) fn kill(&mut self, now: Instant) {
        self.meter.thaw();
        self.connect_at = None;
        let signal = match self.stop {
            Stop::Killed { destroy_at } if destroy_at <= now => {
                tracing::error!(desktop = %self.desktop, "the session child hangs and is killed");
                self.stop = Stop::Destroyed;
                Signal::KILL
            }
            Stop::Killed { .. } | Stop::Destroyed => return,
            Stop::NotAsked | Stop::Unsent { .. } | Stop::Sent { .. } => {
                let destroy_at = now + KILL_TIMEOUT;
                self.stop = Stop::Killed { destroy_at };
                Signal::TERM
            }
        };
        if let Err(error) = deskway_osuser::signal(self.process.as_fd(), signal) {
            tracing::debug!(desktop = %self.desktop, %error, "the session child has ended");
        }
    }

    /// Reaps the session child, when it is one of this launcher's, and says how it all ended.
    pub(super) fn over(mut self, unix: u64) -> (DesktopId, ProfileId, Lifecycle, Option<Again>) {
        self.read(Source::Process, unix);
        let reaped = rustix::process::waitpid(Pid::from_raw(self.id.pid), WaitOptions::NOHANG);
        tracing::trace!(?reaped, "session child");
        let log = std::mem::take(&mut self.log);
        let cause = self.cause(EndCause::AgentDied);
        let otherwise = End { cause, log };
        self.apply(Event::Over { otherwise }, unix);
        let again = match &self.life {
            Lifecycle::Failed { cause, .. } if self.was_ready => Some(Again {
                owner: self.owner,
                profile: self.profile.clone(),
                geometry: self.geometry,
                cause: cause.clone(),
            }),
            _ => None,
        };
        (self.desktop, self.profile, self.life, again)
    }

    fn apply(&mut self, event: Event, unix: u64) {
        let life = std::mem::replace(&mut self.life, Lifecycle::Absent);
        let was_starting = matches!(life, Lifecycle::Starting { .. });
        let before = life.clone();
        let at = match event {
            // It has been for long, and the launcher before this one did not write down since when.
            Event::Agent(Status::Ready) if self.is_adopted => self.record.since,
            _ => unix,
        };
        self.life = life.on(event, at);
        self.measures.extend(self.pace.step(&before, &self.life));
        let (user, desktop) = (&self.desktop.owner, &self.desktop);
        match &self.life {
            Lifecycle::Ready { .. } if was_starting => {
                self.was_ready = true;
                self.idle.used(Instant::now());
                tracing::info!(%user, %desktop, "desktop ready");
            }
            Lifecycle::Gone { cause, .. } => {
                tracing::info!(%user, %desktop, %cause, "desktop ended");
            }
            Lifecycle::Failed { cause, .. } => {
                tracing::warn!(%user, %desktop, %cause, "desktop failed");
            }
            Lifecycle::Absent
            | Lifecycle::Starting { .. }
            | Lifecycle::Ready { .. }
            | Lifecycle::Frozen { .. }
            | Lifecycle::Stopping { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests;
