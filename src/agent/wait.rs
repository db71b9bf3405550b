//! Waiting for descriptors with a deadline.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// Waits until one of `fds` has something to read or is closed, a signal comes, or `time` is over;
/// without `time`, as long as it takes.
///
/// # Errors
/// When the kernel cannot wait, which is an error of ours.
pub(super) fn wait(fds: Vec<BorrowedFd<'_>>, time: Option<Duration>) -> io::Result<()> {
    let time = time.map(Timespec::try_from).transpose();
    let time = time.map_err(io::Error::other)?;
    let mut fds: Vec<PollFd<'_>> = fds
        .into_iter()
        .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
        .collect();
    match poll(&mut fds, time.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
