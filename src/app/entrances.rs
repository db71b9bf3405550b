//! The sockets that people come in by, bound or taken from systemd, and what is spoken on each.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use crate::config::{self, Config, ListenAt, Protocol};
use crate::listen::systemd::Passed;
use crate::listen::{Listener, bind, systemd};

/// One of them.
#[derive(Debug)]
pub struct Entrance {
    pub socket: Listener,
    pub speaks: Speaks,
    /// Each connection begins with a header of the PROXY protocol.
    pub proxy_protocol: bool,
}

/// What is spoken at an entrance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaks {
    Https,
    Http,
    /// Every request is sent to https.
    Redirect,
}

impl Entrance {
    /// Another descriptor of the same socket.
    ///
    /// # Errors
    /// When there are too many descriptors.
    pub fn try_clone(&self) -> std::io::Result<Self> {
        Ok(Self {
            socket: self.socket.try_clone()?,
            ..*self
        })
    }

    /// Where it is, if that has an address.
    ///
    /// # Errors
    /// When the socket is none any more.
    pub fn address(&self) -> std::io::Result<Option<SocketAddr>> {
        self.socket.address()
    }
}

impl Entrance {
    /// As the log names it; `base` is the path below which everything is.
    pub(super) fn shown(&self, base: &str) -> String {
        let what = match self.speaks {
            Speaks::Https => "https",
            Speaks::Http => "http",
            Speaks::Redirect => "the way to https",
        };
        match self.address() {
            Ok(Some(address)) => format!("{what} on {address}{base}/"),
            _ => format!("{what} on a unix socket"),
        }
    }
}

impl AsFd for Entrance {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Binds every listener of the configuration, or takes it from systemd. Where systemd passes
/// sockets and the configuration and the flags say nothing of listening, they are all taken.
///
/// For a process that has no threads yet.
///
/// # Errors
/// When one cannot be had, or systemd passes one that nobody wants.
pub(super) fn open(config: &Config) -> Result<Vec<Entrance>> {
    let mut passed = systemd::passed().context("the sockets of systemd cannot be used")?;
    let default = Config::default_for(deskway_osuser::own_uid()).server.listen;
    let whole = [config::Listener::at(ListenAt::Systemd(None))];
    let wanted = if !passed.is_empty() && config.server.listen == default {
        &whole
    } else {
        config.server.listen.as_slice()
    };
    let mut opened = Vec::new();
    for listener in wanted {
        for socket in sockets(listener, &mut passed)? {
            opened.push((listener, socket));
        }
    }
    if let Some(left) = passed.first() {
        bail!(
            "systemd passes the socket `{}`, which no listener in the configuration takes: write [[listen]] with address = \"systemd\"",
            left.name
        );
    }
    let mut beyond = false;
    for (listener, socket) in &opened {
        beyond |= listener.protocol == Protocol::Auto
            && socket
                .address()?
                .is_some_and(|address| !address.ip().to_canonical().is_loopback());
    }
    warn_of_clear_text(config, &opened)?;
    let has_certificate = config.tls.is_configured();
    let entrances = opened.into_iter().map(|(listener, socket)| Entrance {
        speaks: match listener.protocol {
            Protocol::Auto if matches!(socket, Listener::Unix(_)) => Speaks::Http,
            Protocol::Auto if has_certificate || beyond => Speaks::Https,
            Protocol::Auto | Protocol::Http => Speaks::Http,
            Protocol::Https => Speaks::Https,
            Protocol::Redirect => Speaks::Redirect,
        },
        proxy_protocol: listener.proxy_protocol,
        socket,
    });
    Ok(entrances.collect())
}

/// The address for people's browsers: of the first entrance that serves pages, with a slash at
/// the end. `None` where there are unix sockets alone.
pub(super) fn url(config: &Config, entrances: &[Entrance]) -> Result<Option<String>> {
    for entrance in entrances {
        let scheme = match entrance.speaks {
            Speaks::Https => "https",
            Speaks::Http => "http",
            Speaks::Redirect => continue,
        };
        let Some(address) = entrance.address()? else {
            continue;
        };
        let host = if address.ip().is_unspecified() {
            let name = rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned();
            format!("{name}:{}", address.port())
        } else {
            address.to_string()
        };
        return Ok(Some(format!(
            "{scheme}://{host}{}/",
            config.server.base_path
        )));
    }
    Ok(None)
}

/// Says where people's passwords would travel in the clear: where http was asked for, others can
/// come, and there is no proxy that they would come by.
fn warn_of_clear_text(config: &Config, opened: &[(&config::Listener, Listener)]) -> Result<()> {
    for (listener, socket) in opened {
        let Some(address) = socket.address()? else {
            continue;
        };
        let is_local = address.ip().to_canonical().is_loopback();
        if config::is_in_the_clear(listener, is_local, &config.server.trusted_proxies) {
            tracing::warn!(
                "plain http on {address}: passwords and screens travel in the clear; give `protocol = \"https\"`, or listen where the proxy in front comes alone"
            );
        }
    }
    Ok(())
}

fn sockets(listener: &config::Listener, passed: &mut Vec<Passed>) -> Result<Vec<Listener>> {
    match &listener.at {
        ListenAt::Address(address) => {
            let socket = bind::listen_tcp(*address).with_context(|| {
                format!(
                    "cannot listen on {address}: is another program there? choose one with --listen"
                )
            })?;
            Ok(vec![socket.into()])
        }
        ListenAt::Unix(path) => {
            own_parent(path)?;
            let socket = bind::unix(path, listener.socket_mode)?;
            if let Some(name) = &listener.socket_group {
                let group = deskway_osuser::group_id(name)
                    .with_context(|| format!("cannot look up the group `{name}`"))?
                    .with_context(|| {
                        format!("there is no group `{name}`, which `socket_group` names")
                    })?;
                bind::give_to_group(path, group).with_context(|| {
                    format!("cannot give {} to the group `{name}`", path.display())
                })?;
            }
            Ok(vec![socket.into()])
        }
        ListenAt::Systemd(name) => {
            let taken: Vec<_> = match name {
                None => std::mem::take(passed),
                Some(name) => passed.extract_if(.., |it| it.name == *name).collect(),
            };
            if taken.is_empty() {
                bail!(
                    "systemd passes no socket for `{}`: start Deskway by its socket unit",
                    listener.at
                );
            }
            Ok(taken.into_iter().map(|it| it.listener).collect())
        }
    }
}

/// Root makes no socket where somebody else could put another in its place.
fn own_parent(socket: &Path) -> Result<()> {
    const STICKY: u32 = 0o1000;
    if !deskway_osuser::is_root() {
        return Ok(());
    }
    let folder = match socket.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let found = std::fs::metadata(folder)
        .with_context(|| format!("cannot listen on {}", socket.display()))?;
    let is_shared = found.mode() & 0o022 != 0 && found.mode() & STICKY == 0;
    if found.uid() != 0 || is_shared {
        bail!(
            "cannot listen on {}: {} is of uid {} with mode {:o}, and others could put another socket there; choose a directory that is root's and that root alone may write, such as /run/deskway",
            socket.display(),
            folder.display(),
            found.uid(),
            found.mode() & 0o7777
        );
    }
    Ok(())
}
