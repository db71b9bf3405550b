//! Sockets, TLS and limits: what comes out is one HTTP request of one known peer.
//!
//! Everything here has a deadline, since everything here is done before anybody is known.

mod accept;
mod deadline;
mod http;
mod limits;
mod plain;
mod tls;

use std::net::{IpAddr, SocketAddr};

pub use accept::{Listen, listen};
pub use limits::Limits;
pub use tls::{Tls, TlsError};

use crate::model::Scheme;

/// The connection that a request came on; each request carries it as an extension.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    pub peer: SocketAddr,
    pub local: SocketAddr,
    pub scheme: Scheme,
}

impl Connection {
    /// Where the browser is. An IPv4 address that came over an IPv6 socket is itself again.
    pub fn address(&self) -> IpAddr {
        self.peer.ip().to_canonical()
    }
}
