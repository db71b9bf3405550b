//! Keeps the roles of `deskway up` running: starts each as a child, starts it again when it dies,
//! and passes on what this process is told.
//!
//! One thread and no runtime, so that children can be forked at any time.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::{Duration, Instant};

use deskway_osuser::{Child, Signals, run_in_child};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, waitpid};

/// A role that lived shorter than this is started again after a pause only.
const STABLE: Duration = Duration::from_secs(5);
/// The first pause before a role is started again; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long the roles may take to stop before they are killed.
const PATIENCE: Duration = Duration::from_secs(20);

/// One role: its name, the descriptors that it inherits, and what it does.
pub(super) struct Role<'a> {
    pub name: &'static str,
    pub keep: Vec<BorrowedFd<'a>>,
    /// Runs in the child, told how often the role was started again; the result is the child's
    /// exit status.
    pub work: Box<dyn Fn(u64) -> i32 + 'a>,
}

/// Why the supervisor ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Somebody asked for it.
    Asked,
    /// A role failed in its very first moments: starting it again would not help.
    Failed { role: &'static str },
}

struct Running<'a> {
    role: Role<'a>,
    state: State,
    pause: Duration,
    restarts: u64,
}

enum State {
    Up { child: Child, since: Instant },
    Down { until: Instant },
}

/// Runs the roles until SIGTERM or SIGINT; SIGHUP is passed on to all of them.
///
/// # Errors
/// When no process can be made or waited for.
pub(super) fn supervise(roles: Vec<Role<'_>>) -> io::Result<End> {
    let signals = Signals::take(&[Signal::TERM, Signal::INT, Signal::HUP, Signal::CHILD])?;
    let mut running = Vec::new();
    for role in roles {
        let state = start(&role, 0)?;
        running.push(Running {
            role,
            state,
            pause: FIRST_PAUSE,
            restarts: 0,
        });
    }
    loop {
        wait(&signals, &running, next_start(&running))?;
        while let Some(signal) = signals.next() {
            match signal {
                Signal::HUP => pass_on(&running, Signal::HUP),
                Signal::CHILD => {}
                _ => {
                    stop_all(&signals, &running)?;
                    return Ok(End::Asked);
                }
            }
        }
        for it in &mut running {
            if let Some(failed) = it.look_after() {
                stop_all(&signals, &running)?;
                return Ok(End::Failed { role: failed });
            }
        }
        reap_strangers(&running);
    }
}

impl Running<'_> {
    /// Notices that the role has ended, and starts it again when it is time.
    fn look_after(&mut self) -> Option<&'static str> {
        let now = Instant::now();
        match &self.state {
            State::Up { child, since } => {
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
    let child = run_in_child(&role.keep, || {
        // Terminal signals are for the supervisor, which passes them on in order.
        let own_group = rustix::process::setpgid(None, None);
        let named = rustix::thread::set_name(&title(role.name));
        if own_group.and(named).is_err() {
            return 71;
        }
        (role.work)(restarts)
    })?;
    Ok(State::Up {
        child,
        since: Instant::now(),
    })
}

/// How the child ended, if it has.
fn ended(child: &Child) -> Option<WaitStatus> {
    let pid = Pid::from_raw(child.id().pid);
    // An error means that it was waited for already, which nobody else does.
    waitpid(pid, WaitOptions::NOHANG)
        .ok()?
        .map(|(_, status)| status)
}

/// What `ps` shows: at most 15 bytes.
fn title(role: &str) -> std::ffi::CString {
    std::ffi::CString::new(format!("deskway-{role}")).unwrap_or_default()
}

fn next_start(running: &[Running<'_>]) -> Option<Instant> {
    let starts = running.iter().filter_map(|it| match it.state {
        State::Down { until } => Some(until),
        State::Up { .. } => None,
    });
    starts.min()
}

/// Waits for a signal, an end of a child, or `until`.
fn wait(signals: &Signals, running: &[Running<'_>], until: Option<Instant>) -> io::Result<()> {
    let mut polled = vec![PollFd::new(signals, PollFlags::IN)];
    for it in running {
        if let State::Up { child, .. } = &it.state {
            polled.push(PollFd::from_borrowed_fd(child.handle(), PollFlags::IN));
        }
    }
    let left = until.map(|until| until.saturating_duration_since(Instant::now()));
    let timeout = left.and_then(|left| Timespec::try_from(left + Duration::from_millis(1)).ok());
    match poll(&mut polled, timeout.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn pass_on(running: &[Running<'_>], signal: Signal) {
    for it in running {
        if let State::Up { child, .. } = &it.state {
            // It may have ended just now; that is noticed next.
            _ = child.kill(signal);
        }
    }
}

/// Asks all roles to end, waits, and kills those that do not.
fn stop_all(signals: &Signals, running: &[Running<'_>]) -> io::Result<()> {
    pass_on(running, Signal::TERM);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut left = Vec::new();
        for it in running {
            if let State::Up { child, .. } = &it.state
                && !child.reap()
            {
                left.push(child);
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            for child in &left {
                tracing::warn!(pid = child.id().pid, "does not stop; killed");
                _ = child.kill(Signal::KILL);
            }
        }
        let mut polled = vec![PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN)];
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
        while signals.next().is_some() {}
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
