//! `deskway websockify`: what Python's websockify does, for everybody who runs that today.
//!
//! Flags become settings, and settings what is needed to serve; each request is then a WebSocket,
//! which finds its target by the command line or a token and is carried by the bridge, or a file.
//! Beside that are the habits of a program of its own: logs, recordings, the background, inetd,
//! a wrapped command.

pub(crate) mod complaint;
pub(crate) mod daemon;
mod dial;
mod flags;
mod gate;
pub(crate) mod inherited;
pub(crate) mod log;
pub(crate) mod prepared;
mod record;
pub(crate) mod server;
pub(crate) mod sessions;
pub(crate) mod settings;
mod target;
mod tls;
mod token;
mod traffic;
mod visit;
mod visitor;
mod web;
pub(crate) mod wrap;

pub(crate) use dial::Dialer;
pub use flags::Flags;
pub use target::Target;

/// The exit status for a command line that makes no sense, as everywhere.
pub(crate) const WRONG_USAGE: u8 = 2;
