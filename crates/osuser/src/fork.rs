//! A child that runs a function of this program.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::process::{Pid, Signal, WaitOptions};

use crate::limits::restore_descriptor_limit;
use crate::process::{ProcessId, open_process, start_time};
use crate::signals::{default_sigchld, reset_signals};

/// A process that was forked here. Dropping it neither ends nor reaps it.
#[derive(Debug)]
pub struct Child {
    id: ProcessId,
    handle: OwnedFd,
}

impl Child {
    /// A child that this process had before it became the program that it is.
    ///
    /// # Errors
    /// When it has ended, even if its number is in use again.
    pub fn adopt(id: ProcessId) -> io::Result<Self> {
        let handle = open_process(id)?;
        Ok(Self { id, handle })
    }

    pub fn id(&self) -> ProcessId {
        self.id
    }

    /// Readable (as poll means it) from when the process has ended.
    pub fn handle(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }

    /// # Errors
    /// When it is not there any more.
    pub fn kill(&self, signal: Signal) -> io::Result<()> {
        crate::process::signal(self.handle.as_fd(), signal)
    }

    /// As [`Child::handle`], to keep.
    pub fn into_handle(self) -> OwnedFd {
        self.handle
    }

    /// Takes the ended process off the process table; `false`: it still runs.
    pub fn reap(&self) -> bool {
        let pid = Pid::from_raw(self.id.pid);
        !matches!(rustix::process::waitpid(pid, WaitOptions::NOHANG), Ok(None))
    }
}

/// Forks, and runs `work` in the child, which ends with the status that it returns (70 when it
/// panics). Of the descriptors only 0, 1, 2 and `keep` are open in the child; signals and the
/// limit of [`crate::raise_descriptor_limit`] are as in a fresh process.
///
/// Only for a process with a single thread: the child is a copy of this thread alone, and a lock
/// that another one holds would never open. `work` must use no descriptor besides those.
///
/// # Errors
/// When there are too many processes, threads or descriptors; there is no child then.
pub fn run_in_child(keep: &[BorrowedFd<'_>], work: impl FnOnce() -> i32) -> io::Result<Child> {
    if threads()? != 1 {
        return Err(io::Error::other("a fork in a process with several threads"));
    }
    // SAFETY: the process has one thread (checked above), so that the child may do everything
    // that the parent may.
    let pid = unsafe { libc::fork() };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let status = catch_unwind(AssertUnwindSafe(|| {
                reset_signals();
                restore_descriptor_limit();
                close_all_but(keep);
                work()
            }))
            .unwrap_or(70);
            // SAFETY: ends the child without running what the parent registered for its exit.
            unsafe { libc::_exit(status) }
        }
        pid => open_child(pid).inspect_err(|_| end_unknown(pid)),
    }
}

/// Goes on in the background: in a grandchild of this process, in a session of its own which it
/// does not lead, so that it can get no terminal. This process ends with status 0 at once, and
/// nothing that it registered for its exit is run. SIGCHLD is as in a fresh process from then on.
///
/// Only for a process with a single thread, as [`run_in_child`].
///
/// # Errors
/// When there are too many processes or threads; then this is still the process that it was.
pub fn detach() -> io::Result<()> {
    if threads()? != 1 {
        return Err(io::Error::other("a fork in a process with several threads"));
    }
    // Else it would not be known how the child in the middle ended.
    default_sigchld();
    // SAFETY: the process has one thread (checked above).
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            // Refused to leaders of a group only, which a fresh child is not.
            let led = rustix::process::setsid();
            debug_assert!(led.is_ok(), "{led:?}");
            // SAFETY: a fresh child has one thread.
            match unsafe { libc::fork() } {
                0 => Ok(()),
                // SAFETY: ends the child in the middle, which has nothing of its own.
                -1 => unsafe { libc::_exit(1) },
                // SAFETY: as above.
                _ => unsafe { libc::_exit(0) },
            }
        }
        pid => {
            let status = loop {
                match rustix::process::waitpid(Pid::from_raw(pid), WaitOptions::empty()) {
                    Err(rustix::io::Errno::INTR) => {}
                    other => break other?,
                }
            };
            if status.is_some_and(|(_, status)| status.exit_status() == Some(0)) {
                // SAFETY: whatever this process holds, the grandchild has now.
                unsafe { libc::_exit(0) }
            }
            Err(io::Error::other("the second fork was refused"))
        }
    }
}

/// Not reaped yet, so that the number cannot mean another process.
fn open_child(pid: i32) -> io::Result<Child> {
    let start = start_time(pid)?;
    let id = ProcessId { pid, start };
    let handle = open_process(id)?;
    Ok(Child { id, handle })
}

/// Nobody could ever wait for such a child or end it.
fn end_unknown(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid)
        && rustix::process::kill_process(pid, Signal::KILL).is_ok()
    {
        // It was killed before it could hang anywhere.
        let wait = || rustix::process::waitpid(Some(pid), WaitOptions::empty());
        while wait().is_err_and(|error| error == rustix::io::Errno::INTR) {}
    }
}

pub(crate) fn threads() -> io::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/task")?.count())
}

/// Closes every descriptor from 3 on that is not in `keep`.
fn close_all_but(keep: &[BorrowedFd<'_>]) {
    let mut keep: Vec<u32> = keep
        .iter()
        .filter_map(|descriptor| u32::try_from(descriptor.as_raw_fd()).ok())
        .collect();
    keep.sort_unstable();
    let mut first: u32 = 3;
    for descriptor in keep {
        if descriptor > first {
            close_range(first, descriptor - 1);
        }
        first = first.max(descriptor + 1);
    }
    close_range(first, u32::MAX);
}

fn close_range(first: u32, last: u32) {
    // SAFETY: called in a fresh child only, whose copies of the parent's objects are never used
    // or dropped: `work` has only what was kept, and the child ends by _exit.
    unsafe { libc::close_range(first, last, 0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threaded_process_may_not_fork() {
        // Tests run in threads.
        assert!(run_in_child(&[], || 0).is_err());
    }
}
