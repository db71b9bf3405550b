//! Keeps the roles of `deskway up` running: starts each as a child, starts it again when it dies,
//! and passes on what this process is told.
//!
//! One thread and no runtime, so that children can be forked at any time.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use deskway_osuser::{Child, ProcessId, Signals, run_in_child};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, waitpid};

use super::notify::Notifier;
use super::pulse::{Answers, Pulse};
use super::words::{Line, Word};

/// A role that lived shorter than this is started again after a pause only.
const STABLE: Duration = Duration::from_secs(5);
/// The first pause before a role is started again; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The exit status of a role that cannot even begin (EX_OSERR of sysexits.h).
const CANNOT_BEGIN: i32 = 71;
/// How long the roles may take to stop before they are killed.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// How long a front of before an upgrade may take to finish before it is killed, which is longer
/// than it waits itself; and the pause until it is looked at again then.
const LEAVING_PATIENCE: Duration = Duration::from_secs(10);
const KILLED_PAUSE: Duration = Duration::from_secs(1);

/// Below the run directory.
const RECORDS: &str = "d";

/// The roles' names.
pub(super) const LAUNCHER: &str = "launcher";
pub(super) const SERVE: &str = "serve";

/// What the supervisor takes over when something asks it to.
pub(super) const SIGNALS: [Signal; 5] = [
    Signal::TERM,
    Signal::INT,
    Signal::HUP,
    Signal::USR2,
    Signal::CHILD,
];

/// One role: its name, the descriptors that it inherits, and what it does.
pub(super) struct Role<'a> {
    pub name: &'static str,
    pub keep: Vec<BorrowedFd<'a>>,
    /// Another one, which an upgrade may replace.
    pub keep_now: Option<&'a RefCell<OwnedFd>>,
    /// Runs in the child, told how often the role was started again, with its end of the line to
    /// the supervisor; the result is the child's exit status.
    pub work: Box<dyn Fn(u64, OwnedFd) -> i32 + 'a>,
}

/// Why the supervisor ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Somebody asked for it.
    Asked,
    /// A role failed in its very first moments: starting it again would not help.
    Failed { role: &'static str },
}

/// Runs the roles.
pub(super) struct Supervisor<'a> {
    pub signals: Signals,
    pub running: Vec<Running<'a>>,
    /// Who connects here asks for an upgrade.
    pub upgrades: BorrowedFd<'a>,
    leaving: Option<Leaving<'a>>,
    pub notifier: Notifier,
    pulse: Pulse,
    /// Where there is a file for each desktop that runs.
    desktops: PathBuf,
}

/// A front of before the upgrade, which finishes.
struct Leaving<'a> {
    child: Child,
    socket: &'a Path,
    /// When it is killed.
    until: Instant,
}

/// What somebody asks of the supervisor besides looking after the roles.
pub(super) enum Asked {
    Stop,
    /// Told how it went, when they wait for that.
    Upgrade(Option<OwnedFd>),
}

pub(super) struct Running<'a> {
    pub role: Role<'a>,
    pub state: State,
    pause: Duration,
    restarts: u64,
    answers: Answers,
}

pub(super) enum State {
    Up {
        child: Child,
        line: Line,
        since: Instant,
    },
    Down {
        until: Instant,
    },
}

impl<'a> Supervisor<'a> {
    /// `signals` are [`SIGNALS`].
    pub(super) fn new(upgrades: BorrowedFd<'a>, signals: Signals, run: &Path) -> Self {
        Self {
            signals,
            running: Vec::new(),
            upgrades,
            leaving: None,
            notifier: Notifier::from_environment(),
            pulse: Pulse::from_environment(Instant::now()),
            desktops: run.join(RECORDS),
        }
    }

    /// Starts a role.
    ///
    /// # Errors
    /// When no process can be made.
    pub(super) fn start(&mut self, role: Role<'a>) -> io::Result<()> {
        let state = start(&role, 0)?;
        self.add(role, state, 0);
        Ok(())
    }

