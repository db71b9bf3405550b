//! The X server: Xtigervnc on unix sockets alone, for its owner alone.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::process::Pid;

use super::child;
use super::log::Log;
use super::protocol::Spec;
use super::run_dir::RunDir;

/// An X server that is starting or runs.
pub(super) struct XServer {
    pub(super) pid: Pid,
    /// The server writes its display's number here when clients can connect (`-displayfd`).
    ready: Option<OwnedFd>,
    /// What it has written.
    word: Vec<u8>,
}

/// What the X server has said of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    Nothing,
    Ready,
    /// What it wrote is not its display's number.
    Nonsense,
}

impl XServer {
    /// Starts the server.
    ///
    /// # Errors
    /// In plain words, when the display is taken or the program cannot be run.
    pub(super) fn start(spec: &Spec, dir: &RunDir, log: &Log) -> Result<Self, String> {
        free_display(spec.display)?;
        let cannot_run = |error| format!("`{}` cannot be run: {error}", spec.x_server.display());
        let mut command = child::command(&spec.x_server, &spec.env, log).map_err(cannot_run)?;
        command.args(arguments(spec, dir));
        let (pid, ready) = child::start_with_pipe(command, |command, fd| {
            command.args(["-displayfd", &fd.to_string()]);
        })
        .map_err(cannot_run)?;
        Ok(Self {
            pid,
            ready: Some(ready),
            word: Vec::new(),
        })
    }

    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.ready.as_ref().map(AsFd::as_fd)
    }

    /// What has been said so far. The number and the end of its line come in writes of their own.
    pub(super) fn said(&mut self, display: u16) -> Said {
        let Some(ready) = &self.ready else {
            return Said::Nothing;
        };
        let expected = format!("{display}\n");
        let mut bytes = [0; 16];
        match rustix::io::read(ready, &mut bytes) {
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Said::Nothing,
            Ok(count @ 1..) => self.word.extend(bytes.get(..count).unwrap_or_default()),
            // Closed without a word: it has died, or will be too late.
            _ => self.ready = None,
        }
        if self.word == expected.as_bytes() {
            self.ready = None;
            Said::Ready
        } else if expected.as_bytes().starts_with(&self.word) {
            Said::Nothing
        } else {
            self.ready = None;
            Said::Nonsense
        }
    }
}

/// The display's socket, where its clients connect.
pub(super) fn socket(display: u16) -> PathBuf {
    PathBuf::from(format!("/tmp/.X11-unix/X{display}"))
}

/// Removes the display's socket when its X server was killed and has left it behind.
pub(super) fn tidy(display: u16) {
    let socket = socket(display);
    if UnixStream::connect(&socket).is_err() {
        drop(std::fs::remove_file(socket));
    }
}

/// With `-displayfd` the X server takes no lock, and takes the socket of a display that runs
/// away from it. So it is asked here whether somebody answers there.
fn free_display(display: u16) -> Result<(), String> {
    let taken = UnixStream::connect(socket(display)).is_ok();
    if taken {
        return Err(format!("another X server has the display :{display}"));
    }
    Ok(())
}

/// The arguments, without `-displayfd` (`Xtigervnc(1)`, `Xserver(1)`). The configuration's stand
/// behind the defaults, which they may change, and before those on which safety rests.
fn arguments(spec: &Spec, dir: &RunDir) -> Vec<String> {
    let path = |path: &Path| path.display().to_string();
    let mut arguments: Vec<String> = vec![
        format!(":{}", spec.display),
        "-geometry".into(),
        spec.geometry.to_string(),
        "-depth".into(),
        spec.depth.to_string(),
        "-dpi".into(),
        spec.dpi.to_string(),
        "-desktop".into(),
        spec.desktop.to_string(),
        "-AcceptSetDesktopSize=1".into(),
        "-noreset".into(),
        // Level 30: connections and errors; 100 would log each key.
        "-Log".into(),
        "*:stderr:30".into(),
    ];
    arguments.extend(spec.x_args.iter().cloned());
    arguments.extend([
        // The one way in, for its owner alone, without a password of its own …
        "-rfbunixpath".into(),
        path(&dir.vnc_socket()),
        "-rfbunixmode".into(),
        "0600".into(),
        "-rfbport".into(),
        "-1".into(),
        "-SecurityTypes".into(),
        "None".into(),
        // … where all connections seem to come from one address, and none shuts out another.
        "-UseBlacklist=0".into(),
        "-AlwaysShared".into(),
        // X clients: no TCP, no abstract socket, and only with the cookie.
        "-nolisten".into(),
        "tcp".into(),
        "-nolisten".into(),
        "local".into(),
        "-auth".into(),
        path(&dir.cookie()),
    ]);
    arguments
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use crate::agent::protocol::Session;

    use super::*;

    fn listed(x_args: &[&str]) -> (String, String) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let spec = Spec {
            desktop: "alice/work".parse().unwrap(),
            run_dir: dir.path().to_owned(),
            display: 7,
            x_server: "/usr/bin/Xtigervnc".into(),
            geometry: "1280x800".parse().unwrap(),
            depth: 24,
            dpi: 96,
            x_args: x_args.iter().map(|&arg| arg.to_owned()).collect(),
            session: Session::XStartup,
            env: Vec::new(),
            screen_timeout: 10,
            session_timeout: 10,
        };
        let run_dir = RunDir::check(dir.path()).unwrap();
        let run_path = dir.path().display().to_string();
        (arguments(&spec, &run_dir).join(" "), run_path)
    }

    #[test]
    fn the_only_way_in_is_the_owners_socket() {
        let (line, run_dir) = listed(&[]);
        assert_eq!(
            line,
            format!(
                ":7 -geometry 1280x800 -depth 24 -dpi 96 -desktop alice/work \
                 -AcceptSetDesktopSize=1 -noreset -Log *:stderr:30 \
                 -rfbunixpath {run_dir}/vnc.sock -rfbunixmode 0600 -rfbport -1 \
                 -SecurityTypes None -UseBlacklist=0 -AlwaysShared -nolisten tcp \
                 -nolisten local -auth {run_dir}/Xauthority"
            )
        );
    }

    #[test]
    fn the_configurations_arguments_cannot_open_another_way_in() {
        let (line, _run_dir) = listed(&["-rfbport", "5901", "-listen", "tcp"]);
        let place = |what: &str| line.find(what).unwrap();
        assert!(place("-rfbport 5901") < place("-rfbport -1"));
        assert!(place("-listen tcp") < place("-nolisten tcp"));
    }
}
