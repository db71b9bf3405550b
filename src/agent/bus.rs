//! The session's own D-Bus, ready before the session starts and ended after it.
//!
//! The agent starts it and not `dbus-run-session`, so that a session left in the background by
//! `~/.vnc/xstartup` keeps its bus, and so that it starts beside the X server, not after it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::process::Pid;

use super::child;
use super::log::Log;

/// A bus that is starting or runs.
pub(super) struct Bus {
    pub(super) pid: Pid,
    /// What clients find in `DBUS_SESSION_BUS_ADDRESS`.
    pub(super) address: String,
    /// The bus prints its address here when it can be used.
    ready: Option<OwnedFd>,
}

impl Bus {
    /// Starts `dbus-daemon` on the unix socket `path`. `env` is what programs get that the bus
    /// starts on demand.
    ///
    /// # Errors
    /// When it is not installed or cannot be run.
    pub(super) fn start(path: &Path, env: &[(String, String)], log: &Log) -> io::Result<Self> {
        let program = child::find("dbus-daemon", env)
            .map_err(|error| io::Error::new(io::ErrorKind::NotFound, error))?;
        let address = format!("unix:path={}", path.display());
        let mut command = child::command(program, env, log)?;
        command
            .env("DBUS_SESSION_BUS_ADDRESS", &address)
            // The journal of what it starts goes to syslog: it would drown the session's own words.
            .args(["--session", "--nofork", "--nopidfile", "--syslog-only"])
            .arg(format!("--address={address}"));
        let (pid, ready) = child::start_with_pipe(command, |command, fd| {
            command.arg(format!("--print-address={fd}"));
        })?;
        Ok(Self {
            pid,
            address,
            ready: Some(ready),
        })
    }

    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.ready.as_ref().map(AsFd::as_fd)
    }

    /// Whether nothing needs to be waited for any more: it is ready, or it has given up.
    pub(super) fn settled(&mut self) -> bool {
        let Some(ready) = &self.ready else {
            return true;
        };
        if rustix::io::read(ready, &mut [0; 256]) == Err(rustix::io::Errno::AGAIN) {
            return false;
        }
        self.ready = None;
        true
    }
}
