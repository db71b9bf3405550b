//! What a desktop's agent and its session child say, and what the agent is told.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use deskway_osuser::Received;

use super::{Running, STOP_TIMEOUT, Stop};
use crate::agent::protocol::{Command, MAX_STATUS, Status};
use crate::launcher::desktops::said::clean;
use crate::launcher::desktops::start::X_SERVERS;
use crate::launcher::lifecycle::{End, Event, Lifecycle};
use crate::launcher::session_child::Report;
use crate::model::{EndCause, Exit};

/// Most bytes of a report of a session child.
const MAX_REPORT: usize = 64 * 1024;
/// Most messages that are read of one socket before others have their turn.
const MAX_READ: usize = 16;

/// After an agent has hung up, until it is connected to again.
const AGAIN: Duration = Duration::from_secs(1);
/// How a process ends that the kernel ends for lack of memory.
const KILLED: Exit = Exit::Signal(9);

impl Running {
    /// Keeps a connection to the agent, which is the child of the session child.
    ///
    /// # Errors
    /// When whoever listens there is another process.
    pub(crate) fn connect(&mut self, agent: OwnedFd, now: Instant) -> io::Result<()> {
        let peer = crate::launcher::user_child::check_listener(agent.as_fd(), &self.owner.os)?;
        if deskway_osuser::parent(peer.pid)? != self.id.pid {
            return Err(io::Error::other("the one who listens is not the agent"));
        }
        self.take_agent(agent, now);
        Ok(())
    }

    /// What it was to be told meanwhile, it is told now.
    pub(super) fn take_agent(&mut self, agent: OwnedFd, now: Instant) {
        self.agent = Some(agent);
        self.was_reached = true;
        if let Stop::Unsent { kill_at } = self.stop {
            let left = kill_at.saturating_duration_since(now);
            let command = if self.is_closing {
                close_within(left.saturating_sub(STOP_TIMEOUT))
            } else {
                Command::Stop
            };
            self.ask_agent(&command, kill_at, now);
        }
    }

    pub(super) fn tell_agent(&self, command: &Command) {
        let Some(agent) = self.agent.as_ref().filter(|_| self.speaks > 0) else {
            return;
        };
        let sent = serde_json::to_vec(command)
            .map_err(io::Error::from)
            .and_then(|command| deskway_osuser::send(agent.as_fd(), &command));
        if let Err(error) = sent {
            tracing::debug!(desktop = %self.desktop, %error, "the agent cannot be told");
        }
    }

    pub(super) fn ask_agent(&mut self, command: &Command, kill_at: Instant, now: Instant) {
        self.stop = Stop::Unsent { kill_at };
        let Some(agent) = &self.agent else {
            return;
        };
        let sent = serde_json::to_vec(command)
            .map_err(io::Error::from)
            .and_then(|command| deskway_osuser::send(agent.as_fd(), &command));
        match sent {
            Ok(()) => self.stop = Stop::Sent { kill_at },
            Err(error) => {
                tracing::warn!(desktop = %self.desktop, %error, "the agent cannot be asked to stop");
                self.kill(now);
            }
        }
    }

    pub(super) fn read_reports(&mut self, unix: u64) {
        for _ in 0..MAX_READ {
            let Some(reports) = &self.reports else { return };
            let mut buffer = vec![0; MAX_REPORT];
            match deskway_osuser::receive(reports.as_fd(), &mut buffer) {
                Ok(Received::Message(length, _)) => {
                    let report = buffer.get(..length).map(postcard::from_bytes);
                    match report {
                        // Once it is up, its agent says how it ended.
                        Some(Ok(Report::Refused(_))) if self.was_ready => {}
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

    pub(super) fn read_agent(&mut self, unix: u64) {
        for _ in 0..MAX_READ {
            let Some(agent) = &self.agent else { return };
            let mut buffer = vec![0; MAX_STATUS];
            match deskway_osuser::receive(agent.as_fd(), &mut buffer) {
                Ok(Received::Message(length, _)) => {
                    match buffer.get(..length).map(serde_json::from_slice::<Status>) {
                        Some(Ok(Status::Idle { millis })) => {
                            let ago = Duration::from_millis(millis);
                            self.idle.input(ago, Instant::now());
                        }
                        Some(Ok(status)) => {
                            let status = self.explain(clean(status));
                            self.apply(Event::Agent(status), unix);
                            self.bound_end(Instant::now());
                        }
                        _ => self.hung_up(Instant::now()),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Ok(Received::TooLong | Received::End) | Err(_) => self.hung_up(Instant::now()),
            }
        }
    }

    /// An end that an agent speaks of without having been asked for it has to come too: it is its
    /// owner's process, and a desktop on its way out takes no hours and is never idle.
    fn bound_end(&mut self, now: Instant) {
        if self.stop == Stop::NotAsked && matches!(self.life, Lifecycle::Stopping { .. }) {
            let kill_at = now + STOP_TIMEOUT;
            self.stop = Stop::Sent { kill_at };
        }
    }

    /// The agent has ended, as is heard soon, or is there still and to be reached again.
    fn hung_up(&mut self, now: Instant) {
        self.agent = None;
        if self.stop == Stop::NotAsked {
            self.connect_at = Some(now + AGAIN);
        }
    }

    /// An end for lack of memory is told as such.
    fn explain(&self, status: Status) -> Status {
        match status {
            Status::Ended { cause, log } => Status::Ended {
                cause: self.cause(cause),
                log,
            },
            other => other,
        }
    }

    /// `said`, or that the kernel has just ended what the desktop cannot do without.
    pub(super) fn cause(&self, said: EndCause) -> EndCause {
        let now = Instant::now();
        // A session ends by itself when its screen is gone, and may be heard of first.
        let screen = self.meter.recent_kill(now, is_x_server);
        let kill = match said {
            EndCause::AgentDied
            | EndCause::SessionDied { how: KILLED, .. }
            | EndCause::ScreenDied { how: KILLED } => {
                screen.or_else(|| self.meter.recent_kill(now, |_| true))
            }
            EndCause::SessionDied { .. } => screen,
            _ => None,
        };
        kill.map_or(said, |kill| EndCause::OutOfMemory {
            program: kill.program.clone(),
            limit: kill.limit,
        })
    }
}

pub(super) fn close_within(grace: Duration) -> Command {
    let seconds = u16::try_from(grace.as_secs()).unwrap_or(u16::MAX);
    Command::Close { seconds }
}

fn is_x_server(program: &str) -> bool {
    X_SERVERS.contains(&program)
}
