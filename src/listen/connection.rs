//! Who a request is from, and over what.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http::HeaderMap;

use super::forwarded::{self, Forwarded};
use super::limits::{Full, Limits, Place};
use super::proxy_protocol::Header;
use super::trusted::TrustedProxies;
use crate::model::Scheme;

/// The connection that a request came on; each request carries it as an extension.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The other end, or who it brought by the PROXY protocol. `None`: a unix socket.
    pub peer: Option<SocketAddr>,
    /// Where it was accepted, if that has an address.
    pub local: Option<SocketAddr>,
    /// What the browser speaks, with us or with a trusted proxy.
    pub scheme: Scheme,
    /// The common name in the client's certificate, which was verified.
    pub client_name: Option<Arc<str>>,
    /// What a trusted proxy tells of this request in headers.
    pub forwarded: Option<Forwarded>,
    /// Why nobody knows where the browser is, though its address seems to be this machine's.
    pub hidden: Option<Hidden>,
    /// The peer may be a proxy whose headers count.
    hears_headers: bool,
    /// Counts for the browser's address while anybody has this.
    place: Option<Arc<Place>>,
}

/// Why somebody who comes by this machine's own address need not be on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hidden {
    /// Headers of a proxy are there, and it is not trusted.
    Untrusted,
    /// A trusted proxy does not say where the browser is.
    Untold,
}

impl Connection {
    /// In the clear, of which nobody has told anything.
    pub fn new(peer: Option<SocketAddr>, local: Option<SocketAddr>) -> Self {
        Self {
            peer,
            local,
            scheme: Scheme::Http,
            client_name: None,
            forwarded: None,
            hidden: None,
            hears_headers: true,
            place: None,
        }
    }

    /// Where the browser is: this machine when it came over a unix socket. An IPv4 address that
    /// came over an IPv6 socket is itself again.
    pub fn address(&self) -> IpAddr {
        self.known_address()
            .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    /// The same for a log: `unix` when all that is known is that it came over a unix socket.
    pub fn shown_address(&self) -> String {
        let address = self.known_address();
        address.map_or_else(|| "unix".to_owned(), |address| address.to_string())
    }

    /// What the browser's tries to sign in are counted for: its address, or `0.0.0.0` for all whose
    /// address a proxy hides, since this machine's own is not slowed down.
    pub fn counted_address(&self) -> IpAddr {
        match self.hidden {
            Some(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            None => self.address(),
        }
    }

    /// What the browser called the server, if a trusted proxy tells.
    pub fn forwarded_host(&self) -> Option<&str> {
        self.forwarded.as_ref()?.host.as_deref()
    }

    fn known_address(&self) -> Option<IpAddr> {
        let told = self.forwarded.as_ref().and_then(|told| told.address);
        told.or_else(|| self.peer_address())
    }

    fn peer_address(&self) -> Option<IpAddr> {
        Some(self.peer?.ip().to_canonical())
    }

    /// `why`, where its other end is on this machine and that means more than another address.
    fn hides(&self, why: Hidden) -> Option<Hidden> {
        let is_here = self.peer_address().is_none_or(|it| it.is_loopback());
        is_here.then_some(why)
    }

    /// Whether its other end is a proxy whose headers count.
    pub(super) fn is_trusted(&self, trusted: &TrustedProxies) -> bool {
        self.hears_headers && trusted.has(self.peer_address())
    }

    /// Takes in what a trusted proxy told by the PROXY protocol.
    pub(super) fn hear_header(&mut self, header: Header) {
        match header {
            Header::From { client, tls } => {
                self.peer = Some(client);
                if tls {
                    self.scheme = Scheme::Https;
                }
            }
            // It may be anybody who speaks through the proxy: headers of theirs do not count.
            Header::Unknown => self.hears_headers = false,
        }
    }

    /// This connection with what the headers of one request on it tell, if its other end is
    /// trusted. Then the request takes a place of the browser's address.
    pub(super) fn for_request(
        &self,
        headers: &HeaderMap,
        trusted: &TrustedProxies,
        limits: &Limits,
    ) -> Result<Self, Full> {
        let mut connection = self.clone();
        let by_proxy = forwarded::is_by_proxy(headers);
        if !self.is_trusted(trusted) {
            connection.hidden = match self.hears_headers {
                true if by_proxy => self.hides(Hidden::Untrusted),
                true => None,
                false => self.hides(Hidden::Untold),
            };
            return Ok(connection);
        }
        connection.forwarded = forwarded::told(headers, |address| trusted.has(Some(address)));
        let told = connection.forwarded.as_ref();
        if by_proxy && told.is_none_or(|told| told.address.is_none()) {
            connection.hidden = self.hides(Hidden::Untold);
        }
        let Some(told) = &connection.forwarded else {
            return Ok(connection);
        };
        connection.scheme = told.scheme.unwrap_or(self.scheme);
        if let Some(address) = told.address {
            connection.place = Some(Arc::new(limits.enter_request(address)?));
        }
        Ok(connection)
    }
}