    /// Looks after a role that runs already; one that has ended meanwhile is started again.
    pub(super) fn adopt(&mut self, role: Role<'a>, id: ProcessId, line: Line) {
        let now = Instant::now();
        let state = match Child::adopt(id) {
            Ok(child) => State::Up {
                child,
                line,
                since: now,
            },
            Err(_) => State::Down { until: now },
        };
        self.add(role, state, 1);
    }

    /// Waits for a front of before the upgrade, if it is there still, and then removes its socket.
    pub(super) fn finishes(&mut self, front: Option<Child>, socket: &'a Path) {
        let until = Instant::now() + LEAVING_PATIENCE;
        self.leaving = front.map(|child| Leaving {
            child,
            socket,
            until,
        });
        if self.leaving.is_none() {
            // Where it is not, there is nothing to remove.
            _ = std::fs::remove_file(socket);
        }
    }

    /// Whether the front of before an upgrade is there still.
    pub(super) fn is_finishing(&self) -> bool {
        self.leaving.is_some()
    }

    fn add(&mut self, role: Role<'a>, state: State, restarts: u64) {
        self.running.push(Running {
            role,
            state,
            pause: FIRST_PAUSE,
            restarts,
            answers: Answers::default(),
        });
    }

    /// Runs the roles until SIGTERM or SIGINT; SIGHUP is passed on to all of them. SIGUSR2 and
    /// who connects for that have `upgrade` called.
    ///
    /// # Errors
    /// When no process can be made or waited for.
    pub(super) fn run(
        &mut self,
        mut upgrade: impl FnMut(&mut Self, Option<OwnedFd>),
    ) -> io::Result<End> {
        loop {
            self.wait()?;
            match self.asked() {
                Some(Asked::Stop) => {
                    self.notifier.say("STOPPING=1");
                    self.stop_all()?;
                    return Ok(End::Asked);
                }
                Some(Asked::Upgrade(asker)) => upgrade(self, asker),
                None => {}
            }
            self.listen_to_roles();
            if self.pulse.is_due(Instant::now()) {
                self.ask_roles();
            }
            if let Some(failed) = self.running.iter_mut().find_map(Running::look_after) {
                self.stop_all()?;
                return Ok(End::Failed { role: failed });
            }
            self.look_after_leaving();
            reap_strangers(&self.running);
        }
    }

