//! One running desktop, as the launcher sees it: its session child, its agent, and its state.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use deskway_osuser::{Child, ProcessId, Received};
use rustix::process::{Pid, Signal, WaitOptions};

use crate::agent::protocol::{Command, MAX_STATUS, Status};
use crate::launcher::lifecycle::{End, Event, Lifecycle};
use crate::launcher::owner::Owner;
use crate::launcher::session_child::{Record, Report};
use crate::model::{DesktopId, EndCause, ProfileId};

/// Most bytes of a report of a session child.
const MAX_REPORT: usize = 64 * 1024;
/// Most messages that are read of one socket before others have their turn.
const MAX_READ: usize = 16;

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
    pub(crate) display: u16,
    life: Lifecycle,
    id: ProcessId,
    process: OwnedFd,
    /// Gone when the session child was adopted.
    reports: Option<OwnedFd>,
    agent: Option<OwnedFd>,
    /// Whether an earlier launcher started it.
    is_adopted: bool,
    /// From when on its agent is to be connected to (again).
    pub(crate) connect_at: Option<Instant>,
    /// The end of the log, when the session child has told it.
    log: String,
    stop: Stop,
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
    Killed,
}

impl Running {
    /// A desktop whose session child has just been forked.
    pub(super) fn started(
        desktop: DesktopId,
        profile: ProfileId,
        owner: Owner,
        display: u16,
        child: Child,
        reports: OwnedFd,
        unix: u64,
    ) -> Self {
        Self {
            desktop,
            profile,
            owner,
            display,
            life: Lifecycle::Absent.on(Event::Start, unix),
            id: child.id(),
            process: child.into_handle(),
            reports: Some(reports),
            agent: None,
            is_adopted: false,
            connect_at: None,
            log: String::new(),
            stop: Stop::NotAsked,
        }
    }

    /// A desktop that an earlier launcher started. Its agent says how far it is.
    pub(super) fn adopted(record: Record, owner: Owner, process: OwnedFd) -> Self {
        Self {
            id: record.process(),
            life: Lifecycle::Absent.on(Event::Start, record.since),
            desktop: record.desktop,
            profile: record.profile,
            owner,
            display: record.display,
            process,
            reports: None,
            agent: None,
            is_adopted: true,
            connect_at: None,
            log: String::new(),
            stop: Stop::NotAsked,
        }
    }

    /// Such a desktop was well once: it is not given up for an agent that does not answer.
    pub(crate) fn is_adopted(&self) -> bool {
        self.is_adopted
    }

