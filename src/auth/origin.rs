//! Which names browsers may call this server by, and whose pages may speak to it.
//!
//! People have a shell on this machine, so a page on another port of the same host is a stranger:
//! an `Origin` must equal our own with its port. The `Host` allow-list ends DNS rebinding.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use http::Uri;
use http::header::{GetAll, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};

use crate::model::Scheme;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The names by which browsers may call this server.
#[derive(Clone, Debug)]
pub struct Hosts {
    names: BTreeSet<String>,
}

/// The host that a request names, checked: lower case, with the port when it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host(String);

impl Host {
    /// The name or address alone.
    pub fn without_port(&self) -> &str {
        name_of(&self.0).unwrap_or(&self.0)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The request's `Host` is missing, doubled, no host, or none of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this server does not go by the name in the request")]
pub struct BadHost;

/// The request does not come from a page of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadOrigin {
    #[error("the request does not say which page it comes from")]
    Missing,
    #[error("the request comes from another page")]
    Foreign,
}

impl Hosts {
    /// `names` are those of the configuration, `machine` is what the machine calls itself.
    pub fn new(names: &[String], machine: &str) -> Self {
        let mut names: BTreeSet<String> = names.iter().map(|name| name.to_lowercase()).collect();
        names.insert(machine.to_lowercase());
        names.remove("");
        Self { names }
    }

    /// The request's host when it is one of ours: a listed name, `localhost` or a name below it,
    /// or an IP address (a page can only have that for a host by being served from it).
    /// `forwarded` is what a trusted proxy says that the browser called us; what the proxy itself
    /// calls us does not count then.
    pub fn check(
        &self,
        headers: &HeaderMap,
        uri: &Uri,
        forwarded: Option<&str>,
    ) -> Result<Host, BadHost> {
        if let Some(host) = forwarded {
            return self.ours(host.to_ascii_lowercase());
        }
        let mut values = headers.get_all(HOST).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(BadHost);
        };
        let text = value.to_str().map_err(|_| BadHost)?.to_ascii_lowercase();
        if let Some(authority) = uri.authority()
            && authority.as_str().to_ascii_lowercase() != text
        {
            return Err(BadHost);
        }
        self.ours(text)
    }

    fn ours(&self, host: String) -> Result<Host, BadHost> {
        if self.knows(&host) {
            Ok(Host(host))
        } else {
            Err(BadHost)
        }
    }

    /// Whether `host[:port]` is one of ours.
    pub fn knows(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        name_of(&host).is_some_and(|name| {
            self.names.contains(name)
                || name == "localhost"
                || name.ends_with(".localhost")
                || is_ip_literal(name)
        })
    }
}

/// Whether a request that changes something or opens a WebSocket comes from a page of ours.
///
/// `Origin` must equal `scheme://host`, once. A write without `Origin` is taken when the browser
/// says `Sec-Fetch-Site: same-origin`; a WebSocket always needs the `Origin`.
pub fn check_origin(
    headers: &HeaderMap,
    scheme: Scheme,
    host: &Host,
    websocket: bool,
) -> Result<(), BadOrigin> {
    match only(&headers.get_all(ORIGIN))? {
        Some(origin) if origin.as_bytes() == origin_of(scheme, host).as_bytes() => Ok(()),
        Some(_) => Err(BadOrigin::Foreign),
        None if websocket => Err(BadOrigin::Missing),
        None => match only(&headers.get_all(SEC_FETCH_SITE))? {
            Some(site) if site.as_bytes() == b"same-origin" => Ok(()),
            Some(_) => Err(BadOrigin::Foreign),
            None => Err(BadOrigin::Missing),
        },
    }
}

/// As browsers write it: without the port that is usual for the scheme, which some proxies add.
fn origin_of(scheme: Scheme, host: &Host) -> String {
    let usual = match scheme {
        Scheme::Http => ":80",
        Scheme::Https => ":443",
    };
    let host = host.0.strip_suffix(usual).unwrap_or(&host.0);
    format!("{scheme}://{host}")
}

fn only<'a>(values: &GetAll<'a, HeaderValue>) -> Result<Option<&'a HeaderValue>, BadOrigin> {
    let mut values = values.iter();
    let first = values.next();
    match values.next() {
        None => Ok(first),
        Some(_) => Err(BadOrigin::Foreign),
    }
}

/// The host part of `host[:port]`, or `None` when the text is not of that form.
fn name_of(text: &str) -> Option<&str> {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    };
    let port_fits = port.is_none_or(|port| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
    });
    let name_fits = !name.is_empty()
        && (name.starts_with('[')
            || name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')));
    (port_fits && name_fits).then_some(name)
}

