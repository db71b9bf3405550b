//! The signals that the agent listens to, as descriptors that the poll loop can wait for.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};

/// A pair of descriptors: a child ended, and the desktop is to stop.
pub(super) struct Signals {
    child: UnixStream,
    stop: UnixStream,
}

impl Signals {
    /// # Errors
    /// When the kernel has no descriptors left.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            child: told_by(&[SIGCHLD])?,
            stop: told_by(&[SIGTERM, SIGINT, SIGHUP])?,
        })
    }

    pub(super) fn fds(&self) -> [BorrowedFd<'_>; 2] {
        [self.child.as_fd(), self.stop.as_fd()]
    }

    /// Whether a child has ended since the last call.
    pub(super) fn child_ended(&mut self) -> bool {
        came(&mut self.child)
    }

    /// Whether a stop was asked for since the last call.
    pub(super) fn stop_asked(&mut self) -> bool {
        came(&mut self.stop)
    }
}

fn told_by(signals: &[i32]) -> io::Result<UnixStream> {
    let (ours, handlers) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    for signal in signals {
        signal_hook::low_level::pipe::register(*signal, handlers.try_clone()?)?;
    }
    Ok(ours)
}

/// Signals that come faster than they are read fill the socket, whose bound is the kernel's; one
/// read of what is there stands for all of them, and what it leaves is seen in the next turn.
fn came(signal: &mut UnixStream) -> bool {
    let mut bytes = [0; 64];
    matches!(signal.read(&mut bytes), Ok(1..))
}
