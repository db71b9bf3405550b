//! The files of unix sockets that this program made, which go when it stops.

use std::fs;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use deskway_osuser::{Child, Signals, run_in_child};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use crate::config::{Config, ListenAt};

/// Those that were just bound.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct SocketFiles(Vec<SocketFile>);

/// Removes files when it is dropped, or its process ends in whatever way.
#[derive(Debug)]
pub(super) struct RemovedAtEnd {
    /// The process waits for the end of this.
    _alive: OwnedFd,
    _child: Child,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct SocketFile {
    path: PathBuf,
    /// Device and inode: another program may have put its own there since.
    id: (u64, u64),
}

impl SocketFiles {
    /// Of the listeners in `config`, which must be open. What systemd made stays out of it.
    ///
    /// # Errors
    /// When one has gone already.
    pub(super) fn of(config: &Config) -> Result<Self> {
        let mut files = Vec::new();
        for listener in &config.server.listen {
            if let ListenAt::Unix(path) = &listener.at {
                let id = id(path).with_context(|| format!("cannot see {}", path.display()))?;
                files.push(SocketFile {
                    path: path.clone(),
                    id,
                });
            }
        }
        Ok(Self(files))
    }

    /// Removes those that are still ours.
    pub(super) fn remove(&self) {
        for SocketFile { path, id: ours } in &self.0 {
            if id(path).is_ok_and(|id| id == *ours)
                && let Err(error) = fs::remove_file(path)
            {
                tracing::warn!(%error, "cannot remove {}", path.display());
            }
        }
    }

    /// Has a process of its own remove them, since this one will soon not be able to. `None`
    /// when there are none. For a process with one thread.
    ///
    /// # Errors
    /// When there are too many processes or descriptors.
    pub(super) fn remove_at_end(self) -> Result<Option<RemovedAtEnd>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let (ends, alive) = pipe_with(PipeFlags::CLOEXEC)?;
        let child = run_in_child(&[ends.as_fd()], || {
            // Whoever stops this process may tell all of its group or service.
            let stays = Signals::take(&[Signal::TERM, Signal::INT, Signal::HUP]);
            let mut byte = [0];
            let waited = stays.and_then(|_held| {
                rustix::io::retry_on_intr(|| rustix::io::read(&ends, &mut byte))
                    .map_err(io::Error::from)
            });
            self.remove();
            i32::from(waited.is_err())
        })
        .context("cannot start the process that removes the sockets")?;
        Ok(Some(RemovedAtEnd {
            _alive: alive,
            _child: child,
        }))
    }
}

fn id(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::config::Listener;

    #[test]
    fn a_socket_that_another_program_has_made_there_since_stays() {
        let dir = tempfile::tempdir().unwrap();
        let paths = ["ours", "theirs"].map(|name| dir.path().join(name));
        let mut config = Config::default_for(1000);
        let listeners = paths.iter().cloned().map(ListenAt::Unix);
        config.server.listen.extend(listeners.map(Listener::at));
        let held = paths
            .each_ref()
            .map(|path| UnixListener::bind(path).unwrap());
        let files = SocketFiles::of(&config).unwrap();
        let [ours, theirs] = &paths;
        fs::rename(theirs, dir.path().join("away")).unwrap();
        let other = UnixListener::bind(theirs).unwrap();
        files.remove();
        assert!(!ours.exists() && theirs.exists());
        drop((held, other));
    }
}
