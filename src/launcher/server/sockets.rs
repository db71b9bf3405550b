//! The launcher's own socket and lock, and the fronts' sockets that it connects to.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::FlockOperation;

use crate::launcher::Error;
use crate::launcher::place::Place;

/// A connection to a front, when one listens there.
pub(super) fn connect(path: &Path) -> Option<OwnedFd> {
    let socket = deskway_osuser::connect(path).ok()?;
    match deskway_osuser::peer(socket.as_fd()) {
        // Bound before the front dropped its privileges.
        Ok(peer) if peer.uid == 0 || peer.uid == deskway_osuser::own_uid() => return Some(socket),
        Ok(peer) => tracing::error!(uid = peer.uid, "a stranger listens as the front"),
        Err(error) => tracing::error!(%error, "cannot tell who listens as the front"),
    }
    None
}

/// One launcher at a time. The lock goes with the process, however it ends.
pub(super) fn lock(place: &Place) -> Result<File, Error> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(place.lock())
        .map_err(Error::Files)?;
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| Error::AlreadyRunning(place.lock()))?;
    Ok(file)
}

pub(super) fn listen(place: &Place) -> io::Result<OwnedFd> {
    let path = place.launcher_socket();
    remove(&path)?;
    let listener = deskway_osuser::listen(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}

/// What is gone already is fine.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
