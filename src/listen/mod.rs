//! Sockets, TLS and limits: what comes out is one HTTP request of one known peer.
//!
//! Everything here has a deadline, since everything here is done before anybody is known.

mod accept;
pub mod bind;
mod deadline;
mod http;
mod limits;
mod listener;
mod plain;
mod refusal;
pub mod systemd;
mod tls;
mod upgraded;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

pub use accept::{Listen, Plain, listen, serve_one};
pub use limits::Limits;
pub use listener::Listener;
pub use refusal::Refusal;
pub use tls::{Tls, TlsError};
pub use upgraded::{Held, Upgraded, upgraded};

use crate::model::Scheme;

/// The connection that a request came on; each request carries it as an extension.
#[derive(Clone, Debug)]
pub struct Connection {
    /// `None`: it came over a unix socket.
    pub peer: Option<SocketAddr>,
    /// Where it was accepted, if that has an address.
    pub local: Option<SocketAddr>,
    pub scheme: Scheme,
    /// The common name in the client's certificate, which was verified.
    pub client_name: Option<Arc<str>>,
}

impl Connection {
    /// Where the browser is: this machine when it came over a unix socket. An IPv4 address that
    /// came over an IPv6 socket is itself again.
    pub fn address(&self) -> IpAddr {
        self.peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| {
            peer.ip().to_canonical()
        })
    }
}
