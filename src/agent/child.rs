//! Starts a program of the desktop with exactly the environment and descriptors it is to have.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::Access;
use rustix::io::FdFlags;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Pid;

use super::log::Log;

/// `program` with nothing but `env`, in its own process group, at home, its output in the log.
///
/// # Errors
/// When no descriptor is left for the log.
pub(super) fn command(
    program: impl AsRef<OsStr>,
    env: &[(String, String)],
    log: &Log,
) -> io::Result<Command> {
    let home = value(env, "HOME").map(Path::new);
    let home = home.filter(|home| home.is_dir());
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs(env.iter().map(|(name, value)| (name, value)))
        .current_dir(home.unwrap_or_else(|| Path::new("/")))
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(log.writer()?)
        .stderr(log.writer()?);
    Ok(command)
}

/// Starts `command`. Its end comes as SIGCHLD, so the handle is of no use beyond its number.
///
/// # Errors
/// When the program cannot be run.
pub(super) fn start(command: &mut Command) -> io::Result<Pid> {
    command.spawn().map(|child| Pid::from_child(&child))
}

/// A pipe to hear a starting program's word: it inherits the writing end, whose number `argument`
/// puts on its command line, for as long as `start` runs; ours gets no wait.
///
/// # Errors
/// When the pipe cannot be made or the program cannot be run.
pub(super) fn start_with_pipe(
    mut command: Command,
    argument: impl FnOnce(&mut Command, i32),
) -> io::Result<(Pid, OwnedFd)> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    argument(&mut command, write.as_fd().as_raw_fd());
    // Nothing else is started in between: the agent has one thread.
    rustix::io::fcntl_setfd(&write, FdFlags::empty())?;
    Ok((start(&mut command)?, read))
}

/// The value of a variable, the last one if it is there twice.
pub(super) fn value<'a>(env: &'a [(String, String)], name: &str) -> Option<&'a str> {
    env.iter()
        .rev()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

/// The file that `name` means in this environment: itself when it has a `/`, else the first of
/// that name in `PATH`.
///
/// # Errors
/// Says in plain words why there is none that can be run.
pub(super) fn find(name: &str, env: &[(String, String)]) -> Result<PathBuf, String> {
    if name.contains('/') {
        return runnable(Path::new(name)).map(|()| PathBuf::from(name));
    }
    let path = value(env, "PATH").unwrap_or(DEFAULT_PATH);
    std::env::split_paths(path)
        .map(|dir| dir.join(name))
        .find(|file| runnable(file).is_ok())
        .ok_or_else(|| format!("there is no such program in {path}"))
}

/// Where programs are looked for when the environment has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

fn runnable(file: &Path) -> Result<(), String> {
    if file.is_dir() {
        return Err("it is a directory".into());
    }
    rustix::fs::access(file, Access::EXEC_OK).map_err(|error| match error {
        rustix::io::Errno::NOENT => "there is no such file".into(),
        rustix::io::Errno::ACCESS => "it is not executable".into(),
        other => io::Error::from(other).to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(value: &str) -> Vec<(String, String)> {
        vec![("PATH".into(), value.into())]
    }

    #[test]
    fn a_program_is_found_where_the_shell_would_find_it() {
        assert_eq!(
            find("sh", &path("/nowhere:/bin")).unwrap(),
            Path::new("/bin/sh")
        );
        assert_eq!(find("/bin/sh", &[]).unwrap(), Path::new("/bin/sh"));
    }

    #[test]
    fn what_cannot_be_run_is_said_in_plain_words() {
        assert!(
            find("sh", &path("/nowhere"))
                .unwrap_err()
                .contains("/nowhere")
        );
        assert_eq!(find("/etc", &[]).unwrap_err(), "it is a directory");
        assert_eq!(
            find("/etc/passwd", &[]).unwrap_err(),
            "it is not executable"
        );
        assert_eq!(find("/no/such", &[]).unwrap_err(), "there is no such file");
    }
}