    pub(super) fn role(&mut self, name: &str) -> Option<&mut Running<'a>> {
        self.running.iter_mut().find(|it| it.role.name == name)
    }

    /// The next thing that somebody asks.
    fn asked(&self) -> Option<Asked> {
        while let Some(signal) = self.signals.next() {
            match signal {
                Signal::HUP => pass_on(&self.running, Signal::HUP),
                Signal::CHILD => {}
                Signal::USR2 => return Some(Asked::Upgrade(None)),
                _ => return Some(Asked::Stop),
            }
        }
        let socket = deskway_osuser::accept(self.upgrades).ok()?;
        let peer = deskway_osuser::peer(socket.as_fd()).ok()?;
        let ours = peer.uid == 0 || peer.uid == deskway_osuser::own_uid();
        ours.then_some(Asked::Upgrade(Some(socket)))
    }

    /// The front says when people can sign in.
    fn listen_to_roles(&mut self) {
        for it in &mut self.running {
            if let State::Up { line, .. } = &mut it.state {
                while let Some(word) = line.heard() {
                    match word {
                        Word::Ready => self.notifier.say("READY=1"),
                        Word::Here => it.answers.heard(),
                        _ => {}
                    }
                }
            }
        }
    }

    /// Asks each whether it is there, and kills one that has not said so for long.
    fn ask_roles(&mut self) {
        let mut all_is_well = true;
        for it in &mut self.running {
            let State::Up { child, line, .. } = &it.state else {
                all_is_well = false;
                continue;
            };
            // One of a version that was not asked has no line.
            if !line.is_open() {
                continue;
            }
            all_is_well &= it.answers.ask();
            if it.answers.hangs() {
                it.answers = Answers::default();
                let (role, pid) = (it.role.name, child.id().pid);
                tracing::error!(role, pid, "hangs; killed, to be started again");
                // It may have ended just now.
                _ = child.kill(Signal::KILL);
            } else {
                line.say(Word::AreYouThere);
            }
        }
        if all_is_well {
            let records = std::fs::read_dir(&self.desktops);
            let desktops = records.map_or(0, Iterator::count);
            self.pulse.all_is_well(&self.notifier, desktops);
        }
    }

    fn look_after_leaving(&mut self) {
        if let Some(left) = self.leaving.take_if(|it| it.child.reap()) {
            // Where it is not, there is nothing to remove.
            _ = std::fs::remove_file(left.socket);
        }
        let now = Instant::now();
        if let Some(it) = self.leaving.as_mut().filter(|it| it.until <= now) {
            tracing::warn!(pid = it.child.id().pid, "the old front hangs; killed");
            // It may have ended just now.
            _ = it.child.kill(Signal::KILL);
            it.until = now + KILLED_PAUSE;
        }
    }

    /// Asks all processes to end, waits, and kills those that do not.
    fn stop_all(&mut self) -> io::Result<()> {
        pass_on(&self.running, Signal::TERM);
        if let Some(it) = &self.leaving {
            // It may have ended just now.
            _ = it.child.kill(Signal::TERM);
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.look_after_leaving();
            let roles = self.running.iter().filter_map(|it| match &it.state {
                State::Up { child, .. } => Some(child),
                State::Down { .. } => None,
            });
            let mut left: Vec<&Child> = roles.filter(|child| !child.reap()).collect();
            left.extend(self.leaving.as_ref().map(|it| &it.child));
            if left.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                for child in &left {
                    tracing::warn!(pid = child.id().pid, "does not stop; killed");
                    _ = child.kill(Signal::KILL);
                }
            }
            let mut polled = vec![PollFd::from_borrowed_fd(
                self.signals.as_fd(),
                PollFlags::IN,
            )];
            polled.extend(
                left.iter()
                    .map(|it| PollFd::from_borrowed_fd(it.handle(), PollFlags::IN)),
            );
            let timeout = Timespec {
                tv_sec: 1,
                tv_nsec: 0,
            };
            match poll(&mut polled, Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            while self.signals.next().is_some() {}
        }
    }

    /// Waits until something happens or a role is to be started again.
    fn wait(&self) -> io::Result<()> {
        let mut polled = vec![
            PollFd::new(&self.signals, PollFlags::IN),
            PollFd::from_borrowed_fd(self.upgrades, PollFlags::IN),
        ];
        for it in &self.running {
            if let State::Up { child, line, .. } = &it.state {
                polled.push(PollFd::from_borrowed_fd(child.handle(), PollFlags::IN));
                polled.extend(line.to_poll());
            }
        }
        if let Some(it) = &self.leaving {
            polled.push(PollFd::from_borrowed_fd(it.child.handle(), PollFlags::IN));
        }
        let kill = self.leaving.as_ref().map(|it| it.until);
        let pulse = Some(self.pulse.next());
        let next = next_start(&self.running).into_iter().chain(kill);
        let next = next.chain(pulse).min();
        let left = next.map(|until| until.saturating_duration_since(Instant::now()));
        let timeout =
            left.and_then(|left| Timespec::try_from(left + Duration::from_millis(1)).ok());
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Running<'_> {
    /// Another process takes the role's part, or none for now; what was there before.
    pub(super) fn replace(&mut self, state: State) -> State {
        self.restarts += 1;
        self.answers = Answers::default();
        std::mem::replace(&mut self.state, state)
    }

    /// Notices that the role has ended, and starts it again when it is time.
    fn look_after(&mut self) -> Option<&'static str> {
        let now = Instant::now();
        match &self.state {
            State::Up { child, since, .. } => {
                let stable = now.duration_since(*since) >= STABLE;
                let status = ended(child)?;
                if !stable && self.restarts == 0 && status.exit_status().is_some() {
                    return Some(self.role.name);
                }
                self.restarts += 1;
                self.pause = if stable {
                    FIRST_PAUSE
                } else {
                    (self.pause * 2).min(LONGEST_PAUSE)
                };
                tracing::error!(role = self.role.name, ?status, "ended; starting it again");
                let until = if stable { now } else { now + self.pause };
                self.state = State::Down { until };
            }
            State::Down { .. } => {}
        }
        if let State::Down { until } = self.state
            && until <= now
        {
            self.answers = Answers::default();
            self.state = start(&self.role, self.restarts).unwrap_or_else(|error| {
                tracing::error!(role = self.role.name, %error, "cannot be started; trying again");
                State::Down {
                    until: now + LONGEST_PAUSE,
                }
            });
        }
        None
    }
}

