//! Signals as something to poll.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::process::Signal;

/// Signals that are delivered to a descriptor and no longer interrupt the process.
#[derive(Debug)]
pub struct Signals(OwnedFd);

impl Signals {
    /// Takes these signals. To be called while the process has a single thread.
    ///
    /// # Errors
    /// When there are too many open descriptors.
    pub fn take(signals: &[Signal]) -> io::Result<Self> {
        let set = set_of(signals);
        // SAFETY: `set` is initialised, and the old mask is not asked for.
        let status =
            unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
        if status != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `set` is initialised; -1 asks for a new descriptor.
        let descriptor =
            unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a descriptor that was just made and that nobody else has.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(descriptor) }))
    }

    /// The next signal that has come, if any.
    pub fn next(&self) -> Option<Signal> {
        // SAFETY: plain data for which all zeros is a valid value.
        let mut info: libc::signalfd_siginfo = unsafe { std::mem::zeroed() };
        let size = size_of::<libc::signalfd_siginfo>();
        // SAFETY: `info` has room for `size` bytes, of which every pattern is valid.
        let read = unsafe { libc::read(self.0.as_raw_fd(), (&raw mut info).cast(), size) };
        if usize::try_from(read) == Ok(size) {
            Signal::from_named_raw(i32::try_from(info.ssi_signo).ok()?)
        } else {
            None
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// No signal blocked, and each one doing what it does in a fresh process, except that SIGPIPE
/// stays ignored (as in every Rust program).
pub fn reset_signals() {
    for signal in 1..32 {
        if matches!(signal, libc::SIGPIPE | libc::SIGKILL | libc::SIGSTOP) {
            continue;
        }
        // SAFETY: the default action runs no code of this process.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let none = set_of(&[]);
    // SAFETY: `none` is initialised, and the old mask is not asked for.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()) };
}

/// Has SIGCHLD do what it does in a fresh process. Who starts this one may have had it ignored: then
/// the kernel reaps children at once, and how they ended is lost (wait(2), ECHILD).
pub fn default_sigchld() {
    // SAFETY: the default action runs no code of this process.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}

fn set_of(signals: &[Signal]) -> libc::sigset_t {
    // SAFETY: plain data for which all zeros is a valid value.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is a valid place.
    unsafe { libc::sigemptyset(&raw mut set) };
    for signal in signals {
        // SAFETY: `set` is initialised; a wrong number is refused, and these are none.
        unsafe { libc::sigaddset(&raw mut set, signal.as_raw()) };
    }
    set
}
