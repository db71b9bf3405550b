//! What a reverse proxy tells of the browser before it: `X-Forwarded-For`, `-Proto` and `-Host`,
//! or `Forwarded` (RFC 7239).
//!
//! Read from the right, where the proxy that is connected has added its part: what stands
//! farther left counts only as far as trusted proxies wrote it.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use http::header::{FORWARDED, HeaderName, HeaderValue};
use tracing::debug;

use crate::model::Scheme;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Most proxies in a row that are followed.
const MAX_HOPS: usize = 16;
/// Most `name=value` of one proxy in `Forwarded`, of which its RFC knows four.
const MAX_PAIRS: usize = 16;
/// A name of DNS, brackets, a port.
const MAX_HOST: usize = 253 + 2 + 6;

/// What is told of one request. What is not told is as the connection has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwarded {
    pub address: Option<IpAddr>,
    pub scheme: Option<Scheme>,
    /// What the browser called the server: `host[:port]`, which may still be none of ours.
    pub host: Option<String>,
}

/// One proxy's part of `Forwarded`.
#[derive(Debug, Default)]
struct Element {
    client: Option<Node>,
    scheme: Option<Scheme>,
    host: Option<String>,
}

/// Who a proxy says was connected to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Address(IpAddr),
    /// `unknown`, or a name that it made up (RFC 7239 §6).
    Hidden,
}

/// What the headers of a request tell that came from a trusted proxy; `None` when there are none.
/// `is_trusted` says whose word counts among those before it.
///
/// When there is any of the `X-Forwarded-…` headers, `Forwarded` does not count: most proxies
/// write those, and pass a `Forwarded` on that the browser made up.
pub(super) fn told(headers: &HeaderMap, is_trusted: impl Fn(IpAddr) -> bool) -> Option<Forwarded> {
    let has = |name: &HeaderName| headers.contains_key(name);
    if has(&X_FORWARDED_FOR) || has(&X_FORWARDED_PROTO) || has(&X_FORWARDED_HOST) {
        Some(by_three_headers(headers, is_trusted))
    } else if has(&FORWARDED) {
        Some(by_one_header(headers, is_trusted))
    } else {
        None
    }
}

/// Whether a proxy has brought the request, as it seems: whoever speaks for themselves has no need
/// of such headers.
pub(super) fn is_by_proxy(headers: &HeaderMap) -> bool {
    let names = [
        X_FORWARDED_FOR,
        X_FORWARDED_PROTO,
        X_FORWARDED_HOST,
        FORWARDED,
        X_REAL_IP,
    ];
    names.iter().any(|name| headers.contains_key(name))
}

fn by_three_headers(headers: &HeaderMap, is_trusted: impl Fn(IpAddr) -> bool) -> Forwarded {
    let mut told = Forwarded::default();
    let mut believed = 0;
    for part in parts(headers, &X_FORWARDED_FOR).take(MAX_HOPS) {
        // What stands before something that is no address is anybody's invention.
        let Some(Node::Address(address)) = part.and_then(node) else {
            debug!("X-Forwarded-For holds something that is no address");
            break;
        };
        told.address = Some(address);
        if !is_trusted(address) {
            break;
        }
        believed += 1;
    }
    // A proxy either adds to these as well, or writes them anew: then there is one part.
    let same_place = |name: &HeaderName| {
        let part = parts(headers, name).take(MAX_HOPS).take(believed + 1);
        part.last().flatten()
    };
    told.scheme = same_place(&X_FORWARDED_PROTO).and_then(scheme);
    told.host = same_place(&X_FORWARDED_HOST).and_then(host);
    told
}

/// The parts of a list without quotes, the last first; `None` for what is no text.
fn parts<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = Option<&'a str>> + use<'a> {
    let lines = headers.get_all(name).iter().rev();
    lines.flat_map(|line| {
        let parts = line.as_bytes().rsplit(|byte| *byte == b',');
        parts.map(|part| std::str::from_utf8(part).ok().map(str::trim))
    })
}

fn by_one_header(headers: &HeaderMap, is_trusted: impl Fn(IpAddr) -> bool) -> Forwarded {
    let mut told = Forwarded::default();
    for element in elements(headers).take(MAX_HOPS) {
        let Some(element) = element else {
            debug!("Forwarded holds something that is not of its form");
            break;
        };
        told.scheme = element.scheme.or(told.scheme);
        told.host = element.host.or(told.host);
        let Some(Node::Address(address)) = element.client else {
            break;
        };
        told.address = Some(address);
        if !is_trusted(address) {
            break;
        }
    }
    told
}