fn start(role: &Role<'_>, restarts: u64) -> io::Result<State> {
    let (line, theirs) = Line::pair()?;
    let now = role.keep_now.map(RefCell::borrow);
    let mut keep = role.keep.clone();
    keep.extend(now.iter().map(|it| it.as_fd()));
    keep.push(theirs.as_fd());
    let child = run_in_child(&keep, || {
        if let Err(status) = begin(role.name) {
            return status;
        }
        match theirs.try_clone() {
            Ok(theirs) => (role.work)(restarts, theirs),
            Err(_) => CANNOT_BEGIN,
        }
    })?;
    Ok(State::Up {
        child,
        line,
        since: Instant::now(),
    })
}

/// What every role's process does first; the error is its exit status.
pub(super) fn begin(role: &str) -> Result<(), i32> {
    // Terminal signals are for the supervisor, which passes them on in order.
    let own_group = rustix::process::setpgid(None, None).map_err(io::Error::from);
    own_group
        .and_then(|()| set_title(role))
        .map_err(|_| CANNOT_BEGIN)
}

/// What `ps` shows, until the process becomes another program: at most 15 bytes.
///
/// # Errors
/// Never for a name without zeros.
pub(super) fn set_title(role: &str) -> io::Result<()> {
    let title = std::ffi::CString::new(format!("deskway-{role}"))?;
    Ok(rustix::thread::set_name(&title)?)
}

/// How the child ended, if it has.
fn ended(child: &Child) -> Option<WaitStatus> {
    let pid = Pid::from_raw(child.id().pid);
    // An error means that it was waited for already, which nobody else does.
    waitpid(pid, WaitOptions::NOHANG)
        .ok()?
        .map(|(_, status)| status)
}

fn next_start(running: &[Running<'_>]) -> Option<Instant> {
    let starts = running.iter().filter_map(|it| match it.state {
        State::Down { until } => Some(until),
        State::Up { .. } => None,
    });
    starts.min()
}

fn pass_on(running: &[Running<'_>], signal: Signal) {
    for it in running {
        if let State::Up { child, .. } = &it.state {
            // It may have ended just now; that is noticed next.
            _ = child.kill(signal);
        }
    }
}

/// Reaps children that this program did not start, which it has when it was `exec`ed by a process
/// that had some.
fn reap_strangers(running: &[Running<'_>]) {
    let ours: Vec<i32> = running
        .iter()
        .filter_map(|it| match &it.state {
            State::Up { child, .. } => Some(child.id().pid),
            State::Down { .. } => None,
        })
        .collect();
    let path = format!(
        "/proc/self/task/{0}/children",
        rustix::process::getpid().as_raw_pid()
    );
    let children = std::fs::read_to_string(path).unwrap_or_default();
    let children = children
        .split_whitespace()
        .filter_map(|pid| pid.parse::<i32>().ok());
    for stranger in children.filter(|pid| !ours.contains(pid)) {
        _ = waitpid(Pid::from_raw(stranger), WaitOptions::NOHANG);
    }
}
