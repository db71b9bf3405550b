//! Sockets, TLS and limits: what comes out is one HTTP request of one known peer.
//!
//! Everything here has a deadline, since everything here is done before anybody is known.

mod accept;
pub mod bind;
mod connection;
mod deadline;
mod forwarded;
mod http;
mod limits;
mod listener;
mod plain;
mod proxy_protocol;
mod refusal;
mod seldom;
pub mod systemd;
mod tls;
mod trusted;
mod upgraded;

pub use accept::{Listen, Plain, listen, serve_one};
pub use connection::Connection;
pub use forwarded::Forwarded;
pub use limits::Limits;
pub use listener::Listener;
pub use refusal::Refusal;
pub use seldom::Seldom;
pub use tls::{Tls, TlsError};
pub use trusted::TrustedProxies;
pub use upgraded::{Held, Upgraded, upgraded};

pub use crate::config::TrustedProxy;