    pub(crate) fn life(&self) -> &Lifecycle {
        &self.life
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

    /// Keeps a connection to the agent, which is the child of the session child.
    ///
    /// # Errors
    /// When whoever listens there is another process.
    pub(crate) fn connect(&mut self, agent: OwnedFd) -> io::Result<()> {
        let peer = crate::launcher::user_child::check_listener(agent.as_fd(), &self.owner.os)?;
        if deskway_osuser::parent(peer.pid)? != self.id.pid {
            return Err(io::Error::other("the one who listens is not the agent"));
        }
        self.agent = Some(agent);
        if let Stop::Unsent { kill_at } = self.stop {
            self.ask_agent(kill_at);
        }
        Ok(())
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
    pub(crate) fn give_up(&mut self, error: String, unix: u64) {
        let cause = EndCause::ScreenFailed { error };
        let log = String::new();
        self.apply(Event::Refused(End { cause, log }), unix);
        self.kill();
    }

    pub(super) fn stop(&mut self, unix: u64, kill_at: Instant) {
        self.apply(Event::StopAsked, unix);
        if self.stop == Stop::NotAsked {
            self.ask_agent(kill_at);
        }
    }

    pub(super) fn kill_at(&self) -> Option<Instant> {
        match self.stop {
            Stop::Unsent { kill_at } | Stop::Sent { kill_at } => Some(kill_at),
            Stop::NotAsked | Stop::Killed => None,
        }
    }

    /// Tells the session child to kill all of it.
    pub(super) fn kill(&mut self) {
        self.stop = Stop::Killed;
        self.connect_at = None;
        if let Err(error) = deskway_osuser::signal(self.process.as_fd(), Signal::TERM) {
            tracing::debug!(desktop = %self.desktop, %error, "the session child has ended");
        }
    }

    /// Reaps the session child, when it is one of this launcher's, and says how it all ended.
    pub(super) fn over(mut self, unix: u64) -> (DesktopId, ProfileId, Lifecycle) {
        self.read(Source::Process, unix);
        let reaped = rustix::process::waitpid(Pid::from_raw(self.id.pid), WaitOptions::NOHANG);
        tracing::trace!(?reaped, "session child");
        let log = std::mem::take(&mut self.log);
        let cause = EndCause::AgentDied;
        let otherwise = End { cause, log };
        self.apply(Event::Over { otherwise }, unix);
        (self.desktop, self.profile, self.life)
    }

    fn ask_agent(&mut self, kill_at: Instant) {
        self.stop = Stop::Unsent { kill_at };
        let Some(agent) = &self.agent else {
            return;
        };
        let sent = serde_json::to_vec(&Command::Stop)
            .map_err(io::Error::from)
            .and_then(|command| deskway_osuser::send(agent.as_fd(), &command));
        match sent {
            Ok(()) => self.stop = Stop::Sent { kill_at },
            Err(error) => {
                tracing::warn!(desktop = %self.desktop, %error, "the agent cannot be asked to stop");
                self.kill();
            }
        }
    }

    fn read_reports(&mut self, unix: u64) {
        for _ in 0..MAX_READ {
            let Some(reports) = &self.reports else { return };
            let mut buffer = vec![0; MAX_REPORT];
            match deskway_osuser::receive(reports.as_fd(), &mut buffer) {
                Ok(Received::Message(length, _)) => {
                    let report = buffer.get(..length).map(postcard::from_bytes);
                    match report {
                        Some(Ok(Report::Refused(cause))) => {
                            let log = String::new();
                            self.apply(Event::Refused(End { cause, log }), unix);
                        }
                        Some(Ok(Report::Log(log))) => self.log = log,
                        _ => self.reports = None,
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Ok(Received::TooLong | Received::End) | Err(_) => self.reports = None,
            }
        }
    }

    fn read_agent(&mut self, unix: u64) {
        for _ in 0..MAX_READ {
            let Some(agent) = &self.agent else { return };
            let mut buffer = vec![0; MAX_STATUS];
            match deskway_osuser::receive(agent.as_fd(), &mut buffer) {
                Ok(Received::Message(length, _)) => {
                    match buffer.get(..length).map(serde_json::from_slice::<Status>) {
                        Some(Ok(status)) => self.apply(Event::Agent(clean(status)), unix),
                        _ => self.agent = None,
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Ok(Received::TooLong | Received::End) | Err(_) => self.agent = None,
            }
        }
    }

    fn apply(&mut self, event: Event, unix: u64) {
        let life = std::mem::replace(&mut self.life, Lifecycle::Absent);
        let was_starting = matches!(life, Lifecycle::Starting { .. });
        self.life = life.on(event, unix);
        let (user, desktop) = (&self.desktop.owner, &self.desktop);
        match &self.life {
            Lifecycle::Ready { .. } if was_starting => {
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
            | Lifecycle::Stopping { .. } => {}
        }
    }
}

/// An agent is its owner's process: what it says of a log is bounded here again.
fn clean(status: Status) -> Status {
    match status {
        Status::Ended { cause, log } => {
            let kept = log
                .len()
                .saturating_sub(crate::launcher::protocol::MAX_LOG_TAIL);
            let kept = log.ceil_char_boundary(kept);
            let log = log.get(kept..).unwrap_or_default().to_owned();
            Status::Ended { cause, log }
        }
        other @ (Status::Starting { .. } | Status::Ready | Status::Stopping) => other,
    }
}
