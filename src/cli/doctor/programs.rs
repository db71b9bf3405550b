//! The programs that a desktop needs: the X server, D-Bus, a session.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::finding::Finding;

/// Where programs are looked for, as for a desktop.
pub(super) const SYSTEM_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// How long the X server may take to say its version.
const VERSION_TIMEOUT: Duration = Duration::from_secs(5);
/// Most bytes that it may say.
const MAX_VERSION: usize = 16 * 1024;

const X_SERVER: &str = "X server";

/// Is there an X server, and does it run?
pub(super) fn x_server(configured: Option<&Path>, path: &str) -> Finding {
    const INSTALL: &str = "apt-get install tigervnc-standalone-server";
    let found = match configured {
        Some(program) if is_program(program) => program.to_path_buf(),
        Some(program) => {
            let found = format!("{} is no program", program.display());
            return Finding::wrong(X_SERVER, found, "correct `x_server` in [desktops]");
        }
        None => match find("Xtigervnc", path).or_else(|| find("Xvnc", path)) {
            Some(program) => program,
            None => {
                return Finding::wrong(X_SERVER, "neither Xtigervnc nor Xvnc is there", INSTALL);
            }
        },
    };
    let name = found.display();
    let said = match said_version(&found) {
        Ok(said) => said,
        Err(error) => {
            let found = format!("{name} does not run: {error}");
            return Finding::wrong(X_SERVER, found, INSTALL);
        }
    };
    if let Some((_, rest)) = said.split_once("TigerVNC ") {
        let version = rest.split_whitespace().next().unwrap_or_default();
        return Finding::fine(X_SERVER, format!("{name}, TigerVNC {version}"));
    }
    let first = said.lines().find(|line| !line.trim().is_empty());
    let first: String = first.unwrap_or("nothing").chars().take(200).collect();
    let found = format!("{name} is no TigerVNC that runs: it says {first:?}");
    Finding::wrong(X_SERVER, found, INSTALL)
}

/// Is there a D-Bus daemon? Sessions talk over a bus of their own.
pub(super) fn d_bus(path: &str) -> Finding {
    match find("dbus-daemon", path) {
        Some(program) => Finding::fine("D-Bus", program.display().to_string()),
        None => Finding::wrong("D-Bus", "dbus-daemon is not there", "apt-get install dbus"),
    }
}

/// The program called `name` in one of the directories of `path`.
pub(super) fn find(name: &str, path: &str) -> Option<PathBuf> {
    let name = Path::new(name);
    if name.is_absolute() {
        return Some(name.to_path_buf()).filter(|program| is_program(program));
    }
    std::env::split_paths(path)
        .map(|directory| directory.join(name))
        .find(|program| is_program(program))
}

fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// What the X server says to `-version`, which goes to standard error.
fn said_version(program: &Path) -> io::Result<String> {
    let mut child = Command::new(program)
        .arg("-version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let said = child.stderr.take().map_or(Ok(Vec::new()), |pipe| {
        read_until(&pipe, Instant::now() + VERSION_TIMEOUT)
    });
    // It has said all that counts; one that hangs is ended too.
    let killed = child.kill().and_then(|()| child.wait());
    let said = said?;
    killed?;
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// All that comes from `pipe` until its end, at most [`MAX_VERSION`] bytes.
fn read_until(pipe: &impl std::os::fd::AsFd, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut said = Vec::new();
    let mut buffer = [0; 4096];
    while said.len() < MAX_VERSION {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        let mut fds = [PollFd::new(pipe, PollFlags::IN)];
        if poll(&mut fds, Some(&timeout))? == 0 {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it hangs"));
        }
        match rustix::io::read(pipe, &mut buffer)? {
            0 => break,
            count => said.extend(buffer.iter().take(count)),
        }
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::finding::State;
    use super::*;
    use crate::runtime::write_script;

    fn program(directory: &TempDir, name: &str, script: &str) -> PathBuf {
        let path = directory.path().join(name);
        write_script(&path, &format!("#!/bin/sh\n{script}"));
        path
    }

    #[test]
    fn an_x_server_that_says_its_version_is_fine() {
        let directory = TempDir::new().unwrap();
        let script = "echo >&2; echo 'Xvnc TigerVNC 1.12.0 - built 2023' >&2";
        program(&directory, "Xvnc", script);
        let finding = x_server(None, directory.path().to_str().unwrap());
        assert_eq!(finding.state, State::Fine);
        assert!(
            finding.found.ends_with("Xvnc, TigerVNC 1.12.0"),
            "{finding}"
        );
    }

    #[test]
    fn an_x_server_that_is_missing_broken_or_another_is_wrong() {
        let directory = TempDir::new().unwrap();
        let missing = x_server(None, directory.path().to_str().unwrap());
        assert_eq!(missing.state, State::Wrong);
        assert!(missing.mend.unwrap().contains("apt-get install"));
        let broken = program(
            &directory,
            "broken",
            "echo 'libX.so: no such file' >&2; exit 127",
        );
        let finding = x_server(Some(&broken), "");
        assert_eq!(finding.state, State::Wrong);
        assert!(finding.found.contains("libX.so"), "{finding}");
        let nowhere = x_server(Some(Path::new("/no/such/Xvnc")), "");
        assert_eq!(nowhere.state, State::Wrong);
        assert!(nowhere.mend.unwrap().contains("x_server"));
    }

    #[test]
    fn a_program_that_says_no_more_is_given_up() {
        let (reader, writer) = io::pipe().unwrap();
        let error = read_until(&reader, Instant::now()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(writer);
    }

    #[test]
    fn a_missing_bus_is_wrong() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().to_str().unwrap();
        assert_eq!(d_bus(path).state, State::Wrong);
        program(&directory, "dbus-daemon", "");
        assert_eq!(d_bus(path).state, State::Fine);
    }
}
