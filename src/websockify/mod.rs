//! `deskway websockify`: what Python's websockify does, for everybody who runs that today. A short
//! composition of `listen`, `bridge`, targets, and a web server for files.

pub(crate) mod bind;
pub(crate) mod daemon;
mod dial;
mod flags;
mod forwarded;
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
mod web;
pub(crate) mod wrap;

pub use flags::Flags;
pub use target::Target;