/// The elements of all lines, the last first; `None` for one that is malformed.
fn elements(headers: &HeaderMap) -> impl Iterator<Item = Option<Element>> {
    let lines = headers.get_all(FORWARDED).iter().rev();
    lines.flat_map(|line: &HeaderValue| {
        let mut rest = Some(line.as_bytes());
        std::iter::from_fn(move || {
            let (before, last) = last_part(rest?, b',');
            rest = before;
            Some(element(pairs(last)))
        })
    })
}

/// What stands after the last `separator` that is not in quotes, and what before it. From the
/// right, so that a quote which a browser left open hides nothing that a proxy added.
fn last_part(text: &[u8], separator: u8) -> (Option<&[u8]>, &[u8]) {
    let mut quoted = false;
    for (index, byte) in text.iter().enumerate().rev() {
        let (before, from) = text.split_at(index);
        let escapes = before.iter().rev().take_while(|byte| **byte == b'\\');
        if *byte == b'"' && escapes.count() % 2 == 0 {
            quoted = !quoted;
        } else if *byte == separator && !quoted {
            return (Some(before), from.get(1..).unwrap_or_default());
        }
    }
    (None, text)
}

/// The parts between semicolons, the last first.
fn pairs(element: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(element);
    std::iter::from_fn(move || {
        let (before, last) = last_part(rest?, b';');
        rest = before;
        Some(last)
    })
}

fn element(pairs: impl Iterator<Item: AsRef<[u8]>>) -> Option<Element> {
    let mut element = Element::default();
    for (index, pair) in pairs.enumerate() {
        if index >= MAX_PAIRS {
            return None;
        }
        let pair = std::str::from_utf8(pair.as_ref()).ok()?.trim();
        if pair.is_empty() {
            continue;
        }
        let (name, value) = pair.split_once('=')?;
        let value = unquoted(value)?;
        // None may stand there twice (RFC 7239 §4); of others nothing is taken.
        if name.eq_ignore_ascii_case("for") {
            only(&mut element.client, node(&value)?)?;
        } else if name.eq_ignore_ascii_case("proto") {
            only(&mut element.scheme, scheme(&value)?)?;
        } else if name.eq_ignore_ascii_case("host") {
            only(&mut element.host, host(&value)?)?;
        }
    }
    Some(element)
}

/// Sets what has not been set before.
fn only<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    slot.replace(value).is_none().then_some(())
}

/// A token, or what stands in a quoted string (RFC 9110 §5.6).
fn unquoted(value: &str) -> Option<String> {
    let Some(inner) = value.strip_prefix('"') else {
        let fits = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
        return value.bytes().all(fits).then(|| value.to_owned());
    };
    let mut text = String::new();
    let mut letters = inner.strip_suffix('"')?.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return None,
            '\\' => text.push(letters.next()?),
            letter => text.push(letter),
        }
    }
    Some(text)
}

/// An address, with or without brackets and port, or what stands for one that is not told.
fn node(text: &str) -> Option<Node> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(Node::Address(address.to_canonical()));
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(Node::Address(address.ip().to_canonical()));
    }
    let is_hidden_port = |port: &str| port.starts_with('_') && made_up(port);
    let name = match text.rsplit_once(':') {
        Some((name, port)) if is_hidden_port(port) || port.parse::<u16>().is_ok() => name,
        _ => text,
    };
    if let Some(inner) = name.strip_prefix('[') {
        let address: IpAddr = inner.strip_suffix(']')?.parse().ok()?;
        return Some(Node::Address(address.to_canonical()));
    }
    if let Ok(address) = name.parse::<IpAddr>() {
        return Some(Node::Address(address.to_canonical()));
    }
    let hidden = name.eq_ignore_ascii_case("unknown") || (name.starts_with('_') && made_up(name));
    hidden.then_some(Node::Hidden)
}

/// Whether all of it may stand in a name that a proxy made up.
fn made_up(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    name.len() > 1 && name.bytes().all(fits)
}

/// Some proxies name the scheme of a WebSocket's address.
fn scheme(text: &str) -> Option<Scheme> {
    let is = |names: [&str; 2]| names.iter().any(|name| text.eq_ignore_ascii_case(name));
    if is(["https", "wss"]) {
        Some(Scheme::Https)
    } else if is(["http", "ws"]) {
        Some(Scheme::Http)
    } else {
        debug!("a proxy tells a scheme that is neither http nor https");
        None
    }
}

