//! The handshake (RFC 6143 §7.1): as a viewer, as a server, and as one who looks on.

mod client;
mod server;
mod tracker;

pub use client::ClientHandshake;
pub use server::ServerHandshake;
pub(crate) use tracker::{Piece, Tracker};

/// The length of a ProtocolVersion message in bytes (RFC 6143 §7.1.1).
pub const VERSION_LEN: usize = 12;

/// The longest reason that a server may give for a refusal, in bytes.
pub const MAX_REASON: u32 = 4096;

/// Security type None (RFC 6143 §7.2.1).
const NONE: u8 = 1;

/// Security type VNC Authentication (RFC 6143 §7.2.2).
const VNC_AUTH: u8 = 2;

/// The versions of RFB that differ in their handshake (RFC 6143 §7.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 3.3: the server chooses the security type.
    V3_3,
    /// 3.7: the viewer chooses; None has no result.
    V3_7,
    /// 3.8: the viewer chooses; there is always a result, a failure with its reason.
    V3_8,
}

impl Version {
    /// The 12 bytes that say it.
    pub fn message(self) -> &'static [u8; VERSION_LEN] {
        match self {
            Self::V3_3 => b"RFB 003.003\n",
            Self::V3_7 => b"RFB 003.007\n",
            Self::V3_8 => b"RFB 003.008\n",
        }
    }

    const ALL: [Self; 3] = [Self::V3_3, Self::V3_7, Self::V3_8];

    /// What a viewer's answer says; `None` when it is none of the three.
    fn of_viewer(message: &[u8; VERSION_LEN]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|version| version.message() == message)
    }

    /// Whether `bytes` can still become one of the three.
    fn may_begin(bytes: &[u8]) -> bool {
        Self::ALL
            .iter()
            .any(|version| version.message().starts_with(bytes))
    }

    /// The version to speak with a server that says `message`: servers also say 3.5, 3.889 or
    /// 5.0, and mean the highest of the three that is not above it.
    fn with_server(message: &[u8; VERSION_LEN]) -> Option<Self> {
        let text = std::str::from_utf8(message).ok()?;
        let (major, minor) = text
            .strip_prefix("RFB ")?
            .strip_suffix('\n')?
            .split_once('.')?;
        let number = |digits: &str| {
            let fits = digits.len() == 3 && digits.bytes().all(|digit| digit.is_ascii_digit());
            fits.then(|| digits.parse::<u16>().ok()).flatten()
        };
        match (number(major)?, number(minor)?) {
            (3, 0..3) | (0..3, _) => None,
            (3, 3..7) => Some(Self::V3_3),
            (3, 7) => Some(Self::V3_7),
            _ => Some(Self::V3_8),
        }
    }
}

/// What a handshake made of its input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// So many bytes of the input are done with; the rest must be given again, with more.
    pub taken: usize,
    /// What must be sent to the other side, in one write.
    pub send: Vec<u8>,
    /// Whether the handshake is over: the next bytes are the viewer's ClientInit.
    pub done: bool,
}

/// A handshake that cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The other side does not begin as RFB does.
    #[error("the other side does not speak RFB 3.3, 3.7 or 3.8")]
    Version,
    /// The server refuses, and says why.
    #[error("the VNC server refuses: {0}")]
    Refused(String),
    /// The server offers nothing that is known.
    #[error(
        "the VNC server asks for another way to sign in (it offers {0:?}) than None or a VNC password"
    )]
    Security(Vec<u8>),
    /// The server wants a password and there is none.
    #[error("the VNC server asks for a password and none is set")]
    PasswordMissing,
    /// The server does not take the password.
    #[error("the VNC server does not take the password: {0}")]
    PasswordWrong(String),
    /// The reason for a refusal is longer than [`MAX_REASON`].
    #[error("the VNC server gives a reason of {0} bytes where {MAX_REASON} are the most")]
    Reason(u32),
    /// The viewer chose a security type that it was not offered.
    #[error("the viewer chose security type {0}, which it was not offered")]
    Choice(u8),
}
