//! Becoming another program, with nothing passed on by accident.

use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::io::FdFlags;

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

/// Becomes the program at `path` in the middle of what is going on: standard input, output and
/// error, blocked signals and those that wait stay as they are, and of the other descriptors `keep`
/// stays open, under the same numbers. Returns only when it fails; then this is still the program
/// that it was.
///
/// For a process with a single thread: other threads would be ended.
#[must_use]
pub fn exec_in_place(
    path: &Path,
    argv: &[OsString],
    env: &[(OsString, OsString)],
    keep: &[BorrowedFd<'_>],
) -> io::Error {
    let assign = |(name, value): &(OsString, OsString)| {
        let mut line = name.clone();
        line.push("=");
        line.push(value);
        line
    };
    let (path, argv, env) = match (
        c_strings([path.as_os_str().to_owned()]),
        c_strings(argv.iter().cloned()),
        c_strings(env.iter().map(assign)),
    ) {
        (Ok(path), Ok(argv), Ok(env)) => (path, argv, env),
        (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => return error,
    };
    // SAFETY: marks descriptors to be closed at exec and closes none now; all that this program
    // opens is marked so anyway.
    let marked = unsafe { libc::close_range(3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC.cast_signed()) };
    if marked != 0 {
        return io::Error::last_os_error();
    }
    let mark = |flags| {
        keep.iter()
            .try_for_each(|it| rustix::io::fcntl_setfd(it, flags))
    };
    let error = match mark(FdFlags::empty()) {
        Ok(()) => {
            let (path, argv, env) = (pointers(&path), pointers(&argv), pointers(&env));
            let path = path.first().copied().unwrap_or(std::ptr::null());
            // SAFETY: a string and two lists of strings that end with a null pointer, all of which
            // live until the call returns, which it does only when it fails.
            unsafe { libc::execve(path, argv.as_ptr(), env.as_ptr()) };
            io::Error::last_os_error()
        }
        Err(error) => error.into(),
    };
    // They were fine a moment ago.
    _ = mark(FdFlags::CLOEXEC);
    error
}

fn c_strings(texts: impl IntoIterator<Item = OsString>) -> io::Result<Vec<CString>> {
    let texts = texts.into_iter();
    let texts = texts.map(|text| CString::new(text.into_vec()).map_err(io::Error::other));
    texts.collect()
}

fn pointers(texts: &[CString]) -> Vec<*const libc::c_char> {
    let texts = texts.iter().map(|text| text.as_ptr());
    texts.chain([std::ptr::null()]).collect()
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
