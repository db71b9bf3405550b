//! What of a viewer's stream reaches the desktop: the rights, enforced here and not by the page.

use deskway_rfb::{Frame, Framer, Kind, ServerHandshake};

use super::Error;
use crate::model::Rights;

/// What a viewer's RFB bytes mean, from the first one on.
#[derive(Debug)]
pub(super) enum Passing {
    /// The handshake with the desktop is done; the viewer has its own with the bridge.
    Greeting {
        handshake: ServerHandshake,
        rights: Rights,
    },
    /// Messages whose begin and end are known.
    Messages { framer: Framer, rights: Rights },
    /// Bytes that go through as they are.
    Opaque,
    /// Bytes that nobody wants any more.
    Discard,
}

/// What becomes of the bytes that come next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The first so many go to the desktop, in one write when they are a whole message.
    Pass(usize),
    /// The first so many go nowhere.
    Drop(usize),
    /// They are not enough to say.
    Wait,
}

impl Passing {
    /// A viewer who shakes hands with the desktop itself.
    pub(super) fn fresh(rights: Rights) -> Self {
        let framer = Framer::from_handshake();
        Self::Messages { framer, rights }
    }

    /// A viewer to whom the bridge itself is the server until ClientInit.
    pub(super) fn greeting(rights: Rights) -> Self {
        let handshake = ServerHandshake::new();
        Self::Greeting { handshake, rights }
    }

    /// What the bridge says to the viewer before anybody else does.
    pub(super) fn first_words(&self) -> Option<&'static [u8]> {
        matches!(self, Self::Greeting { .. }).then_some(ServerHandshake::greeting().as_slice())
    }

    /// Decides on the bytes that `bytes` begin with; what it answers itself goes into `answer`.
    pub(super) fn next(
        &mut self,
        bytes: &mut [u8],
        answer: &mut Vec<u8>,
    ) -> Result<Verdict, Error> {
        if bytes.is_empty() {
            return Ok(Verdict::Wait);
        }
        match self {
            Self::Greeting { handshake, rights } => {
                let step = handshake.step(bytes).map_err(Error::Greeting)?;
                answer.extend(step.send);
                if step.done {
                    let framer = Framer::from_client_init();
                    let rights = *rights;
                    *self = Self::Messages { framer, rights };
                } else if step.taken == 0 {
                    return Ok(Verdict::Wait);
                }
                Ok(Verdict::Drop(step.taken))
            }
            Self::Messages { framer, rights } => {
                match framer.next(bytes).map_err(Error::Message)? {
                    Frame::Whole { kind, len } | Frame::Part { kind, len } => {
                        Ok(judge(*rights, kind, len, bytes))
                    }
                    Frame::Need(_) => Ok(Verdict::Wait),
                    Frame::Opaque(why) => match rights {
                        Rights::Control => {
                            *self = Self::Opaque;
                            Ok(Verdict::Pass(bytes.len()))
                        }
                        Rights::View => Err(Error::NotForViewers(why)),
                    },
                }
            }
            Self::Opaque => Ok(Verdict::Pass(bytes.len())),
            Self::Discard => Ok(Verdict::Drop(bytes.len())),
        }
    }
}

/// ClientInit's flag: others may stay connected (RFC 6143 §7.3.1).
const SHARED: u8 = 1;

fn judge(rights: Rights, kind: Kind, len: usize, bytes: &mut [u8]) -> Verdict {
    match rights {
        Rights::Control => Verdict::Pass(len),
        Rights::View if !may_view(kind) => Verdict::Drop(len),
        Rights::View => {
            if kind == Kind::ClientInit {
                // Who only watches cannot have the others sent away.
                bytes[0] = SHARED;
            }
            Verdict::Pass(len)
        }
    }
}

/// What one needs in order to see, and nothing that changes the desktop. Not listed is dropped.
fn may_view(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Version
            | Kind::Security
            | Kind::Response
            | Kind::ClientInit
            | Kind::SetPixelFormat
            | Kind::SetEncodings
            | Kind::UpdateRequest
            | Kind::ContinuousUpdates
            | Kind::Fence
            | Kind::QemuAudio
    )
}