fn host(text: &str) -> Option<String> {
    let fits = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']')
    };
    let is_one = (1..=MAX_HOST).contains(&text.len()) && text.bytes().all(fits);
    if !is_one {
        debug!("a proxy tells a host that is none");
    }
    is_one.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tell(headers: &[(&'static str, &str)]) -> Option<Forwarded> {
        let headers = headers.iter().map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_bytes(value.as_bytes()).unwrap())
        });
        let trusted = ["192.0.2.1", "192.0.2.2"].map(|it| it.parse::<IpAddr>().unwrap());
        told(&headers.collect(), |address| trusted.contains(&address))
    }

    fn address(headers: &[(&'static str, &str)]) -> Option<String> {
        tell(headers)?.address.map(|address| address.to_string())
    }

    #[test]
    fn the_last_stranger_before_the_trusted_proxies_is_the_browser() {
        let says = |value| address(&[("x-forwarded-for", value)]);
        for (value, expected) in [
            ("203.0.113.9", Some("203.0.113.9")),
            ("1.1.1.1, 203.0.113.9", Some("203.0.113.9")),
            ("203.0.113.9, 192.0.2.2", Some("203.0.113.9")),
            ("203.0.113.9,192.0.2.1 ,\t192.0.2.2", Some("203.0.113.9")),
            ("192.0.2.1, 192.0.2.2", Some("192.0.2.1")),
            ("203.0.113.9:4711", Some("203.0.113.9")),
            ("[2001:db8::1]:443", Some("2001:db8::1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("::ffff:203.0.113.9", Some("203.0.113.9")),
            ("203.0.113.9, unknown", None),
            ("203.0.113.9, x, 192.0.2.2", Some("192.0.2.2")),
            ("203.0.113.9,", None),
            ("", None),
            ("203.0.113.9, ä", None),
            ("203.0.113.9, 999.1.1.1", None),
        ] {
            assert_eq!(says(value).as_deref(), expected, "{value}");
        }
        let two = [
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "203.0.113.9"),
        ];
        assert_eq!(address(&two).unwrap(), "203.0.113.9");
        assert_eq!(tell(&[("x-real-ip", "1.1.1.1")]), None);
    }

    #[test]
    fn scheme_and_host_are_those_that_the_browser_s_own_proxy_saw() {
        let told = tell(&[
            ("x-forwarded-for", "1.1.1.1, 203.0.113.9, 192.0.2.2"),
            ("x-forwarded-proto", "http, https, http"),
            (
                "x-forwarded-host",
                "evil.example, desk.example.org:8443, inner",
            ),
        ])
        .unwrap();
        assert_eq!(told.address, "203.0.113.9".parse().ok());
        assert_eq!(told.scheme, Some(Scheme::Https));
        assert_eq!(told.host.as_deref(), Some("desk.example.org:8443"));
        let one = tell(&[
            ("x-forwarded-for", "203.0.113.9, 192.0.2.2"),
            ("x-forwarded-proto", "WSS"),
        ]);
        assert_eq!(one.unwrap().scheme, Some(Scheme::Https));
        let alone = tell(&[("x-forwarded-proto", "http, https")]).unwrap();
        assert_eq!((alone.scheme, alone.address), (Some(Scheme::Https), None));
    }

    #[test]
    fn what_is_no_scheme_and_no_host_is_not_told() {
        for value in ["", "ftp", "https://x", "javascript"] {
            let told = tell(&[("x-forwarded-proto", value)]).unwrap();
            assert_eq!(told, Forwarded::default(), "{value}");
        }
        let long = "x".repeat(262);
        for value in ["", "a b", "a/b", "user@host", "a\"b", "ä", &long] {
            let told = tell(&[("x-forwarded-host", value)]).unwrap();
            assert_eq!(told, Forwarded::default(), "{value}");
        }
    }

    #[test]
    fn forwarded_is_read_as_its_rfc_has_it() {
        for (value, expected) in [
            ("for=203.0.113.9", Some("203.0.113.9")),
            ("proto=https;For=203.0.113.9;by=_x", Some("203.0.113.9")),
            ("for=1.1.1.1, for=\"[2001:db8::1]:99\"", Some("2001:db8::1")),
            ("for=\"[2001:db8::1]\"", Some("2001:db8::1")),
            ("for=\"203.0.113.9:_port\"", Some("203.0.113.9")),
            (
                "for=203.0.113.9;x=\"a,b;c\\\"\", for=192.0.2.2",
                Some("203.0.113.9"),
            ),
            // A quote that the browser left open.
            ("for=\"1.1.1.1, for=203.0.113.9", Some("203.0.113.9")),
            ("for=\"1.1.1.1\\\", for=203.0.113.9", Some("203.0.113.9")),
            ("for=1.1.1.1, for=_hidden", None),
            ("for=1.1.1.1, for=unknown", None),
            (
                "for=1.1.1.1, for=\"_hidden:80\", for=192.0.2.2",
                Some("192.0.2.2"),
            ),
            ("for=1.1.1.1, for=nonsense", None),
            ("for=1.1.1.1, for=\"x", None),
            ("for=1.1.1.1;for=203.0.113.9", None),
            ("for = 203.0.113.9", None),
            ("for", None),
            ("by=x", None),
            ("", None),
            ("\"", None),
            ("\\\"\\", None),
            (",,;;==", None),
        ] {
            assert_eq!(
                address(&[("forwarded", value)]).as_deref(),
                expected,
                "{value}"
            );
        }
        let lines = [
            (
                "forwarded",
                "for=203.0.113.9;proto=https;host=\"desk:8443\"",
            ),
            ("forwarded", "for=192.0.2.2;proto=http;host=inner"),
        ];
        let told = tell(&lines).unwrap();
        assert_eq!(told.address, "203.0.113.9".parse().ok());
        assert_eq!(told.scheme, Some(Scheme::Https));
        assert_eq!(told.host.as_deref(), Some("desk:8443"));
        let hidden = tell(&[("forwarded", "for=_x;proto=https;host=desk")]).unwrap();
        assert_eq!(hidden.scheme, Some(Scheme::Https));
    }

    #[test]
    fn where_both_kinds_are_the_x_headers_alone_count() {
        let both = [
            ("forwarded", "for=1.1.1.1;proto=https;host=evil.example"),
            ("x-forwarded-for", "203.0.113.9"),
        ];
        let told = tell(&both).unwrap();
        assert_eq!(told.address, "203.0.113.9".parse().ok());
        assert_eq!((told.scheme, told.host), (None, None));
        let odd = [("forwarded", "for=1.1.1.1"), ("x-forwarded-host", "desk")];
        assert_eq!(address(&odd), None);
    }

    #[test]
    fn no_text_makes_it_panic() {
        let letters = b"for=proto;host\",\\[]:._ 127x";
        let mut seed = 7_u32;
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            usize::from(seed.to_be_bytes()[0])
        };
        for _ in 0..20_000 {
            let len = next() % 40;
            let text: Vec<u8> = (0..len).map(|_| letters[next() % letters.len()]).collect();
            let text = String::from_utf8(text).unwrap();
            for name in ["forwarded", "x-forwarded-for", "x-forwarded-host"] {
                assert!(tell(&[(name, &text)]).is_some());
            }
        }
    }

    #[test]
    fn of_very_many_pairs_few_are_looked_at() {
        let names = (0..3_000).map(|number| format!("x{number}=1"));
        let text: Vec<String> = std::iter::once("for=203.0.113.9".to_owned())
            .chain(names)
            .collect();
        let text = text.join(";");
        assert!(text.len() > 16 * 1024);
        let mut looked_at = 0;
        let counted = pairs(text.as_bytes()).inspect(|_| looked_at += 1);
        assert!(element(counted).is_none());
        assert_eq!(looked_at, MAX_PAIRS + 1);
        assert_eq!(address(&[("forwarded", &text)]), None);
        let unknown_twice = "x=1;x=2;for=203.0.113.9";
        assert!(address(&[("forwarded", unknown_twice)]).is_some());
    }

    #[test]
    fn no_more_hops_are_followed_than_there_may_be() {
        let chain = format!("203.0.113.9{}", ", 192.0.2.1".repeat(MAX_HOPS));
        assert_eq!(
            address(&[("x-forwarded-for", &chain)]).unwrap(),
            "192.0.2.1"
        );
        let chain = format!("for=203.0.113.9{}", ", for=192.0.2.1".repeat(MAX_HOPS));
        assert_eq!(address(&[("forwarded", &chain)]).unwrap(), "192.0.2.1");
    }
}
