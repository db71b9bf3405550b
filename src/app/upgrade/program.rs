//! The program that this one was started as, found again on the disk, and started there.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use deskway_osuser::{Child, exec_in_place, run_in_child};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions, waitpid};

use super::handover::{Handover, Step, VARIABLE};
use super::{CHECK_WITHIN, Ground, MAX_SOUND};
use crate::app::supervisor;
use crate::runtime::{sealable, unseal};

/// Most bytes of what a new program says when it is checked, and of its version.
const MAX_SAID: usize = 4 * 1024;
const MAX_VERSION: usize = 64;
/// The exit status of a program that cannot be run at all, as shells have it.
const CANNOT_RUN: i32 = 126;
const OWN_FILE: &str = "/proc/self/exe";

/// How this process was started.
#[derive(Debug)]
pub(in crate::app) struct Program {
    path: PathBuf,
    argv: Vec<OsString>,
}

impl Program {
    /// The path that this process was started by, even when other files will be there later; to be
    /// called at the start.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub(in crate::app) fn own() -> io::Result<Self> {
        let argv: Vec<OsString> = std::env::args_os().collect();
        let called = argv.first().and_then(|name| found(Path::new(name)));
        let path = match called {
            Some(path) => path,
            None => std::fs::read_link(OWN_FILE)?,
        };
        Ok(Self { path, argv })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Becomes the program that is at the path now. Returns only when it fails.
    pub(super) fn become_it(&self, handover: &Handover, keep: &[BorrowedFd<'_>]) -> io::Error {
        let mut env: Vec<(OsString, OsString)> = std::env::vars_os().collect();
        match handover.text() {
            Ok(text) => env.push((VARIABLE.into(), text.into())),
            Err(error) => return io::Error::other(error),
        }
        exec_in_place(&self.path, &self.argv, &env, keep)
    }

    /// Starts the program that is at the path now as a role.
    pub(super) fn start(
        &self,
        role: &str,
        handover: &Handover,
        keep: &[BorrowedFd<'_>],
    ) -> io::Result<Child> {
        run_in_child(keep, || {
            if let Err(status) = supervisor::begin(role) {
                return status;
            }
            let error = self.become_it(handover, keep);
            tracing::error!(%error, "{} cannot be started", self.path.display());
            CANNOT_RUN
        })
    }

    /// Has the program at the path check what it would be started with; its version, and the
    /// sealed file with what it found sound.
    pub(super) fn check(&self, ground: &Ground) -> Result<(String, OwnedFd)> {
        let (said, says) = io::pipe()?;
        let (version, report) = io::pipe()?;
        for pipe in [said.as_fd(), version.as_fd()] {
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        let (says, report) = (OwnedFd::from(says), OwnedFd::from(report));
        let step = Step::Check {
            report: report.as_raw_fd(),
        };
        let sound = sealable("configuration")?;
        let handover = Handover::new(ground, sound.as_fd(), step);
        let keep = [report.as_fd(), says.as_fd(), sound.as_fd()];
        let child = run_in_child(&keep, || {
            let told =
                rustix::stdio::dup2_stdout(&says).and_then(|()| rustix::stdio::dup2_stderr(&says));
            if told.is_err() {
                return CANNOT_RUN;
            }
            let error = self.become_it(&handover, &[report.as_fd(), sound.as_fd()]);
            // Where that fails, the exit status has to do.
            _ = writeln!(io::stderr(), "it cannot be started: {error}");
            CANNOT_RUN
        })?;
        drop((says, report));
        let finished = finish(&child, [said.as_fd(), version.as_fd()]);
        let [said, version] = finished.inspect_err(|_| {
            // It may have ended just now.
            _ = child.kill(Signal::KILL);
            wait(&child);
        })?;
        let status = wait(&child);
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        if status != Some(0) {
            bail!(
                "{} does not start: {}",
                self.path.display(),
                or_nothing(&said)
            );
        }
        let version = String::from_utf8_lossy(&version).into_owned();
        let is_version = !version.is_empty() && version.len() <= MAX_VERSION;
        let is_sealed = unseal(sound.try_clone()?, MAX_SOUND).is_ok();
        if !is_version || version.contains(char::is_control) || !is_sealed {
            bail!("{} is no Deskway that can take over", self.path.display());
        }
        Ok((version, sound))
    }
}

fn or_nothing(said: &str) -> &str {
    if said.is_empty() {
        "it does not say why"
    } else {
        said
    }
}

/// The file that a shell would have run, if it is the one that runs.
fn found(called: &Path) -> Option<PathBuf> {
    let own = std::fs::metadata(OWN_FILE).ok()?;
    let is_own = |path: &PathBuf| {
        std::fs::metadata(path).is_ok_and(|it| (it.dev(), it.ino()) == (own.dev(), own.ino()))
    };
    if called.components().count() > 1 {
        return std::path::absolute(called).ok().filter(is_own);
    }
    let path = std::env::var_os("PATH")?;
    let mut places = std::env::split_paths(&path).map(|folder| folder.join(called));
    places
        .find(is_own)
        .and_then(|path| std::path::absolute(path).ok())
}

/// What a child writes to two pipes until it has closed both, or ended.
fn finish(child: &Child, pipes: [BorrowedFd<'_>; 2]) -> Result<[Vec<u8>; 2]> {
    let deadline = Instant::now() + CHECK_WITHIN;
    let mut read: [Vec<u8>; 2] = Default::default();
    let mut open = [true; 2];
    loop {
        let mut polled = vec![PollFd::from_borrowed_fd(child.handle(), PollFlags::IN)];
        for (pipe, open) in pipes.iter().zip(open) {
            if open {
                polled.push(PollFd::from_borrowed_fd(*pipe, PollFlags::IN));
            }
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            bail!(
                "the new program does not finish its check within {} s",
                CHECK_WITHIN.as_secs()
            );
        }
        match poll(&mut polled, Timespec::try_from(left).ok().as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("cannot wait for the new program"),
        }
        let ended = polled.first().is_some_and(|it| !it.revents().is_empty());
        let mut heard = false;
        for ((pipe, open), read) in pipes.iter().zip(&mut open).zip(&mut read) {
            let mut piece = [0; MAX_SAID];
            match rustix::io::read(pipe, &mut piece) {
                Ok(0) => *open = false,
                Ok(length) => {
                    heard = true;
                    let room = MAX_SAID - read.len();
                    read.extend_from_slice(piece.get(..length.min(room)).unwrap_or_default());
                }
                Err(rustix::io::Errno::AGAIN) => {}
                Err(error) => return Err(error).context("cannot read what the new program says"),
            }
        }
        // Not to the end of the pipes: what it has left running may keep them open.
        if ended && !heard {
            return Ok(read);
        }
    }
}

/// The exit status of a child that has ended or is about to.
fn wait(child: &Child) -> Option<i32> {
    loop {
        match waitpid(Pid::from_raw(child.id().pid), WaitOptions::empty()) {
            Err(rustix::io::Errno::INTR) => {}
            Err(_) | Ok(None) => return None,
            Ok(Some((_, status))) => return status.exit_status(),
        }
    }
}
