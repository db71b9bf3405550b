//! `agent.sock`: tells root and the owner where the desktop is, and hears what they ask for.

use std::collections::VecDeque;
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType,
};
use serde::de::IgnoredAny;

use crate::model::EndCause;

use super::protocol::{Command, Status};
use super::signals::Signals;
use super::wait::wait;

/// How long a desktop that has ended by itself waits for somebody to whom it can say why.
const UNHEARD: Duration = Duration::from_secs(3);
/// Most connections at once; one more takes the place of the oldest that is not root's.
const MAX_PEERS: usize = 8;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 8;
/// Most bytes of a [`Command`]: the longest holds a message to the person.
const MAX_COMMAND: usize = 4096;
/// Most datagrams read of one connection in one turn of the loop.
const MAX_TURN: usize = 8;

/// The socket and those connected to it.
pub(super) struct Control {
    path: PathBuf,
    listener: OwnedFd,
    peers: VecDeque<Peer>,
    next: u64,
    /// The status as JSON: what whoever connects is told first.
    status: Vec<u8>,
    /// Whether that has reached anybody.
    heard: bool,
}

/// Somebody who is connected.
struct Peer {
    number: u64,
    socket: OwnedFd,
    is_root: bool,
}

/// What somebody asks for, and who: the number to give to [`Control::answer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) command: Command,
    pub(super) by: u64,
}

impl Control {
    /// Listens on `path`, for its owner alone. The socket gets that name when it can be connected
    /// to, so that whoever waits for the name need not try twice.
    ///
    /// # Errors
    /// When the socket cannot be made there.
    pub(super) fn listen(path: PathBuf, status: &Status) -> io::Result<Self> {
        let new = path.with_extension("new");
        if let Err(error) = fs::remove_file(&new)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let listener = rustix::net::socket_with(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )?;
        rustix::net::bind(&listener, &SocketAddrUnix::new(&new)?)?;
        fs::set_permissions(&new, Permissions::from_mode(0o600))?;
        rustix::net::listen(&listener, BACKLOG)?;
        fs::rename(&new, &path)?;
        Ok(Self {
            path,
            listener,
            peers: VecDeque::new(),
            next: 0,
            status: serde_json::to_vec(status)?,
            heard: false,
        })
    }

    pub(super) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        std::iter::once(self.listener.as_fd())
            .chain(self.peers.iter().map(|peer| peer.socket.as_fd()))
    }

    /// Tells everybody the new status; one who has not read the ones before is cut off.
    ///
    /// # Errors
    /// When the status is no JSON (cannot be seen).
    pub(super) fn tell(&mut self, status: &Status) -> io::Result<()> {
        self.status = serde_json::to_vec(status)?;
        self.peers.retain(|peer| told(&peer.socket, &self.status));
        self.heard = !self.peers.is_empty();
        Ok(())
    }

    /// Tells one of them alone, if still there.
    ///
    /// # Errors
    /// When the status is no JSON (cannot be seen).
    pub(super) fn answer(&mut self, by: u64, status: &Status) -> io::Result<()> {
        let status = serde_json::to_vec(status)?;
        self.peers
            .retain(|peer| peer.number != by || told(&peer.socket, &status));
        Ok(())
    }

    /// Accepts who has connected and reads what was asked.
    pub(super) fn serve(&mut self) -> Vec<Asked> {
        for _ in 0..MAX_PEERS {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let Ok(socket) = rustix::net::accept_with(&self.listener, flags) else {
                break;
            };
            let who = deskway_osuser::peer(socket.as_fd()).ok();
            let Some(uid) = who.map(|who| who.uid).filter(|uid| may_ask(*uid)) else {
                continue;
            };
            if self.make_room(uid == 0) && told(&socket, &self.status) {
                self.heard = true;
                self.next += 1;
                self.peers.push_back(Peer {
                    number: self.next,
                    socket,
                    is_root: uid == 0,
                });
            }
        }
        let mut asked = Vec::new();
        self.peers.retain(|peer| read(peer, &mut asked));
        asked
    }

    /// Whether there is a place for one more, made where there was none. Root's connection, which is
    /// the launcher's, makes way for another of root's alone.
    fn make_room(&mut self, for_root: bool) -> bool {
        if self.peers.len() < MAX_PEERS {
            return true;
        }
        let others = self.peers.iter().position(|peer| !peer.is_root);
        let oldest = others.or_else(|| for_root.then_some(0));
        oldest.is_some_and(|at| self.peers.remove(at).is_some())
    }

    /// Tells the last status. If nobody is there, waits a while for somebody to come and hear it,
    /// unless the end was asked for or `signals` ask for it now.
    ///
    /// # Errors
    /// When the kernel cannot wait.
    pub(super) fn last(mut self, status: &Status, signals: &mut Signals) -> io::Result<()> {
        self.tell(status)?;
        self.serve();
        let wanted = matches!(status, Status::Ended { cause, .. } if *cause == EndCause::Stopped);
        let until = Instant::now() + UNHEARD;
        while !wanted && !self.heard && !signals.stop_asked() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            wait(self.fds().chain(signals.fds()).collect(), Some(left))?;
            signals.child_ended();
            self.serve();
        }
        self.close();
        Ok(())
    }

    /// Nothing more is heard, and what was told can still be read.
    fn close(self) {
        drop(fs::remove_file(&self.path));
        for peer in &self.peers {
            // Closing a socket with something unread in it would take from the peer what it
            // has not read yet.
            if rustix::net::shutdown(&peer.socket, Shutdown::Both).is_ok() {
                read(peer, &mut Vec::new());
            }
        }
    }
}

