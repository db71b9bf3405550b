//! `deskway websockify`: what Python's websockify does, for everybody who runs that today. A short
//! composition of `listen`, `bridge`, targets, and a web server for files.

mod daemon;
mod dial;
mod flags;
mod gate;
mod log;
mod record;
mod server;
mod settings;
mod target;
mod tls;
mod token;
mod traffic;
mod visit;
mod web;
mod wrap;

pub use flags::Flags;
pub use target::Target;
