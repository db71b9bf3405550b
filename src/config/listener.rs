//! Where the front listens, and whom it believes there: `[[listen]]` and `trusted_proxies`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ipnet::IpNet;

/// Most bytes of a unix socket's path: `sun_path` of unix(7) without its NUL.
pub(super) const MAX_SOCKET_PATH: usize = 107;
/// Whoever may not open the socket's file cannot connect.
const SOCKET_MODE: u32 = 0o660;

/// A socket that browsers or proxies come in by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub at: ListenAt,
    pub protocol: Protocol,
    /// Each connection begins with a header of the PROXY protocol, which is believed from the
    /// trusted proxies alone; others are refused.
    pub proxy_protocol: bool,
    /// Of a unix socket's file. Default 0660.
    pub socket_mode: u32,
    /// The group of a unix socket's file; `None`: that of whoever starts Deskway.
    pub socket_group: Option<String>,
}

/// What is listened on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ListenAt {
    Address(SocketAddr),
    Unix(PathBuf),
    /// The sockets that systemd passes, or those of one name (`FileDescriptorName=`).
    Systemd(Option<String>),
}

/// What is spoken on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// https where there is a certificate, or an address beyond this machine for which one is
    /// made; else http. On a unix socket http.
    Auto,
    /// TLS; a plain request is sent to the same address with https.
    Https,
    Http,
    /// Each request is sent to the https address of the same page.
    Redirect,
}

/// Whose word counts for where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustedProxy {
    Network(IpNet),
    /// Whoever may connect to a unix socket of ours.
    Unix,
}

impl Listener {
    /// With everything else as it is by default.
    pub fn at(at: ListenAt) -> Self {
        Self {
            at,
            protocol: Protocol::Auto,
            proxy_protocol: false,
            socket_mode: SOCKET_MODE,
            socket_group: None,
        }
    }

    /// Whether nobody beyond this machine can reach it. Of a socket that systemd passes, that is
    /// not known before the start.
    pub fn is_local(&self) -> bool {
        match &self.at {
            ListenAt::Address(address) => address.ip().to_canonical().is_loopback(),
            ListenAt::Unix(_) => true,
            ListenAt::Systemd(_) => false,
        }
    }
}

impl TrustedProxy {
    /// Whether it is on this machine, so that nobody beyond it comes by it over the network.
    fn is_local(self) -> bool {
        match self {
            Self::Network(network) => network.network().to_canonical().is_loopback(),
            Self::Unix => true,
        }
    }
}

/// Whether people's passwords travel in the clear on `listener`: http was asked for where others
/// can come (`is_local` says when not), and no proxy is named that would come there.
pub fn is_in_the_clear(listener: &Listener, is_local: bool, trusted: &[TrustedProxy]) -> bool {
    // Where the PROXY protocol is spoken, nobody comes but by a proxy.
    listener.protocol == Protocol::Http
        && !is_local
        && !listener.proxy_protocol
        && trusted.iter().all(|proxy| proxy.is_local())
}

impl FromStr for ListenAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let fits = Path::new(path).is_absolute() && !text.contains(char::is_control);
            return if !fits {
                Err(format!(
                    "`{text}` is no socket: write unix: and a path from `/` on"
                ))
            } else if path.len() > MAX_SOCKET_PATH {
                Err(format!(
                    "write a path of at most {MAX_SOCKET_PATH} bytes, the longest a socket can have"
                ))
            } else {
                Ok(Self::Unix(path.into()))
            };
        }
        if text == "systemd" {
            return Ok(Self::Systemd(None));
        }
        if let Some(name) = text.strip_prefix("systemd:") {
            // What systemd takes for a name (systemd.socket(5)).
            let fits = (1..=255).contains(&name.len())
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && byte != b':');
            return if fits {
                Ok(Self::Systemd(Some(name.to_owned())))
            } else {
                Err(format!("`{name}` is no name of a socket of systemd's"))
            };
        }
        text.parse().map(Self::Address).map_err(|_| {
            format!(
                "`{text}` is no address: write IP:PORT such as 127.0.0.1:6080, 0.0.0.0:443 or [::]:443, or unix:/path, or systemd"
            )
        })
    }
}

impl fmt::Display for ListenAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Systemd(None) => f.write_str("systemd"),
            Self::Systemd(Some(name)) => write!(f, "systemd:{name}"),
        }
    }
}

impl FromStr for Protocol {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Ok(match text {
            "auto" => Self::Auto,
            "https" => Self::Https,
            "http" => Self::Http,
            "redirect" => Self::Redirect,
            _ => return Err(()),
        })
    }
}

impl FromStr for TrustedProxy {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "unix" {
            return Ok(Self::Unix);
        }
        let address = text
            .parse::<IpAddr>()
            .map(|ip| IpNet::from(ip.to_canonical()));
        let network = address.or_else(|_| text.parse::<IpNet>()).map_err(
            |_| "give an IP address such as 192.0.2.1, a network such as 10.0.0.0/8, or `unix`",
        )?;
        Ok(Self::Network(network.trunc()))
    }
}

impl TrustedProxy {
    /// Whether it is the one at `peer` (`None`: at a unix socket).
    pub fn is(&self, peer: Option<IpAddr>) -> bool {
        match (self, peer) {
            (Self::Network(network), Some(peer)) => network.contains(&peer.to_canonical()),
            (Self::Unix, None) => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listened_on_reads_what_it_prints() {
        for text in [
            "127.0.0.1:6080",
            "[::]:443",
            "unix:/run/desk.sock",
            "systemd",
            "systemd:web",
        ] {
            assert_eq!(text.parse::<ListenAt>().unwrap().to_string(), text);
        }
        let long = format!("unix:/{}", "x".repeat(107));
        for text in [
            "",
            "localhost:80",
            "80",
            "unix:",
            "unix:s",
            "systemd:",
            "systemd:a:b",
            &long,
        ] {
            assert!(text.parse::<ListenAt>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_trusted_proxy_is_an_address_a_network_or_the_unix_socket() {
        let is = |proxy: &str, peer: Option<&str>| {
            let proxy: TrustedProxy = proxy.parse().unwrap();
            proxy.is(peer.map(|peer| peer.parse().unwrap()))
        };
        assert!(is("192.0.2.1", Some("192.0.2.1")));
        assert!(is("192.0.2.1", Some("::ffff:192.0.2.1")));
        assert!(is("192.0.2.77/24", Some("192.0.2.1")));
        assert!(is("2001:db8::/32", Some("2001:db8::1")));
        assert!(is("unix", None));
        assert!(!is("192.0.2.1", Some("192.0.2.2")));
        assert!(!is("0.0.0.0/0", None));
        assert!(!is("unix", Some("127.0.0.1")));
        for text in ["", "localhost", "192.0.2.1:80", "192.0.2.0/33", "Unix"] {
            assert!(text.parse::<TrustedProxy>().is_err(), "{text}");
        }
    }
}
