//! `host:port` and `unix_socket:/path`, as token sources write them, to a [`Target`].

use std::net::Ipv6Addr;
use std::path::PathBuf;

use serde::Deserialize;

use crate::websockify::Target;

/// The host that says that the port is the path of a unix socket.
const UNIX_SOCKET: &str = "unix_socket";
/// Longest host name in DNS.
const MAX_HOST: usize = 255;

/// Why a text is no target. The text itself is left out: what is written there by mistake could
/// be the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadTarget {
    #[error("it is not of the form host:port")]
    NoPort,
    #[error("its port is not a number from 1 to 65535")]
    Port,
    #[error("its host is neither a name nor an address (an IPv6 address is written [::1]:5900)")]
    Host,
    #[error("after unix_socket: comes no path")]
    Path,
    #[error("it is not UTF-8")]
    Encoding,
    #[error("it is not a JSON object with a host and a port")]
    Json,
}

/// A target in JSON: `{"host": "10.0.0.1", "port": 5900}`; the port may be a text.
#[derive(Deserialize)]
pub(super) struct HostAndPort {
    host: String,
    port: Port,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Port {
    Number(u64),
    Text(String),
}

impl HostAndPort {
    pub(super) fn target(&self) -> Result<Target, BadTarget> {
        match &self.port {
            Port::Number(port) => pair(&self.host, &port.to_string()),
            Port::Text(port) => pair(&self.host, port),
        }
    }
}

/// What a file or a program holds.
pub(super) fn from_bytes(bytes: &[u8]) -> Result<Target, BadTarget> {
    parse(str::from_utf8(bytes).map_err(|_| BadTarget::Encoding)?)
}

/// Reads `host:port`, `[::1]:5900`, or `unix_socket:/path`; white space around it is dropped. The
/// last colon is where the port begins, so `::1:5900` is an IPv6 address and a port too.
pub(super) fn parse(text: &str) -> Result<Target, BadTarget> {
    let text = text.trim();
    if let Some((UNIX_SOCKET, path)) = text.split_once(':') {
        return pair(UNIX_SOCKET, path);
    }
    let (host, port) = text.rsplit_once(':').ok_or(BadTarget::NoPort)?;
    pair(host, port)
}

/// A host and a port, or [`UNIX_SOCKET`] and a path, that came apart.
pub(super) fn pair(host: &str, port: &str) -> Result<Target, BadTarget> {
    if host == UNIX_SOCKET {
        let path = port.trim();
        return if path.is_empty() || path.contains(char::is_control) {
            Err(BadTarget::Path)
        } else {
            Ok(Target::Unix(PathBuf::from(path)))
        };
    }
    let host = check_host(host.trim())?;
    let port = port.trim();
    if port.contains(|c: char| !c.is_ascii_digit()) {
        return Err(BadTarget::Port);
    }
    match port.parse() {
        Ok(0) | Err(_) => Err(BadTarget::Port),
        Ok(port) => Ok(Target::Tcp {
            host: host.to_owned(),
            port,
        }),
    }
}

/// The host without brackets. With a colon in it, it must be an IPv6 address.
fn check_host(host: &str) -> Result<&str, BadTarget> {
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let is_v6 = |text: &str| {
        let address = text
            .split_once('%')
            .map_or(text, |(address, _zone)| address);
        address.parse::<Ipv6Addr>().is_ok()
    };
    let fits = |text: &str| {
        !text.is_empty()
            && text.len() <= MAX_HOST
            && !text
                .contains(|c: char| c.is_whitespace() || c.is_control() || "[]/@,\"'#?".contains(c))
    };
    match bare {
        Some(text) if fits(text) && is_v6(text) => Ok(text),
        None if fits(host) && (!host.contains(':') || is_v6(host)) => Ok(host),
        _ => Err(BadTarget::Host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Target {
        Target::Tcp {
            host: host.to_owned(),
            port,
        }
    }

    #[test]
    fn names_addresses_and_unix_sockets_are_targets() {
        assert_eq!(parse("vm1.example:5901"), Ok(tcp("vm1.example", 5901)));
        assert_eq!(parse(" 10.0.0.1:5900\r\n"), Ok(tcp("10.0.0.1", 5900)));
        assert_eq!(parse("[::1]:5900"), Ok(tcp("::1", 5900)));
        assert_eq!(parse("::1:5900"), Ok(tcp("::1", 5900)));
        assert_eq!(parse("[fe80::1%eth0]:5900"), Ok(tcp("fe80::1%eth0", 5900)));
        assert_eq!(
            parse("unix_socket:/run/a:b"),
            Ok(Target::Unix("/run/a:b".into()))
        );
        assert_eq!(pair("::1", "5900"), Ok(tcp("::1", 5900)));
    }

    #[test]
    fn anything_else_is_refused_with_what_is_wrong() {
        for (text, fault) in [
            ("", BadTarget::NoPort),
            ("host", BadTarget::NoPort),
            ("host:", BadTarget::Port),
            ("host:0", BadTarget::Port),
            ("host:65536", BadTarget::Port),
            ("host:+5900", BadTarget::Port),
            ("host:vnc", BadTarget::Port),
            ("host:5900 # mine", BadTarget::Port),
            (":5900", BadTarget::Host),
            ("::1", BadTarget::Host),
            ("a:b:5900", BadTarget::Host),
            ("[::1:5900", BadTarget::Host),
            ("[name]:5900", BadTarget::Host),
            ("two words:5900", BadTarget::Host),
            ("user@host:5900", BadTarget::Host),
            ("unix_socket:", BadTarget::Path),
            ("unix_socket:/a\0b", BadTarget::Path),
        ] {
            assert_eq!(parse(text), Err(fault), "{text:?}");
        }
    }
}
