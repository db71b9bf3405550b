//! What Deskway sees of a request: the client's address, scheme and host, and whether it believes
//! a client that makes them up.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use http::header::{FORWARDED, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;

use super::door::Facts;
use super::mend::Lack;
use super::request;
use super::{Finding, Way};

const ADDRESS: &str = "your address";
const MADE_UP: &str = "made-up address";
const HOST: &str = "host";
const SCHEME: &str = "scheme";

const X_FORWARDED_FOR: &str = "x-forwarded-for";
const X_FORWARDED_PROTO: &str = "x-forwarded-proto";
const X_FORWARDED_HOST: &str = "x-forwarded-host";
/// Addresses of nobody's (RFC 5737), one for each header that a client may make up.
const MADE_UP_FOR: &str = "192.0.2.66";
const MADE_UP_FORWARDED: &str = "198.51.100.66";
const MADE_UP_REAL: &str = "203.0.113.66";

/// A request as it looks to Deskway.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Seen {
    pub(super) address: IpAddr,
    pub(super) scheme: String,
    pub(super) host: String,
    /// Where it came in.
    pub(super) local: Option<SocketAddr>,
    /// How often the bridge pings, in seconds.
    pub(super) ping_every: u64,
    headers: BTreeMap<String, Vec<String>>,
}

impl Seen {
    /// The elements of a header that is a list, as it came.
    fn told(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.get(name).into_iter().flatten();
        let elements = lines.flat_map(|line| line.split(','));
        elements
            .map(str::trim)
            .filter(|it| !it.is_empty())
            .collect()
    }

    /// The origin that a WebSocket has to come from.
    pub(super) fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.host)
    }

    /// What to name in `trusted_proxies`.
    fn proxy_address(&self) -> String {
        match self.local {
            None => "unix".to_owned(),
            Some(_) => self.address.to_string(),
        }
    }
}

/// Asks how a request of ours looks.
///
/// # Errors
/// When Deskway does not say; the finding says why.
pub(super) async fn look(way: &Way) -> Result<(Seen, Facts), Finding> {
    ask(way, &[]).await
}

/// All that can be told from it. `plain`: what [`look`] found.
pub(super) async fn findings(way: &Way, plain: &Seen, facts: &Facts) -> Vec<Finding> {
    let forwarded = format!("for={MADE_UP_FORWARDED}");
    let made_up = [
        (HeaderName::from_static(X_FORWARDED_FOR), MADE_UP_FOR),
        (HeaderName::from_static("x-real-ip"), MADE_UP_REAL),
        (FORWARDED, &forwarded),
    ];
    let believed = match ask(way, &made_up).await {
        Ok((seen, _)) => disbelief(way, plain, &seen, facts),
        Err(finding) => finding,
    };
    vec![
        address(way, plain, facts),
        believed,
        host(way, plain),
        scheme(way, plain),
    ]
}

async fn ask(way: &Way, more: &[(HeaderName, &str)]) -> Result<(Seen, Facts), Finding> {
    const ASKED: &str = "Deskway";
    let mut headers = HeaderMap::new();
    for (name, value) in more {
        let value = HeaderValue::from_str(value);
        headers.extend(value.map(|value| (name.clone(), value)));
    }
    let answered = way.ask("doctor/seen", headers, request::whole).await;
    let (answer, facts) = answered.map_err(|failure| {
        let mend = "the proxy's log and Deskway's say more";
        Finding::wrong(ASKED, failure.to_string(), mend)
    })?;
    if let (StatusCode::OK, Ok(seen)) = (answer.status, serde_json::from_slice(&answer.body)) {
        return Ok((seen, facts));
    }
    Err(match answer.status {
        StatusCode::NOT_FOUND => Finding::wrong(
            ASKED,
            "it is not the Deskway of this configuration that answers: it does not know its key",
            "give the --config or --state-dir that it runs with, and --url its own address; and \
             have the proxy pass the header Deskway-Doctor on",
        ),
        _ => Finding::wrong(
            ASKED,
            format!(
                "{} is answered {}",
                way.at("doctor/seen"),
                answer.described()
            ),
            "have the proxy pass everything below the base path on to Deskway",
        ),
    })
}

