//! Into the background, for a process that has no threads yet.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::stdio;

/// What a program in the background does not let others do with the files that it makes.
const BACKGROUND_UMASK: Mode = Mode::WGRP.union(Mode::WOTH);

/// Goes on in the background, in directory `dir`, with nothing on standard input, output and
/// error. The process that was started ends with status 0. What this program has opened stays
/// open; what was left open for it is closed.
///
/// # Errors
/// When there is no such directory or there are too many processes. This is then still the
/// process that was started.
pub(crate) fn daemonize(dir: &Path) -> io::Result<()> {
    let nothing = open_nothing()?;
    std::env::set_current_dir(dir)?;
    // The process that ends would not print what it still holds, and the other prints nothing.
    io::stdout().flush()?;
    deskway_osuser::detach()?;
    // What was stricter stays so.
    let before = rustix::process::umask(BACKGROUND_UMASK);
    rustix::process::umask(before | BACKGROUND_UMASK);
    stdio::dup2_stdin(&nothing)?;
    stdio::dup2_stdout(&nothing)?;
    stdio::dup2_stderr(&nothing)?;
    deskway_osuser::close_inherited()
}

/// What can stand in for standard input, output and error.
pub(super) fn open_nothing() -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    Ok(rustix::fs::open("/dev/null", flags, Mode::empty())?)
}