fn is_ip_literal(name: &str) -> bool {
    let inner = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match inner {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None => name.parse::<Ipv4Addr>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Hosts {
        Hosts::new(&["desk.example.org".to_owned()], "Machine7")
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::from_static(name);
                (name, HeaderValue::from_str(value).unwrap())
            })
            .collect()
    }

    fn check(host: &str) -> Result<Host, BadHost> {
        hosts().check(&headers(&[("host", host)]), &Uri::from_static("/"), None)
    }

    #[test]
    fn our_own_names_are_known() {
        for host in [
            "localhost",
            "LOCALHOST:6080",
            "alice.localhost",
            "127.0.0.1:6080",
            "10.1.2.3",
            "[::1]:6080",
            "[2001:db8::1]",
            "desk.example.org",
            "Desk.Example.Org:443",
            "machine7:6080",
        ] {
            assert!(check(host).is_ok(), "{host}");
        }
    }

    #[test]
    fn other_names_are_not() {
        for host in [
            "",
            "evil.example",
            "desk.example.org.evil.example",
            "notlocalhost",
            "localhost.evil.example",
            "[::1",
            "[evil]",
            "127.0.0.1:99999",
            "127.0.0.1:80:80",
            "127.0.0.1:+80",
            "user@localhost",
            "localhost/",
            "::1",
            ":80",
        ] {
            assert_eq!(check(host), Err(BadHost), "{host}");
        }
    }

    #[test]
    fn a_doubled_missing_or_contradicted_host_is_refused() {
        let uri = Uri::from_static("/");
        let two = headers(&[("host", "localhost"), ("host", "localhost")]);
        assert_eq!(hosts().check(&two, &uri, None), Err(BadHost));
        assert_eq!(hosts().check(&HeaderMap::new(), &uri, None), Err(BadHost));
        let other = Uri::from_static("http://evil.example/");
        let one = headers(&[("host", "localhost")]);
        assert_eq!(hosts().check(&one, &other, None), Err(BadHost));
    }

    #[test]
    fn a_host_that_a_proxy_tells_counts_in_its_place_and_must_be_ours() {
        let uri = Uri::from_static("/");
        let upstream = headers(&[("host", "upstream-7")]);
        let told = |host| hosts().check(&upstream, &uri, Some(host));
        let host = told("Desk.Example.Org:443").unwrap();
        assert_eq!(host, Host("desk.example.org:443".to_owned()));
        for foreign in ["evil.example", "", "desk.example.org.evil.example"] {
            assert_eq!(told(foreign), Err(BadHost), "{foreign}");
        }
        let origin = headers(&[("origin", "https://desk.example.org")]);
        let checked = |scheme| check_origin(&origin, scheme, &host, true);
        assert_eq!(checked(Scheme::Https), Ok(()));
        assert_eq!(checked(Scheme::Http), Err(BadOrigin::Foreign));
    }

    #[test]
    fn only_our_own_origin_is_ours() {
        let host = check("localhost:6080").unwrap();
        let origin =
            |origin: &str| check_origin(&headers(&[("origin", origin)]), Scheme::Http, &host, true);
        assert_eq!(origin("http://localhost:6080"), Ok(()));
        for foreign in [
            "https://localhost:6080",
            "http://localhost",
            "http://localhost:6081",
            "http://localhost:60800",
            "http://localhost:6080.evil.example",
            "http://evil.example",
            "null",
            "",
        ] {
            assert_eq!(origin(foreign), Err(BadOrigin::Foreign), "{foreign}");
        }
    }

    #[test]
    fn without_an_origin_the_browser_must_vouch_for_a_write_and_cannot_for_a_websocket() {
        let host = check("localhost:6080").unwrap();
        let own = headers(&[("sec-fetch-site", "same-origin")]);
        assert_eq!(check_origin(&own, Scheme::Http, &host, false), Ok(()));
        let missing = Err(BadOrigin::Missing);
        assert_eq!(check_origin(&own, Scheme::Http, &host, true), missing);
        let none = HeaderMap::new();
        assert_eq!(check_origin(&none, Scheme::Http, &host, false), missing);
        for site in ["same-site", "cross-site", "none"] {
            let other = headers(&[("sec-fetch-site", site)]);
            let answer = check_origin(&other, Scheme::Http, &host, false);
            assert_eq!(answer, Err(BadOrigin::Foreign), "{site}");
        }
        let two = headers(&[
            ("origin", "http://localhost:6080"),
            ("origin", "http://localhost:6080"),
        ]);
        let answer = check_origin(&two, Scheme::Http, &host, false);
        assert_eq!(answer, Err(BadOrigin::Foreign));
    }
}
