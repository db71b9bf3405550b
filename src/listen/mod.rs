//! Sockets, TLS and limits: what comes out is one HTTP request of one known peer.
//!
//! Everything here has a deadline, since everything here is done before anybody is known.

mod accept;
pub mod bind;
mod certificates;
mod challenges;
mod connection;
mod deadline;
mod forwarded;
mod http;
mod http2;
mod limits;
mod listener;
mod plain;
mod proxy_protocol;
mod refusal;
mod seldom;
mod spare;
mod streams;
pub mod systemd;
mod tls;
mod trusted;
mod upgraded;

pub use accept::{Listen, Plain, listen, serve_one};
pub use certificates::Certificates;
pub use challenges::{ChallengeError, Challenges};
pub use connection::{Connection, Hidden};
pub use forwarded::Forwarded;
pub use limits::Limits;
pub use listener::Listener;
pub use refusal::Refusal;
pub use seldom::Seldom;
pub use tls::{Tls, TlsError, self_signed};
pub use trusted::TrustedProxies;
pub use upgraded::{Held, Upgraded, upgraded};

pub use crate::config::TrustedProxy;
