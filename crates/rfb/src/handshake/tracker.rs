//! Follows a viewer's side of the handshake without the server's, to know where its messages
//! begin.

use super::{NONE, VERSION_LEN, VNC_AUTH, Version};
use crate::framer::Unknown;
use crate::message::Kind;
use crate::vnc_auth::CHALLENGE_LEN;

/// What a viewer's bytes begin with.
#[derive(Debug)]
pub(crate) enum Piece {
    Whole { kind: Kind, len: usize },
    Need(usize),
    Opaque(Unknown),
}

/// Where a viewer is in its handshake.
#[derive(Debug)]
pub(crate) struct Tracker {
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Version,
    Security,
    Response,
    ClientInit,
    Done,
}

impl Tracker {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Version,
        }
    }

    pub(crate) fn at_client_init() -> Self {
        Self {
            state: State::ClientInit,
        }
    }

    /// Whether the next byte begins a message.
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    pub(crate) fn next(&mut self, bytes: &[u8]) -> Piece {
        let (kind, len) = match self.state {
            State::Version => (Kind::Version, VERSION_LEN),
            State::Security => (Kind::Security, 1),
            State::Response => (Kind::Response, CHALLENGE_LEN),
            State::ClientInit | State::Done => (Kind::ClientInit, 1),
        };
        let Some(piece) = bytes.get(..len) else {
            if self.state == State::Version && !Version::may_begin(bytes) {
                return Piece::Opaque(Unknown::Version);
            }
            return Piece::Need(len.saturating_sub(bytes.len()));
        };
        match self.after(piece) {
            Ok(state) => {
                self.state = state;
                Piece::Whole { kind, len }
            }
            Err(why) => Piece::Opaque(why),
        }
    }

    fn after(&self, piece: &[u8]) -> Result<State, Unknown> {
        match (self.state, piece) {
            (State::Version, _) => {
                let version = piece.as_array().and_then(Version::of_viewer);
                match version.ok_or(Unknown::Version)? {
                    Version::V3_3 => Err(Unknown::Rfb33),
                    Version::V3_7 | Version::V3_8 => Ok(State::Security),
                }
            }
            (State::Security, [NONE]) | (State::Response, _) => Ok(State::ClientInit),
            (State::Security, [VNC_AUTH]) => Ok(State::Response),
            (State::Security, other) => Err(Unknown::Security(
                other.first().copied().unwrap_or_default(),
            )),
            (State::ClientInit | State::Done, _) => Ok(State::Done),
        }
    }
}
