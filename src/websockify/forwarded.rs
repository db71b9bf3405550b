//! Where a connection comes from, also when a reverse proxy brought it.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use http::HeaderMap;
use http::header::{FORWARDED, HeaderName};

use crate::listen::Connection;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// A reverse proxy that is believed where its connections come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proxy {
    /// The one at this address.
    Address(IpAddr),
    /// Whoever may connect to the unix socket.
    Unix,
}

impl FromStr for Proxy {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "unix" {
            return Ok(Self::Unix);
        }
        let address = text.parse::<IpAddr>();
        let address = address.map_err(|_| "give an IP address such as 192.0.2.1, or `unix`")?;
        Ok(Self::Address(address.to_canonical()))
    }
}

/// The visitor's address as the log has it: the peer's own, unless the peer is one of `trusted`.
/// Then it is the nearest address before the trusted proxies (`X-Forwarded-For`, else `Forwarded`
/// of RFC 7239). `unix` where there is no address.
pub(super) fn visitor(connection: &Connection, headers: &HeaderMap, trusted: &[Proxy]) -> String {
    let peer = connection.peer.map(|peer| peer.ip().to_canonical());
    let is_trusted = |address| trusted.contains(&Proxy::Address(address));
    let believed = peer.map_or_else(|| trusted.contains(&Proxy::Unix), is_trusted);
    let mut nearest = peer;
    if believed {
        for hop in hops(headers).rev() {
            // What stands before something that is no address is anybody's invention.
            let Some(address) = hop else { break };
            nearest = Some(address);
            if !is_trusted(address) {
                break;
            }
        }
    }
    name(nearest)
}

/// The address of the other end of a connection as the log has it.
pub(super) fn peer(connection: &Connection) -> String {
    name(connection.peer.map(|peer| peer.ip().to_canonical()))
}

fn name(address: Option<IpAddr>) -> String {
    address.map_or_else(|| "unix".to_owned(), |address| address.to_string())
}

/// The addresses that proxies added, the farthest first; `None` for what is no address.
fn hops(headers: &HeaderMap) -> std::vec::IntoIter<Option<IpAddr>> {
    let elements = |name: &HeaderName| -> Vec<String> {
        let lines = headers.get_all(name).iter();
        let lines = lines.map(|line| String::from_utf8_lossy(line.as_bytes()));
        lines
            .flat_map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>())
            .collect()
    };
    let mut found: Vec<_> = elements(&X_FORWARDED_FOR)
        .iter()
        .map(|hop| address(hop))
        .collect();
    if found.is_empty() {
        found = elements(&FORWARDED)
            .iter()
            .map(|hop| address(forwarded_for(hop)?))
            .collect();
    }
    found.into_iter()
}

/// The value of `for` in one element of a `Forwarded` header (RFC 7239 §4).
fn forwarded_for(element: &str) -> Option<&str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value)
    })
}

/// An address, with or without brackets, a port, quotes.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let address = text
        .parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().map(|address| address.ip()).ok())
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::model::Scheme;

    fn from(peer: Option<&str>, headers: &[(&'static str, &'static str)]) -> String {
        let connection = Connection {
            peer: peer.map(|peer| peer.parse().unwrap()),
            local: None,
            scheme: Scheme::Http,
            client_name: None,
        };
        let headers = headers
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::from_static(name);
                (name, HeaderValue::from_static(value))
            })
            .collect();
        let trusted = ["192.0.2.1", "192.0.2.2", "unix"].map(|proxy| proxy.parse().unwrap());
        visitor(&connection, &headers, &trusted)
    }

    #[test]
    fn a_peer_that_is_not_trusted_is_the_visitor_whatever_it_says() {
        let says = [("x-forwarded-for", "203.0.113.9")];
        assert_eq!(from(Some("198.51.100.7:5"), &says), "198.51.100.7");
        assert_eq!(from(Some("[::ffff:198.51.100.7]:5"), &[]), "198.51.100.7");
    }

    #[test]
    fn a_trusted_proxy_is_believed_the_last_stranger_before_it() {
        let proxy = Some("192.0.2.1:5");
        let says = |value| from(proxy, &[("x-forwarded-for", value)]);
        assert_eq!(says("203.0.113.9"), "203.0.113.9");
        assert_eq!(says("1.1.1.1, 203.0.113.9"), "203.0.113.9");
        assert_eq!(says("203.0.113.9, 192.0.2.2"), "203.0.113.9");
        assert_eq!(says("203.0.113.9, unknown"), "192.0.2.1");
        assert_eq!(says("[2001:db8::1]:443"), "2001:db8::1");
        assert_eq!(from(proxy, &[]), "192.0.2.1");
        let mapped = Some("[::ffff:192.0.2.1]:5");
        assert_eq!(from(mapped, &[("x-forwarded-for", "::1")]), "::1");
    }

    #[test]
    fn forwarded_is_read_where_there_is_no_other() {
        let says = |value| from(Some("192.0.2.1:5"), &[("forwarded", value)]);
        assert_eq!(says("proto=https;For=203.0.113.9"), "203.0.113.9");
        assert_eq!(says("for=1.1.1.1, for=\"[2001:db8::1]:99\""), "2001:db8::1");
        assert_eq!(says("by=x"), "192.0.2.1");
    }

    #[test]
    fn behind_a_unix_socket_the_proxy_s_word_counts() {
        assert_eq!(
            from(None, &[("x-forwarded-for", "203.0.113.9")]),
            "203.0.113.9"
        );
        assert_eq!(from(None, &[]), "unix");
    }
}