/// Whether Deskway sees where we come from.
fn address(way: &Way, seen: &Seen, facts: &Facts) -> Finding {
    let ours = facts.from.to_string();
    if seen.address == facts.from {
        return Finding::fine(
            ADDRESS,
            format!("Deskway sees {ours}, where this comes from"),
        );
    }
    let found = format!("Deskway sees {}, and this comes from {ours}", seen.address);
    let trust = format!(
        "write `trusted_proxies = [\"{}\"]` under [server]",
        seen.proxy_address()
    );
    if names(seen, &ours) {
        let found = format!("{found}; {} says so and is not believed", way.proxy.name());
        return Finding::wrong(ADDRESS, found, trust);
    }
    if seen.address.is_loopback() || seen.address == facts.to {
        let found = format!("{found}; {} does not tell it", way.proxy.name());
        let mend = format!("{}; then {trust}", way.mend(Lack::Address));
        return Finding::wrong(ADDRESS, found, mend);
    }
    Finding::note(
        ADDRESS,
        found,
        "right if the address is translated (NAT) on the way; if it is a proxy's, have that tell \
         the client's in X-Forwarded-For, and name it in `trusted_proxies` under [server]",
    )
}

/// Whether a header tells that address.
fn names(seen: &Seen, address: &str) -> bool {
    let by_x = seen.told(X_FORWARDED_FOR).last() == Some(&address);
    let standard = seen.told("forwarded");
    by_x || standard.last().is_some_and(|last| last.contains(address))
}

/// Whether a client can say who it is. `plain` is the request without anything made up.
fn disbelief(way: &Way, plain: &Seen, seen: &Seen, facts: &Facts) -> Finding {
    let lack = match seen.address.to_string().as_str() {
        MADE_UP_FOR => Some(("X-Forwarded-For", Lack::MadeUp)),
        MADE_UP_REAL => Some(("X-Real-IP", Lack::MadeUp)),
        MADE_UP_FORWARDED => Some(("Forwarded", Lack::MadeUpForwarded)),
        _ => None,
    };
    if let Some((header, lack)) = lack {
        let found = format!("Deskway believes the {header} that a client makes up");
        return Finding::wrong(MADE_UP, found, way.mend(lack));
    }
    let passed_on = seen.told(X_FORWARDED_FOR).last() == Some(&MADE_UP_FOR);
    // Where nothing is believed yet, it would be as soon as the proxy is trusted.
    if passed_on && plain.address != facts.from {
        let found = format!(
            "{} passes the X-Forwarded-For that a client makes up on as it is",
            way.proxy.name()
        );
        return Finding::wrong(MADE_UP, found, way.mend(Lack::MadeUp));
    }
    let standard = seen.told("forwarded");
    let alone = standard
        .last()
        .is_some_and(|last| last.contains(MADE_UP_FORWARDED));
    if alone && plain.address != facts.from {
        let found = format!(
            "{} passes the Forwarded that a client makes up on as it is",
            way.proxy.name()
        );
        return Finding::note(MADE_UP, found, way.mend(Lack::MadeUpForwarded));
    }
    Finding::fine(MADE_UP, "what a client says of its address is not believed")
}

fn host(way: &Way, seen: &Seen) -> Finding {
    let ours = request::authority(&way.site);
    if seen.host == ours {
        return Finding::fine(
            HOST,
            format!("Deskway is called {ours}, as browsers call it"),
        );
    }
    let found = format!(
        "Deskway is called {}, and browsers call it {ours}",
        seen.host
    );
    if seen.told(X_FORWARDED_HOST).contains(&ours) {
        let trust = format!(
            "{}, or write `trusted_proxies = [\"{}\"]` under [server]",
            way.mend(Lack::Host),
            seen.proxy_address()
        );
        return Finding::wrong(HOST, found, trust);
    }
    Finding::wrong(HOST, found, way.mend(Lack::Host))
}

fn scheme(way: &Way, seen: &Seen) -> Finding {
    let ours = way.site.scheme();
    if seen.scheme == ours {
        return Finding::fine(SCHEME, format!("Deskway knows that browsers speak {ours}"));
    }
    let found = format!(
        "browsers speak {ours}, and Deskway sees {}: cookies are not Secure, and WebSockets are \
         refused",
        seen.scheme
    );
    let trust = format!(
        "write `trusted_proxies = [\"{}\"]` under [server]",
        seen.proxy_address()
    );
    if seen.told(X_FORWARDED_PROTO) == [ours] {
        return Finding::wrong(SCHEME, found, trust);
    }
    let mut mend = way.mend(Lack::Scheme);
    if seen.address.is_loopback() {
        mend = format!("{mend}; then {trust}");
    }
    Finding::wrong(SCHEME, found, mend)
}

#[cfg(test)]
mod tests;
