//! What a child does as the owner of a desktop: one act, and pass on what came of it.
//!
//! Root that follows a path which a user made can be led to another person's socket by a
//! symlink. So the child becomes the owner first, and who listens is checked on the descriptor.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use deskway_osuser::{Account, Peer};
use rustix::event::Timespec;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::jobs::Outlet;

/// How long the owner's child may take to connect to the screen.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two looks for an agent that does not listen yet.
const RETRY: Duration = Duration::from_millis(5);

/// What the child says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Word {
    /// With a descriptor.
    Connected,
    Yes,
    No,
    /// For the log.
    Failed(String),
}

/// Becomes the owner; as an ordinary user the child is the owner already.
fn become_owner(owner: &Account) -> io::Result<()> {
    if deskway_osuser::is_root() {
        deskway_osuser::become_user(owner)?;
    }
    rustix::thread::set_no_new_privs(true)?;
    Ok(())
}

/// Connects to the X server's socket.
pub(crate) fn open_screen(owner: &Account, socket: &Path, outlet: &Outlet) -> i32 {
    let connect = || {
        become_owner(owner)?;
        UnixStream::connect(socket)
    };
    match connect() {
        Ok(stream) => outlet.pass(&Word::Connected, stream.as_fd()),
        Err(error) => outlet.say(&Word::Failed(error.to_string())),
    }
}

/// Connects to the agent as soon as it listens. Ends when the run directory is gone, or by the
/// deadline of the errand.
pub(crate) fn open_agent(owner: &Account, run_dir: &Path, socket: &Path, outlet: &Outlet) -> i32 {
    let connect = || -> io::Result<OwnedFd> {
        become_owner(owner)?;
        loop {
            match deskway_osuser::connect(socket) {
                Ok(connected) => return Ok(connected),
                Err(error) => match error.kind() {
                    io::ErrorKind::NotFound
                    | io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::WouldBlock => {}
                    _ => return Err(error),
                },
            }
            std::fs::symlink_metadata(run_dir)?;
            let pause = Timespec::try_from(RETRY).map_err(io::Error::other)?;
            rustix::event::poll(&mut [], Some(&pause))?;
        }
    };
    match connect() {
        Ok(agent) => outlet.pass(&Word::Connected, agent.as_fd()),
        Err(error) => outlet.say(&Word::Failed(error.to_string())),
    }
}

/// Opens the desktop's log for reading.
pub(crate) fn open_log(owner: &Account, log: &Path, outlet: &Outlet) -> i32 {
    let open = || {
        become_owner(owner)?;
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = File::options()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(log)?;
        if file.metadata()?.is_file() {
            Ok(file)
        } else {
            Err(io::Error::other("it is no file"))
        }
    };
    match open() {
        Ok(file) => outlet.pass(&Word::Connected, file.as_fd()),
        Err(error) => outlet.say(&Word::Failed(error.to_string())),
    }
}

/// Whether the owner has an executable `~/.vnc/xstartup`.
pub(crate) fn has_xstartup(owner: &Account, outlet: &Outlet) -> i32 {
    let look = || {
        become_owner(owner)?;
        std::fs::metadata(owner.home.join(".vnc/xstartup"))
    };
    let found = look().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
    outlet.say(if found { &Word::Yes } else { &Word::No })
}

/// How many bytes the owner may still write where the home is; nothing when that cannot be told.
pub(crate) fn free_space(owner: &Account, outlet: &Outlet) -> i32 {
    let look = || -> io::Result<u64> {
        become_owner(owner)?;
        let found = rustix::fs::statvfs(&owner.home)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    };
    outlet.say(&look().ok())
}

/// Whether a socket that the owner's child connected to is listened to by the owner.
///
/// # Errors
/// When it is somebody else, or no connected unix socket at all.
pub(crate) fn check_listener(socket: BorrowedFd<'_>, owner: &Account) -> io::Result<Peer> {
    let peer = deskway_osuser::peer(socket)?;
    if peer.uid == owner.uid {
        Ok(peer)
    } else {
        Err(io::Error::other(format!(
            "the socket belongs to uid {}, not to {}",
            peer.uid, owner.uid
        )))
    }
}
