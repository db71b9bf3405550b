//! What the configuration of Deskway still lacks for a proxy in front of it.

use std::net::{IpAddr, SocketAddr};

use crate::config::{Config, ListenAt, TrustedProxy};
use crate::templates::{Proxy, ProxyValues, Upstream};

/// Lines for standard error; empty when nothing lacks.
pub(super) fn said(proxy: Proxy, values: &ProxyValues, config: &Config) -> String {
    let mut said = String::new();
    let lines: Vec<String> = [
        base_path(values, config),
        trusted_proxies(values, config),
        hosts(values, config),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !lines.is_empty() {
        said.push_str("deskway.toml is to say, and does not yet:\n\n[server]\n");
        said.extend(lines.iter().map(|line| format!("{line}\n")));
        said.push('\n');
    }
    said.extend(socket_group(proxy, values, config));
    said.extend(port_taken(proxy, values, config));
    said.extend(https_alone(proxy, values));
    said
}

/// Counts from the next start on, which the page of keys says.
fn base_path(values: &ProxyValues, config: &Config) -> Option<String> {
    let differs = values.base != config.server.base_path;
    differs.then(|| format!("base_path = \"{}\"", values.base))
}

fn trusted_proxies(values: &ProxyValues, config: &Config) -> Option<String> {
    let known = &config.server.trusted_proxies;
    let peer = match &values.upstream {
        Upstream::Unix(_) => None,
        Upstream::Http(address) | Upstream::Https(address) => Some(address.ip()),
    };
    if known.iter().any(|proxy| proxy.is(peer)) {
        return None;
    }
    let mut all: Vec<String> = known.iter().map(trusted).collect();
    all.push(peer.map_or_else(|| "unix".to_owned(), |ip| ip.to_string()));
    Some(format!("trusted_proxies = {}", list(&all)))
}

fn trusted(proxy: &TrustedProxy) -> String {
    match proxy {
        TrustedProxy::Network(network) if network.prefix_len() == network.max_prefix_len() => {
            network.addr().to_string()
        }
        TrustedProxy::Network(network) => network.to_string(),
        TrustedProxy::Unix => "unix".to_owned(),
    }
}

fn hosts(values: &ProxyValues, config: &Config) -> Option<String> {
    let name = values.name.as_ref()?;
    let machine = rustix::system::uname();
    let machine = machine.nodename().to_string_lossy().to_lowercase();
    let always = name == "localhost" || name.ends_with(".localhost") || *name == machine;
    if always || name.parse::<IpAddr>().is_ok() || config.server.hosts.contains(name) {
        return None;
    }
    let mut all = config.server.hosts.clone();
    all.push(name.clone());
    Some(format!("hosts = {}", list(&all)))
}

fn list(texts: &[String]) -> String {
    let texts: Vec<_> = texts.iter().map(|text| format!("\"{text}\"")).collect();
    format!("[{}]", texts.join(", "))
}

/// Debian's proxies run as users of their own, who may not open a socket of root's.
fn socket_group(proxy: Proxy, values: &ProxyValues, config: &Config) -> Option<String> {
    let Upstream::Unix(path) = &values.upstream else {
        return None;
    };
    let listener = config.server.listen.iter().find(
        |listener| matches!(&listener.at, ListenAt::Unix(at) if at.as_os_str() == path.as_str()),
    );
    let opened =
        listener.is_some_and(|it| it.socket_group.is_some() || it.socket_mode & 0o006 == 0o006);
    let group = match proxy {
        Proxy::Nginx | Proxy::Apache => "www-data",
        Proxy::Caddy => "caddy",
        Proxy::Haproxy => "haproxy",
        Proxy::Traefik => return None,
    };
    (!opened).then(|| {
        format!(
            "The [[listen]] of {path} is to say `socket_group = \"{group}\"`, or {proxy} may not open it.\n"
        )
    })
}

/// Where Deskway speaks https, it sends everybody there who comes to the proxy without.
fn https_alone(proxy: Proxy, values: &ProxyValues) -> Option<String> {
    let automatic = proxy == Proxy::Caddy && values.name.is_some() && values.listen.is_none();
    let secure = values.tls.is_some() || automatic;
    let (Upstream::Https(address), false) = (&values.upstream, secure) else {
        return None;
    };
    Some(format!(
        "Deskway at {address} serves https alone, and {proxy} is to speak plain http: give --cert and --key, or write a [[listen]] with `protocol = \"http\"` into deskway.toml.\n"
    ))
}

fn port_taken(proxy: Proxy, values: &ProxyValues, config: &Config) -> Option<String> {
    let wanted: &[u16] = match (&values.listen, &values.tls) {
        (Some(listen), _) => &[listen.port()],
        (None, Some(_)) => &[80, 443],
        (None, None) if proxy == Proxy::Caddy && values.name.is_some() => &[80, 443],
        (None, None) => &[80],
    };
    let meets = |address: &SocketAddr| {
        let same_ip = values.listen.is_none_or(|listen| {
            let (own, other) = (listen.ip(), address.ip());
            own == other || own.is_unspecified() || other.is_unspecified()
        });
        same_ip && wanted.contains(&address.port())
    };
    let taken = config
        .server
        .listen
        .iter()
        .find_map(|listener| match &listener.at {
            ListenAt::Address(address) if meets(address) => Some(address),
            _ => None,
        })?;
    Some(format!(
        "Deskway itself listens on {taken}, which {proxy} wants too: change `listen` there, or --listen here.\n"
    ))
}