/// Root and the owner.
fn may_ask(uid: u32) -> bool {
    uid == 0 || uid == deskway_osuser::own_uid()
}

fn told(peer: &OwnedFd, status: &[u8]) -> bool {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    rustix::net::send(peer, status, flags).is_ok()
}

/// Whether the connection is to be kept: it is open, and all it said can be understood. A launcher
/// that is newer than this agent may ask for what is not known here: that is left undone.
fn read(peer: &Peer, asked: &mut Vec<Asked>) -> bool {
    let mut bytes = [0; MAX_COMMAND];
    for _ in 0..MAX_TURN {
        match rustix::net::recv(
            &peer.socket,
            &mut bytes,
            RecvFlags::DONTWAIT | RecvFlags::TRUNC,
        ) {
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return true,
            Ok((_, length @ 1..)) => {
                let Some(bytes) = bytes.get(..length) else {
                    return false;
                };
                match serde_json::from_slice(bytes) {
                    Ok(command) => asked.push(Asked {
                        command,
                        by: peer.number,
                    }),
                    Err(_) if serde_json::from_slice::<IgnoredAny>(bytes).is_ok() => {}
                    Err(_) => return false,
                }
            }
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_launcher_is_not_pushed_out_by_its_desktops_owner() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("agent.sock");
        let mut control = Control::listen(path, &Status::Ready).unwrap();
        let add = |control: &mut Control, is_root| {
            let has_room = control.make_room(is_root);
            if has_room {
                control.next += 1;
                let (socket, _) = deskway_osuser::pair().unwrap();
                let number = control.next;
                control.peers.push_back(Peer {
                    number,
                    socket,
                    is_root,
                });
            }
            has_room
        };
        assert!(add(&mut control, true));
        for _ in 0..3 * MAX_PEERS {
            assert!(add(&mut control, false));
        }
        assert_eq!(control.peers.len(), MAX_PEERS);
        assert_eq!(control.peers.front().map(|it| it.number), Some(1));
        // Another launcher takes over, again and again.
        for _ in 0..MAX_PEERS {
            assert!(add(&mut control, true));
        }
        assert!(!add(&mut control, false));
        assert_eq!(control.peers.len(), MAX_PEERS);
        assert_eq!(control.peers.front().map(|it| it.number), Some(26));
    }
}
