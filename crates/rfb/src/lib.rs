//! RFB (RFC 6143) without I/O: bytes go in, values come out.
//!
//! [`Framer`] finds where a viewer's messages begin and end, [`ClientHandshake`] and
//! [`ServerHandshake`] speak the handshake as one side of it. Nothing here reads a socket,
//! waits, or allocates by a length that the other side names.

#![forbid(unsafe_code)]
#![warn(
    missing_docs,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(
    test,
    expect(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "a test that goes wrong may panic"
    )
)]

mod framer;
mod handshake;
mod message;
mod vnc_auth;

pub use framer::{Frame, Framer, FramerError, MAX_WHOLE, Unknown};
pub use handshake::{
    ClientHandshake, HandshakeError, MAX_REASON, ServerHandshake, Step, VERSION_LEN, Version,
};
pub use message::{Kind, MAX_CUT_TEXT, MAX_ENCODINGS, MAX_FENCE, MAX_SCREENS};
pub use vnc_auth::{CHALLENGE_LEN, Password};
