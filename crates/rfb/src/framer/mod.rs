//! Finds where a viewer's messages begin and end, from the first byte of the handshake on.

use super::handshake::{Piece, Tracker};
use super::message::{self, Kind, MAX_CUT_TEXT, MAX_ENCODINGS, MAX_FENCE, MAX_SCREENS, Shape};

/// The longest message, in bytes, that the framer waits for as a whole. Longer ones (clipboard
/// texts alone can be) come in parts.
pub const MAX_WHOLE: usize = 64 * 1024;

/// The pseudo-encoding with which a viewer says that it knows more than seven buttons
/// (community RFB specification, Extended Mouse Buttons).
const MORE_BUTTONS: i32 = -316;

/// What the bytes of a viewer begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A whole message or piece of the handshake: the first `len` bytes.
    Whole {
        /// What it is.
        kind: Kind,
        /// Its length in bytes, its first one included.
        len: usize,
    },
    /// The first `len` bytes belong to a message longer than [`MAX_WHOLE`].
    Part {
        /// What it is.
        kind: Kind,
        /// How many of the given bytes belong to it.
        len: usize,
    },
    /// At least that many more bytes are needed before anything can be said.
    Need(usize),
    /// Where the next message would begin cannot be known: the stream is opaque from here on.
    Opaque(Unknown),
}

/// Why a stream became opaque.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// The first 12 bytes are no version of RFB that is known.
    #[error("the version that the viewer speaks is not known")]
    Version,
    /// In RFB 3.3 the server alone says how the viewer proves who it is.
    #[error("RFB 3.3 does not tell how the viewer signs in")]
    Rfb33,
    /// A security type whose messages are not known.
    #[error("security type {0} is not known")]
    Security(u8),
    /// A message type that is not known.
    #[error("message type {0} is not known")]
    Message(u8),
}

/// A viewer that sends what no viewer sends. Its fault; the stream cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramerError {
    /// See [`MAX_ENCODINGS`].
    #[error("{0} encodings where {MAX_ENCODINGS} are the most")]
    Encodings(u16),
    /// See [`MAX_CUT_TEXT`].
    #[error("a clipboard of {0} bytes where {MAX_CUT_TEXT} are the most")]
    CutText(u32),
    /// See [`MAX_FENCE`].
    #[error("a fence of {0} bytes where {MAX_FENCE} are the most")]
    Fence(u8),
    /// See [`MAX_SCREENS`].
    #[error("{0} screens where {MAX_SCREENS} are the most")]
    Screens(u8),
}

/// Where in the stream the framer stands.
#[derive(Debug)]
enum Place {
    Handshake(Tracker),
    Messages,
    /// Within a long message.
    Rest {
        kind: Kind,
        left: usize,
    },
    Opaque(Unknown),
}

/// Finds the messages of one viewer, one after the other.
///
/// Give [`Framer::next`] the bytes that were not taken yet; take as many off their front as it
/// says; repeat.
#[derive(Debug)]
pub struct Framer {
    place: Place,
    long_pointer: bool,
}

impl Framer {
    /// For a stream that begins with the viewer's ProtocolVersion.
    pub fn from_handshake() -> Self {
        Self::at(Place::Handshake(Tracker::new()))
    }

    /// For a stream that begins with ClientInit: version and security are done.
    pub fn from_client_init() -> Self {
        Self::at(Place::Handshake(Tracker::at_client_init()))
    }

    fn at(place: Place) -> Self {
        Self {
            place,
            long_pointer: false,
        }
    }

    /// What `bytes` begin with. Whatever it says is taken: the next call begins behind it.
    ///
    /// # Errors
    /// When a length is beyond its limit.
    pub fn next(&mut self, bytes: &[u8]) -> Result<Frame, FramerError> {
        match &mut self.place {
            Place::Handshake(tracker) => {
                let piece = tracker.next(bytes);
                if tracker.is_done() {
                    self.place = Place::Messages;
                }
                Ok(match piece {
                    Piece::Whole { kind, len } => Frame::Whole { kind, len },
                    Piece::Need(more) => Frame::Need(more),
                    Piece::Opaque(why) => self.opaque(why),
                })
            }
            Place::Messages => self.message(bytes),
            Place::Rest { kind, left } => {
                if bytes.is_empty() {
                    return Ok(Frame::Need(1));
                }
                let len = bytes.len().min(*left);
                let kind = *kind;
                *left = left.saturating_sub(len);
                if *left == 0 {
                    self.place = Place::Messages;
                }
                Ok(Frame::Part { kind, len })
            }
            Place::Opaque(why) => Ok(Frame::Opaque(*why)),
        }
    }

    fn message(&mut self, bytes: &[u8]) -> Result<Frame, FramerError> {
        let (kind, len) = match message::shape(bytes, self.long_pointer)? {
            Shape::Known { kind, len } => (kind, len),
            Shape::Need(more) => return Ok(Frame::Need(more)),
            Shape::Unknown(message_type) => return Ok(self.opaque(Unknown::Message(message_type))),
        };
        if len > MAX_WHOLE {
            let here = bytes.len().min(len);
            let left = len.saturating_sub(here);
            if left > 0 {
                self.place = Place::Rest { kind, left };
            }
            return Ok(Frame::Part { kind, len: here });
        }
        let Some(whole) = bytes.get(..len) else {
            return Ok(Frame::Need(len.saturating_sub(bytes.len())));
        };
        if kind == Kind::SetEncodings {
            self.long_pointer = lists_more_buttons(whole);
        }
        Ok(Frame::Whole { kind, len })
    }

    fn opaque(&mut self, why: Unknown) -> Frame {
        self.place = Place::Opaque(why);
        Frame::Opaque(why)
    }
}

fn lists_more_buttons(set_encodings: &[u8]) -> bool {
    let (encodings, _) = set_encodings.get(4..).unwrap_or_default().as_chunks::<4>();
    encodings
        .iter()
        .any(|encoding| i32::from_be_bytes(*encoding) == MORE_BUTTONS)
}

#[cfg(test)]
mod tests;
