//! `[[listen]]`, and `listen` in `[server]`, which is short for it.

use std::collections::BTreeSet;

use toml::Spanned;

use super::access::group_name;
use super::place::{Fault, Field, flag};
use crate::config::problems::Problems;
use crate::config::{ListenAt, Listener, Protocol, Server, TrustedProxy, raw, value};

const MAX_LISTENERS: usize = 16;

/// The short form: addresses alone.
pub(super) fn short(
    raw: raw::Value<raw::OneOrMore>,
    listeners: &mut Vec<Listener>,
    problems: &mut Problems<'_>,
) {
    Field::new("server", "listen").set(raw, listeners, problems, |listen| {
        let places: Result<Vec<_>, _> = listen
            .0
            .iter()
            .map(|text| value::parse_listen(text))
            .collect();
        let places = places.map_err(Fault::Because)?;
        let distinct: BTreeSet<_> = places.iter().collect();
        if distinct.len() < places.len() {
            return Err(Fault::Because(
                "the same address stands there twice: write it once".to_owned(),
            ));
        }
        if (1..=MAX_LISTENERS).contains(&places.len()) {
            Ok(places.into_iter().map(Listener::at).collect())
        } else {
            Err(Fault::Wants)
        }
    });
}

/// The `[[listen]]` sections. `short_at`: where `listen` in `[server]` stands, which is the same
/// said otherwise.
pub(super) fn sections(
    raw: Vec<Spanned<raw::Listen>>,
    short_at: Option<std::ops::Range<usize>>,
    server: &mut Server,
    problems: &mut Problems<'_>,
) {
    if raw.is_empty() {
        return;
    }
    if let Some(place) = short_at {
        let because = Fault::Because("write [[listen]] or this, not both".to_owned());
        Field::new("server", "listen").refuse(&place, "is not all", because, problems);
    }
    if let Some(surplus) = raw.get(MAX_LISTENERS) {
        let because = Fault::Because(format!("write [[listen]] at most {MAX_LISTENERS} times"));
        let field = Field::repeated("listen", MAX_LISTENERS, "address");
        field.refuse(&surplus.span(), "is one too many", because, problems);
    }
    let mut places = BTreeSet::new();
    let mut found = Vec::new();
    let first = raw.first().map(Spanned::span);
    for (index, section) in raw.into_iter().take(MAX_LISTENERS).enumerate() {
        let proxy_at = section.get_ref().proxy_protocol.as_ref().map(Spanned::span);
        let listener = listener(index, section, &mut places, problems);
        if let Some((listener, place)) = listener.as_ref().zip(proxy_at)
            && listener.proxy_protocol
            && !problems.has("server.trusted_proxies")
        {
            brought_by_somebody(index, listener, &server.trusted_proxies, &place, problems);
        }
        found.extend(listener);
    }
    let all_redirect = found.iter().all(|it| it.protocol == Protocol::Redirect);
    if let Some(place) = first.filter(|_| all_redirect && !found.is_empty()) {
        let because = Fault::Because(
            "nobody would be served: write another [[listen]] where https is spoken".to_owned(),
        );
        let field = Field::repeated("listen", 0, "protocol");
        field.refuse(&place, "is \"redirect\" everywhere", because, problems);
    }
    server.listen = found;
}

/// The PROXY protocol needs a proxy that is believed and can come to that socket.
fn brought_by_somebody(
    index: usize,
    listener: &Listener,
    trusted: &[TrustedProxy],
    place: &std::ops::Range<usize>,
    problems: &mut Problems<'_>,
) {
    let is_unix = |proxy: &TrustedProxy| *proxy == TrustedProxy::Unix;
    let (fits, write) = match listener.at {
        ListenAt::Unix(_) => (trusted.iter().any(is_unix), "\"unix\""),
        ListenAt::Address(_) => (!trusted.iter().all(is_unix), "the proxy's address"),
        ListenAt::Systemd(_) => (!trusted.is_empty(), "the proxy's address, or \"unix\","),
    };
    if !fits {
        let because = Fault::Because(format!(
            "every connection would be refused: write {write} into `trusted_proxies` of [server] too"
        ));
        let field = Field::repeated("listen", index, "proxy_protocol");
        field.refuse(place, "is true", because, problems);
    }
}

fn listener(
    index: usize,
    section: Spanned<raw::Listen>,
    places: &mut BTreeSet<ListenAt>,
    problems: &mut Problems<'_>,
) -> Option<Listener> {
    let field = |key| Field::repeated("listen", index, key);
    let place = section.span();
    let raw = section.into_inner();
    let at = field("address").required(raw.address, &place, problems, |text| {
        let at = value::parse_listen(text).map_err(Fault::Because)?;
        if places.insert(at.clone()) {
            Ok(at)
        } else {
            Err(Fault::Because(
                "another [[listen]] has it: write it once".to_owned(),
            ))
        }
    });
    let mut listener = Listener::at(at.clone().unwrap_or(ListenAt::Systemd(None)));
    field("protocol").set(raw.protocol, &mut listener.protocol, problems, |text| {
        text.parse().map_err(|()| Fault::Wants)
    });
    flag(raw.proxy_protocol, &mut listener.proxy_protocol);
    let is_unix = matches!(at, Some(ListenAt::Unix(_)) | None);
    let for_unix = || {
        if is_unix {
            Ok(())
        } else {
            Err(Fault::Because(
                "only a unix socket has one: leave it out".to_owned(),
            ))
        }
    };
    field("socket_mode").set(
        raw.socket_mode,
        &mut listener.socket_mode,
        problems,
        |text| {
            for_unix()?;
            let octal = text.len() <= 4 && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
            let mode = u32::from_str_radix(text, 8)
                .ok()
                .filter(|mode| *mode <= 0o777);
            mode.filter(|_| octal).ok_or(Fault::Wants)
        },
    );
    field("socket_group").set(
        raw.socket_group,
        &mut listener.socket_group,
        problems,
        |name| {
            for_unix()?;
            group_name(name).map(Some)
        },
    );
    at.map(|_| listener)
}
