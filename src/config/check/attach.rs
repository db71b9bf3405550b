//! `[[attach]]`: VNC servers that run already.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;
use std::path::PathBuf;

use toml::Spanned;
use url::{Host, Url};

use super::place::{Fault, Field, absolute};
use crate::config::listener::MAX_SOCKET_PATH;
use crate::config::problems::Problems;
use crate::config::{Attach, AttachTarget, raw, value};
use crate::model::DesktopId;

/// Most bytes of a WebSocket's address.
const MAX_URL: usize = 2000;

pub(super) fn attached(raw: Vec<Spanned<raw::Attach>>, problems: &mut Problems<'_>) -> Vec<Attach> {
    let mut desktops = BTreeSet::new();
    let mut attached = Vec::new();
    for (index, section) in raw.into_iter().enumerate() {
        let field = |key| Field::repeated("attach", index, key);
        let place = section.span();
        let raw::Attach {
            desktop,
            target,
            ca_file,
            password_file,
        } = section.into_inner();
        let target = target.map(without_password);
        let desktop = field("desktop").required(desktop, &place, problems, |text| {
            let desktop: DesktopId = text.parse().map_err(|_| Fault::Wants)?;
            if desktops.insert(desktop.clone()) {
                Ok(desktop)
            } else {
                Err(Fault::Because(
                    "another [[attach]] is called so: write another".to_owned(),
                ))
            }
        });
        let secure = target
            .as_ref()
            .is_some_and(|target| is_secure(target.get_ref()));
        let mut target = field("target").required(target, &place, problems, |text| target_of(text));
        let authorities = field("ca_file").value(ca_file, problems, |path| {
            if secure {
                absolute(path)
            } else {
                Err(Fault::Because(
                    "only a target that begins with `wss://` shows a certificate: leave it out"
                        .to_owned(),
                ))
            }
        });
        if let Some(AttachTarget::WebSocket { ca_file, .. }) = &mut target {
            *ca_file = authorities;
        }
        let password_file =
            field("password_file").value(password_file, problems, |path| absolute(path));
        if let Some((desktop, target)) = desktop.zip(target) {
            attached.push(Attach {
                desktop,
                target,
                password_file,
            });
        }
    }
    attached
}

/// The value as errors may show it: what stands before an `@` is a secret.
fn without_password(target: Spanned<String>) -> Spanned<String> {
    let Some((scheme, rest)) = target.get_ref().split_once("://") else {
        return target;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let Some((_, host)) = authority.rsplit_once('@') else {
        return target;
    };
    Spanned::new(target.span(), format!("{scheme}://…:…@{host}"))
}

fn is_secure(target: &str) -> bool {
    let scheme = target.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("wss"))
}

fn target_of(text: &str) -> Result<AttachTarget, Fault> {
    if let Some(path) = text.strip_prefix("unix:") {
        return socket(path);
    }
    if text.contains("://") {
        return web_socket(text);
    }
    let (host, port) = text.rsplit_once(':').ok_or(Fault::Wants)?;
    let host = match host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        Some(address) => address
            .parse::<Ipv6Addr>()
            .map_err(|_| Fault::Wants)?
            .to_string(),
        None => value::host_name(host).ok_or(Fault::Wants)?,
    };
    match port.parse() {
        Ok(0) | Err(_) => Err(Fault::Wants),
        // `host:1` is how VNC viewers write display 1.
        Ok(display @ 1..100_u16) => Err(Fault::Because(format!(
            "write a port: display :{display} is port {}",
            5900 + display
        ))),
        Ok(port) => Ok(AttachTarget::Tcp { host, port }),
    }
}

fn socket(path: &str) -> Result<AttachTarget, Fault> {
    let path: PathBuf = absolute(path)?;
    if path.as_os_str().len() <= MAX_SOCKET_PATH {
        Ok(AttachTarget::Unix(path))
    } else {
        Err(Fault::Because(format!(
            "write a path of at most {MAX_SOCKET_PATH} bytes, the longest a socket can have"
        )))
    }
}

fn web_socket(text: &str) -> Result<AttachTarget, Fault> {
    let because = |advice: &str| Err(Fault::Because(advice.to_owned()));
    if text.len() > MAX_URL {
        return because("write an address of at most 2000 bytes");
    }
    let url = Url::parse(text).map_err(|_| Fault::Wants)?;
    match url.scheme() {
        "ws" | "wss" => {}
        "http" => return because("write `ws://` instead of `http://`"),
        "https" => return because("write `wss://` instead of `https://`"),
        _ => return Err(Fault::Wants),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return because(
            "leave out the name and the password before the `@`: Deskway signs in to no WebSocket \
             server, so let that server take connections from this machine without",
        );
    }
    if url.fragment().is_some() {
        return because("leave out what begins with `#`: it is never sent to a server");
    }
    match url.host() {
        Some(Host::Domain(name)) if value::host_name(name).is_none() => return Err(Fault::Wants),
        Some(_) if url.port() != Some(0) => {}
        _ => return Err(Fault::Wants),
    }
    let ca_file = None;
    Ok(AttachTarget::WebSocket { url, ca_file })
}
