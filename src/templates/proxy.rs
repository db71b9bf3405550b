//! What the configurations of reverse proxies are given.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use minijinja::{Value, context};

/// How often Deskway gives a sign of life on a WebSocket, in seconds: the bridge's pings.
const PING_SECONDS: u32 = 25;
/// After which a proxy gives up a connection on which nothing comes.
const TIMEOUT_SECONDS: u32 = 3600;
/// After which a proxy gives up a connection to Deskway that it does not use. Deskway gives it up
/// after a minute, and a request that was just sent on it would be lost.
const IDLE_SECONDS: u32 = 30;
/// Longest request line and headers that Deskway takes, in KiB.
const HEAD_KIB: u32 = 16;

/// Where HAProxy's chain and key stand together when they are given apart.
const HAPROXY_FILE: &str = "/etc/haproxy/deskway.pem";

/// A reverse proxy that we have a template for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxy {
    Nginx,
    Caddy,
    Haproxy,
    Apache,
    Traefik,
}

impl Proxy {
    pub const ALL: [Self; 5] = [
        Self::Nginx,
        Self::Caddy,
        Self::Haproxy,
        Self::Apache,
        Self::Traefik,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
            Self::Haproxy => "haproxy",
            Self::Apache => "apache",
            Self::Traefik => "traefik",
        }
    }

    /// The name of its template.
    pub fn template(self) -> &'static str {
        match self {
            Self::Nginx => "proxy/nginx.conf",
            Self::Caddy => "proxy/Caddyfile",
            Self::Haproxy => "proxy/haproxy.cfg",
            Self::Apache => "proxy/apache.conf",
            Self::Traefik => "proxy/traefik.yml",
        }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where the proxy reaches Deskway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// Plain http on a unix socket, whose path this is.
    Unix(String),
    Http(SocketAddr),
    /// With a certificate that the proxy does not look at.
    Https(SocketAddr),
}

/// One proxy's configuration, as values of its template. Paths and names hold nothing that has a
/// meaning in the configuration of a proxy: [`ProxyValues::fits`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyValues {
    /// The command that prints it.
    pub command: String,
    pub upstream: Upstream,
    /// Empty, or `/desk`.
    pub base: String,
    /// The name that browsers ask for.
    pub name: Option<String>,
    /// Where the proxy itself listens; `None`: the usual ports.
    pub listen: Option<SocketAddr>,
    /// Certificate chain and key of the proxy.
    pub tls: Option<(String, String)>,
    /// Only the part for a proxy that serves other things too.
    pub site: bool,
}

impl ProxyValues {
    /// Whether a path can stand in every proxy's configuration as it is.
    pub fn fits(path: &Path) -> bool {
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | ':');
        path.is_absolute() && path.to_str().is_some_and(|text| text.chars().all(plain))
    }

    pub fn values(&self) -> Value {
        let usual_port = if self.tls.is_some() { 443 } else { 80 };
        let (kind, address) = match &self.upstream {
            Upstream::Unix(path) => ("unix", path.clone()),
            Upstream::Http(address) => ("http", address.to_string()),
            Upstream::Https(address) => ("https", address.to_string()),
        };
        let ip = self.listen.map(|listen| match listen {
            SocketAddr::V4(v4) => v4.ip().to_string(),
            SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
        });
        let redirects = self.listen.is_none() && self.tls.is_some();
        let tls = self.tls.as_ref().map(|(cert, key)| {
            // HAProxy wants one file: theirs, when it is one.
            let both = if cert == key { cert } else { HAPROXY_FILE };
            context! { cert, key, both }
        });
        context! {
            command => self.command.as_str(),
            site => self.site,
            base => self.base.as_str(),
            name => self.name.clone().unwrap_or_default(),
            upstream => context! { kind, address },
            listen => context! {
                ip => ip.unwrap_or_default(),
                port => self.listen.map_or(usual_port, |listen| listen.port()),
                redirect_from => redirects.then_some(80),
                is_usual => self.listen.is_none(),
                automatic => self.listen.is_none() && self.tls.is_none() && self.name.is_some(),
            },
            tls,
            ping_seconds => PING_SECONDS,
            timeout_seconds => TIMEOUT_SECONDS,
            idle_seconds => IDLE_SECONDS,
            head_kib => HEAD_KIB,
        }
    }
}
