//! The way from a proxy to Deskway: which of the listeners in the configuration it is to use.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use crate::cli::Error;
use crate::config::{Config, ListenAt, Listener, Protocol, Server};
use crate::templates::{Proxy, Upstream};

/// The best way: a unix socket, which nobody else can use; plain http; else https.
pub(super) fn to(proxy: Proxy, config: &Config) -> Result<Upstream, Error> {
    let listeners = config.server.listen.iter();
    let ways = listeners.filter_map(|listener| way(listener, config));
    let reachable = ways.filter(|way| {
        let by_socket = matches!(way, Upstream::Unix(_));
        !(by_socket && proxy == Proxy::Traefik)
    });
    reachable
        .min_by_key(|way| match way {
            Upstream::Unix(_) => 0,
            Upstream::Http(address) => 1 + u8::from(!address.ip().is_loopback()),
            Upstream::Https(_) => 3,
        })
        .ok_or(Error::NoWay { proxy })
}

/// `None` where no proxy gets in that only passes requests on, or where the address is not known
/// before the start.
fn way(listener: &Listener, config: &Config) -> Option<Upstream> {
    if listener.proxy_protocol {
        return None;
    }
    match &listener.at {
        ListenAt::Systemd(_) => None,
        ListenAt::Unix(path) => match listener.protocol {
            Protocol::Auto | Protocol::Http => Some(Upstream::Unix(path.display().to_string())),
            Protocol::Https | Protocol::Redirect => None,
        },
        ListenAt::Address(address) if address.port() == 0 => None,
        ListenAt::Address(address) => {
            let address = reached_at(*address);
            let https = match listener.protocol {
                Protocol::Redirect => return None,
                Protocol::Http => false,
                Protocol::Https => true,
                Protocol::Auto => config.tls.is_configured() || is_beyond(&config.server),
            };
            Some(if https {
                Upstream::Https(address)
            } else {
                Upstream::Http(address)
            })
        }
    }
}

/// Whether an address of another machine's reach is among those where Deskway chooses itself what
/// it speaks: then all of them have https.
fn is_beyond(server: &Server) -> bool {
    let mut listeners = server.listen.iter();
    listeners.any(|listener| listener.protocol == Protocol::Auto && !listener.is_local())
}

/// From this machine.
fn reached_at(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// `--upstream`: an address with or without its scheme, or a socket.
pub(super) fn parse(text: &str) -> Result<Upstream, String> {
    let wrong = || {
        format!(
            "`{text}` is no way to Deskway: write IP:PORT such as 127.0.0.1:6080, https://IP:PORT, or unix:/path"
        )
    };
    let address = |text: &str| text.parse().map(reached_at).map_err(|_| wrong());
    if let Some(path) = text.strip_prefix("unix:") {
        let absolute = Path::new(path).is_absolute();
        absolute
            .then(|| Upstream::Unix(path.to_owned()))
            .ok_or_else(wrong)
    } else if let Some(rest) = text.strip_prefix("https://") {
        address(rest).map(Upstream::Https)
    } else {
        address(text.strip_prefix("http://").unwrap_or(text)).map(Upstream::Http)
    }
}

/// As [`parse`] reads it.
pub(super) fn shown(upstream: &Upstream) -> String {
    match upstream {
        Upstream::Unix(path) => format!("unix:{path}"),
        Upstream::Http(address) => address.to_string(),
        Upstream::Https(address) => format!("https://{address}"),
    }
}
