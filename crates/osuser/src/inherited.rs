//! What the parent process left to this one: open descriptors, and variables that speak of them.
//!
//! Everything that a Rust program opens is closed at exec. So a descriptor that would stay open
//! at exec was opened by nobody here: it came from the parent process.

use std::ffi::OsString;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use crate::fork::threads;

/// Takes a descriptor that the parent process left open, each number once.
///
/// # Errors
/// When that descriptor is not open, or was not left by the parent process.
pub fn adopt(number: RawFd) -> io::Result<OwnedFd> {
    if !is_inherited(number)? {
        return Err(io::Error::other(
            "the parent process has not passed that descriptor",
        ));
    }
    // SAFETY: changes a flag of an open descriptor.
    let marked = unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    if marked != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: open, and owned by nobody: nothing here opened it, and it is marked now, so that it
    // is not given out twice.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Closes all descriptors from 3 on that the parent process left open and nobody has adopted.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn close_inherited() -> io::Result<()> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        numbers.extend(name.to_str().and_then(|name| name.parse::<RawFd>().ok()));
    }
    for number in numbers.into_iter().filter(|number| *number > 2) {
        // The one that read the directory is among them, and closed by now.
        if is_inherited(number).unwrap_or(false) {
            // SAFETY: nothing here opened or adopted it, so nobody owns it.
            unsafe { libc::close(number) };
        }
    }
    Ok(())
}

/// The value of an environment variable, which is removed so that no child sees it.
///
/// # Errors
/// When the process has several threads.
pub fn take_variable(name: &str) -> io::Result<Option<OsString>> {
    let value = std::env::var_os(name);
    if value.is_some() {
        if threads()? != 1 {
            return Err(io::Error::other(
                "a change of the environment in a process with several threads",
            ));
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "the process has one thread, which is what makes it sound"
        )]
        // SAFETY: no other thread can read the environment: there is none (checked above).
        unsafe {
            std::env::remove_var(name);
        }
    }
    Ok(value)
}

fn is_inherited(number: RawFd) -> io::Result<bool> {
    // SAFETY: reads a flag, and fails when the descriptor is not open.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
    if flags < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(flags & libc::FD_CLOEXEC == 0)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_descriptor_that_this_program_opened_is_not_adopted() {
        let (_reader, writer) = io::pipe().unwrap();
        assert!(adopt(writer.as_raw_fd()).is_err());
    }

    #[test]
    fn an_inherited_descriptor_is_adopted_once() {
        let (mut reader, writer) = io::pipe().unwrap();
        // What dup(2) makes stays open at exec, as what a parent process leaves.
        // SAFETY: makes a new descriptor of one that is open.
        let number = unsafe { libc::dup(writer.as_raw_fd()) };
        drop(writer);
        let adopted = adopt(number).unwrap();
        assert!(adopt(number).is_err());
        drop(adopted);
        assert_eq!(reader.read(&mut [0]).unwrap(), 0, "it was closed");
    }

    #[test]
    fn a_descriptor_that_is_not_open_is_refused() {
        assert!(adopt(1 << 20).is_err());
    }
}
