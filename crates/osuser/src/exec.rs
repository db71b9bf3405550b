//! Becoming another program, with nothing passed on by accident.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A program to become.
#[derive(Debug)]
pub struct Program {
    pub path: PathBuf,
    /// All arguments, the zeroth too.
    pub argv: Vec<OsString>,
    /// The whole environment.
    pub env: Vec<(OsString, OsString)>,
    pub directory: PathBuf,
    pub stdin: OwnedFd,
    /// Standard output and standard error.
    pub output: OwnedFd,
}

/// Becomes that program; every other descriptor is closed on the way. Returns only when it fails.
#[must_use]
pub fn exec(program: Program) -> io::Error {
    // SAFETY: marks descriptors to be closed at exec and closes none now; when exec fails this
    // child ends.
    let marked = unsafe { libc::close_range(3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC.cast_signed()) };
    if marked != 0 {
        return io::Error::last_os_error();
    }
    let errors = match program.output.try_clone() {
        Ok(errors) => errors,
        Err(error) => return error,
    };
    let mut arguments = program.argv.into_iter();
    let mut command = Command::new(program.path);
    if let Some(zeroth) = arguments.next() {
        command.arg0(zeroth);
    }
    command
        .args(arguments)
        .env_clear()
        .envs(program.env)
        .current_dir(program.directory)
        .stdin(Stdio::from(program.stdin))
        .stdout(Stdio::from(program.output))
        .stderr(Stdio::from(errors))
        .exec()
}
