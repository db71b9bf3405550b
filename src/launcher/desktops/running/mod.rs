//! One running desktop, as the launcher sees it: its session child, its agent, and its state.

mod kept;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use deskway_osuser::{Child, ProcessId, Received};
use rustix::process::{Pid, Signal, WaitOptions};

use super::Notices;
use super::meter::Meter;
use super::pace::Pace;
use super::processor::Processes;
use super::said::clean;
use super::strain::Strains;
use crate::agent::protocol::{Command, MAX_STATUS, Status};
use crate::cgroup::Cgroups;
use crate::launcher::idle::Idle;
use crate::launcher::lifecycle::{End, Event, Lifecycle};
use crate::launcher::owner::Owner;
use crate::launcher::place::RunId;
use crate::launcher::protocol::Measure;
use crate::launcher::restarts::Again;
use crate::launcher::session_child::{Record, Report};
use crate::model::{DesktopId, DesktopInfo, DesktopState, EndCause, Exit, Geometry, ProfileId};

/// Most bytes of a report of a session child.
const MAX_REPORT: usize = 64 * 1024;
/// Most messages that are read of one socket before others have their turn.
const MAX_READ: usize = 16;

/// After an agent was asked to stop its desktop, so long until it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// After an agent has hung up, until it is connected to again.
const AGAIN: Duration = Duration::from_secs(1);
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
    fn take_agent(&mut self, agent: OwnedFd, now: Instant) {
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

    fn tell_agent(&self, command: &Command) {
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

    fn ask_agent(&mut self, command: &Command, kill_at: Instant, now: Instant) {
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

    fn read_reports(&mut self, unix: u64) {
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

    fn read_agent(&mut self, unix: u64) {
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
    fn cause(&self, said: EndCause) -> EndCause {
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

/// How a process ends that the kernel ends for lack of memory.
const KILLED: Exit = Exit::Signal(9);

fn close_within(grace: Duration) -> Command {
    let seconds = u16::try_from(grace.as_secs()).unwrap_or(u16::MAX);
    Command::Close { seconds }
}

fn is_x_server(program: &str) -> bool {
    super::start::X_SERVERS.contains(&program)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{Command as Process, Stdio};

    use deskway_osuser::Account;

    use super::*;

    fn said_to(agent: &OwnedFd) -> Command {
        let mut buffer = [0; 256];
        match deskway_osuser::receive(agent.as_fd(), &mut buffer).unwrap() {
            Received::Message(length, _) => serde_json::from_slice(&buffer[..length]).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// An adopted desktop whose session child is that process.
    fn adopted(pid: i32, speaks: u32) -> Running {
        let start = deskway_osuser::start_time(pid).unwrap();
        let record = Record {
            desktop: "alice".parse().unwrap(),
            profile: "xfce".parse().unwrap(),
            os_name: "alice".to_owned(),
            uid: 1000,
            display: 10,
            since: 1,
            pid,
            start,
            disk_warning: None,
            speaks,
            hours: None,
            ready: None,
            frozen: None,
            killed: None,
        };
        let owner = Owner {
            name: "alice".parse().unwrap(),
            os: Account {
                name: "alice".to_owned(),
                uid: 1000,
                gid: 1000,
                full_name: String::new(),
                home: "/home/alice".into(),
                shell: "".into(),
            },
        };
        let process = deskway_osuser::open_process(record.process()).unwrap();
        Running::adopted(record, owner, false, process)
    }

    #[test]
    fn an_agent_that_connects_late_is_told_what_was_asked_for_meanwhile() {
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let began = Instant::now();
        let later = began + Duration::from_secs(20);
        let minute = Duration::from_mins(1);
        let cause = EndCause::HoursUsedUp;

        let mut running = adopted(own, 1);
        running.close(cause.clone(), minute, 5, began);
        assert!(!running.is_open_to_its_end(), "nobody was asked yet");
        let (ours, agent) = deskway_osuser::pair().unwrap();
        running.take_agent(ours, later);
        assert_eq!(said_to(&agent), Command::Close { seconds: 40 });
        assert_eq!(running.kill_at(), Some(began + minute + STOP_TIMEOUT));
        assert_eq!(running.info(5, later).state, DesktopState::Closing);
        assert_eq!(running.screen_is_up(), Some(true));

        // Somebody stops it after all.
        let mut running = adopted(own, 1);
        running.close(cause, minute, 5, began);
        running.stop(5, began);
        let (ours, agent) = deskway_osuser::pair().unwrap();
        running.take_agent(ours, later);
        assert_eq!(said_to(&agent), Command::Stop);
        assert_eq!(running.info(5, later).state, DesktopState::Stopping);
        assert_eq!(running.screen_is_up(), Some(false));
    }

    /// A desktop, and its agent's end of the connection.
    fn connected() -> (Running, OwnedFd) {
        let own = i32::try_from(std::process::id()).unwrap();
        let mut running = adopted(own, 0);
        let (agent, theirs) = deskway_osuser::pair().unwrap();
        running.take_agent(agent, Instant::now());
        (running, theirs)
    }

    fn say(agent: &OwnedFd, status: &Status) {
        let status = serde_json::to_vec(status).unwrap();
        deskway_osuser::send(agent.as_fd(), &status).unwrap();
    }

    #[test]
    fn an_end_that_nobody_asked_for_has_to_come() {
        let ended = Status::Ended {
            cause: EndCause::LoggedOut,
            log: String::new(),
        };
        for status in [Status::Stopping, ended] {
            let (mut running, agent) = connected();
            say(&agent, &Status::Ready);
            running.read(Source::Agent, 1);
            assert!(running.takes_hours() && running.kill_at().is_none());
            say(&agent, &status);
            running.read(Source::Agent, 2);
            assert!(!running.takes_hours());
            assert!(running.kill_at().is_some(), "{status:?}");
        }
    }

    #[test]
    fn the_words_of_an_agent_are_one_short_line_without_orders_to_a_terminal() {
        let (mut running, agent) = connected();
        let error = format!("\u{1b}]0;x\u{7}\nalice  ready{}", "ä".repeat(400));
        let cause = EndCause::ScreenFailed { error };
        let log = String::new();
        say(&agent, &Status::Ended { cause, log });
        running.read(Source::Agent, 1);
        let Lifecycle::Stopping { end: Some(end) } = running.life() else {
            panic!("{:?}", running.life());
        };
        let EndCause::ScreenFailed { error } = &end.cause else {
            panic!("{:?}", end.cause);
        };
        assert!(error.starts_with("?]0;x??alice  ready"), "{error}");
        assert_eq!(error.chars().count(), 400);
    }

    #[test]
    fn an_agent_that_hangs_up_is_connected_to_again_unless_it_was_to_end() {
        let (mut running, agent) = connected();
        drop(agent);
        running.read(Source::Agent, 1);
        assert!(running.connect_at.is_some());

        let (mut running, agent) = connected();
        say(&agent, &Status::Stopping);
        drop(agent);
        running.read(Source::Agent, 1);
        assert_eq!(running.connect_at, None);
    }

    #[test]
    fn a_session_child_that_hangs_is_killed_in_the_end() {
        let script = "trap '' TERM; echo; exec sleep 600";
        let mut hanging = Process::new("sh")
            .args(["-c", script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = hanging.stdout.take().unwrap();
        out.read_exact(&mut [0]).unwrap();
        let pid = i32::try_from(hanging.id()).unwrap();
        let mut running = adopted(pid, 0);
        running.stop(1, Instant::now());
        for _ in 0..2 {
            let at = running.kill_at().expect("a deadline for the next step");
            running.kill(at);
        }
        assert_eq!(running.kill_at(), None);
        let signal = hanging.wait().unwrap().signal();
        assert_eq!(signal, Some(Signal::KILL.as_raw()));
    }
}
