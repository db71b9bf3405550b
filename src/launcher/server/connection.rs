//! One socket of those who ask, and what waits to be sent on it.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use super::connections::Who;
use crate::launcher::protocol::FromLauncher;
use crate::model::UserName;

/// Most messages that wait for one connection to read them; beyond it, it is cut.
pub(super) const MAX_WAITING: usize = 512;

/// One of those who ask, and what they have not read yet.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) socket: OwnedFd,
    pub(super) who: Who,
    /// A front that is being replaced by another.
    pub(super) leaves: bool,
    /// Nothing more is read from it: all that it had sent before it was told so has been.
    pub(super) drained: bool,
    /// Whose desktops are told to it when they change.
    pub(super) watched: BTreeSet<UserName>,
    pub(super) waiting: VecDeque<Message>,
    /// When it was made or last said something.
    pub(super) heard: Instant,
    /// It has said something that is no request: logged once.
    pub(super) talks_nonsense: bool,
}

/// What is still to be sent.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) bytes: Vec<u8>,
    pub(super) descriptor: Option<OwnedFd>,
    /// What a newer one of the same kind makes needless.
    pub(super) kind: Option<Kind>,
}

/// News that say all of something anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Logos,
    Config,
    Templates,
    Certificates,
    Challenges,
}

impl Kind {
    pub(super) fn of(news: &FromLauncher) -> Option<Self> {
        match news {
            FromLauncher::Logos => Some(Self::Logos),
            FromLauncher::Config { .. } => Some(Self::Config),
            FromLauncher::Templates => Some(Self::Templates),
            FromLauncher::Certificates => Some(Self::Certificates),
            FromLauncher::Challenges { .. } => Some(Self::Challenges),
            FromLauncher::Answer { .. }
            | FromLauncher::Desktops { .. }
            | FromLauncher::SignedOut { .. }
            | FromLauncher::Group { .. }
            | FromLauncher::Admin { .. }
            | FromLauncher::Measured(_)
            | FromLauncher::Totals(_) => None,
        }
    }
}

impl Connection {
    /// Whoever sends rubbish must not fill the log with it.
    pub(super) fn complain(&mut self, reason: &str) {
        if !self.talks_nonsense {
            self.talks_nonsense = true;
            tracing::warn!(who = ?self.who, %reason, "messages that are no requests are dropped");
        }
    }

    /// Whether the connection is still of use.
    pub(super) fn write(&mut self) -> bool {
        while let Some(message) = self.waiting.front() {
            let (socket, bytes) = (self.socket.as_fd(), &message.bytes);
            let sent = match &message.descriptor {
                Some(descriptor) => {
                    deskway_osuser::send_with_descriptor(socket, bytes, descriptor.as_fd())
                }
                None => deskway_osuser::send(socket, bytes),
            };
            match sent {
                Ok(()) => drop(self.waiting.pop_front()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.waiting.len() <= MAX_WAITING;
                }
                Err(_) => return false,
            }
        }
        true
    }
}
