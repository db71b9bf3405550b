//! `deskway doctor --url`: goes in by the outside door, as a browser does, and says what the way
//! in spoils, and what to change where. Opens connections to the host of that address alone.
//!
//! Some checks ask what Deskway sees of them; for these it wants to be shown the key that its
//! front keeps (`store::DoctorKey`). Every wait has a deadline.

mod certificate;
mod door;
mod events;
mod identity;
mod mend;
mod messages;
mod proxy;
mod request;
mod secure;
mod seen;
mod silence;
mod trust;
mod walk;
mod websocket;

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use hyper::Response;
use hyper::body::Incoming;
use url::Url;

use super::finding::Finding;
#[cfg(test)]
use super::finding::State;
use crate::config::{Config, ListenAt, Protocol};
use crate::runtime::Clock;
use crate::store::{DOCTOR_KEY_FILE, DoctorKey};
use door::{DoorError, Entered, Facts};
use mend::Lack;
use proxy::Proxy;
use request::Failure;
use trust::{Trust, Untrusted};
use walk::{Ground, Landing};

/// The header that carries the pass.
const PASS: HeaderName = HeaderName::from_static("deskway-doctor");
const LEFT_OUT: &str = "left out";
/// How long a WebSocket is silent: proxies are used to cut after 60 s.
pub(super) const SILENCE: Duration = Duration::from_secs(75);

/// The way in that is looked at.
struct Way {
    /// Everything of Deskway's is below it; ends with a slash.
    site: Url,
    key: Option<DoctorKey>,
    trust: Trust,
    proxy: Proxy,
    /// Where Deskway listens.
    upstream: String,
    configured_base: String,
}

impl Way {
    fn at(&self, path: &str) -> Url {
        self.site.join(path).unwrap_or_else(|_| self.site.clone())
    }

    /// The base path in the address: empty, or `/desk`.
    fn base(&self) -> &str {
        self.site.path().trim_end_matches('/')
    }

    /// A connection, and the header that Deskway wants to see, for whom it may be shown.
    async fn enter(&self, url: &Url) -> Result<(Entered, HeaderMap), DoorError> {
        let entered = door::enter(url).await?;
        self.may_show(&entered.facts)?;
        let pass = self.key.as_ref().map(|key| key.pass(Clock::System.unix()));
        let value = pass.and_then(|pass| HeaderValue::try_from(pass).ok());
        Ok((
            entered,
            value.map(|value| (PASS, value)).into_iter().collect(),
        ))
    }

    /// Whether the pass may be shown to who is at the other end.
    fn may_show(&self, facts: &Facts) -> Result<(), Untrusted> {
        let name = door::server_name(&self.site);
        let now = Clock::System.unix();
        self.trust.admits(facts, name.as_ref(), now)
    }

    /// Asks for what is there for the doctor alone.
    async fn ask<T>(
        &self,
        path: &str,
        mut headers: HeaderMap,
        read: impl AsyncFnOnce(Response<Incoming>) -> Result<T, Failure>,
    ) -> Result<(T, Facts), Failure> {
        let url = self.at(path);
        let (entered, pass) = self.enter(&url).await?;
        headers.extend(pass);
        request::stream_over(entered, &url, headers, read).await
    }

    fn mend(&self, lack: Lack) -> String {
        self.proxy.mend(lack, &self.upstream, self.base())
    }
}

/// An address as `--url` takes it: http or https, with a host, and a slash at its end.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse_url(text: &str) -> Result<Url, String> {
    let unknown = || {
        format!(
            "`{text}` is no address: write it as browsers do, with https:// or http:// and the \
             host, such as https://desk.example.org/desk/"
        )
    };
    let mut url = Url::parse(text).map_err(|_| unknown())?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(unknown());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it may hold no name and no password".to_owned());
    }
    url.set_query(None);
    url.set_fragment(None);
    let path = format!("{}/", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

/// All checks from outside.
pub(super) fn examine(url: &Url, quick: bool, config: &Config) -> Vec<Finding> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(go_in(url, quick, config)),
        Err(error) => vec![Finding::wrong(
            "way in",
            format!("cannot begin: {error}"),
            "try again when the machine has room",
        )],
    }
}

async fn go_in(url: &Url, quick: bool, config: &Config) -> Vec<Finding> {
    let upstream = upstream(config);
    let configured_base = config.server.base_path.clone();
    let ground = Ground {
        upstream: &upstream,
        configured_base: &configured_base,
    };
    let (landing, mut findings) = walk::walk(url, ground).await;
    let Some(landing) = landing else {
        return findings;
    };
    let site = site(url, &landing);
    let mut way = Way {
        proxy: recognise(&site, &landing).await,
        site,
        key: None,
        trust: Trust::gather(config),
        upstream,
        configured_base,
    };
    findings.push(said_of_proxy(way.proxy));
    findings.extend(secure::findings(&way, &landing));
    let left_out = match key(&way, &landing, config) {
        Ok(key) => {
            way.key = Some(key);
            None
        }
        Err(left_out) => Some(left_out),
    };
    let (identity, go_on) = identity::identify(&way, &landing).await;
    findings.extend(identity);
    if !go_on {
        return findings;
    }
    match left_out {
        None => findings.extend(with_key(&mut way, quick).await),
        Some(left_out) => {
            findings.push(websocket::arrive(&way).await);
            findings.push(left_out);
        }
    }
    findings
}

/// The key, where there is one and who answers may be shown a pass; else what is left out.
fn key(way: &Way, landing: &Landing, config: &Config) -> Result<DoctorKey, Finding> {
    const WHAT: &str = "addresses, host and scheme as Deskway sees them, messages, silence and \
                        events";
    let front = config.paths.state.join("front");
    let key = DoctorKey::read(&front).map_err(|error| {
        let file = front.join(DOCTOR_KEY_FILE);
        let found = format!("{}: {error}; so not looked at: {WHAT}", file.display());
        let mend =
            "run this where Deskway runs, as root or its user, with its --config or --state-dir";
        Finding::note(LEFT_OUT, found, mend)
    })?;
    way.may_show(&landing.facts).map_err(|untrusted| {
        let mend = match untrusted {
            Untrusted::Plain => "serve https",
            Untrusted::Certificate(_) => {
                "mend the certificate, or name its authority with SSL_CERT_FILE"
            }
        };
        let found = format!("Deskway is not asked for {WHAT}, because {untrusted}");
        Finding::note(LEFT_OUT, found, mend)
    })?;
    Ok(key)
}

/// What takes Deskway's word.
async fn with_key(way: &mut Way, quick: bool) -> Vec<Finding> {
    let (seen, facts) = match seen::look(way).await {
        Ok(looked) => looked,
        Err(finding) => return vec![finding, websocket::arrive(way).await],
    };
    if let Some(local) = seen.local {
        way.upstream = local.to_string();
    }
    let way = &*way;
    let silence = (!quick).then_some(SILENCE);
    let (mut seen_findings, sockets, events) = tokio::join!(
        seen::findings(way, &seen, &facts),
        Box::pin(websocket::findings(way, &seen, silence)),
        events::findings(way),
    );
    seen_findings.extend(sockets);
    seen_findings.push(events);
    seen_findings
}

/// The address given, with the scheme and port that it leads to.
fn site(given: &Url, landing: &Landing) -> Url {
    let mut site = landing.url.clone();
    site.set_path(given.path());
    site.set_query(None);
    site
}

/// Where Deskway listens, by its configuration, as proxies write it behind `http://`.
fn upstream(config: &Config) -> String {
    let mut listeners = config.server.listen.iter();
    let serving = listeners.find(|listener| listener.protocol != Protocol::Redirect);
    match serving.map(|listener| &listener.at) {
        Some(ListenAt::Address(address)) if !address.ip().is_unspecified() => address.to_string(),
        Some(ListenAt::Address(address)) => format!("127.0.0.1:{}", address.port()),
        Some(ListenAt::Unix(path)) => format!("unix:{}", path.display()),
        Some(ListenAt::Systemd(_)) | None => "ADDRESS:PORT".to_owned(),
    }
}

async fn recognise(site: &Url, landing: &Landing) -> Proxy {
    match proxy::recognise(&landing.answer) {
        Proxy::Unknown => proxy::provoke(site).await,
        known => known,
    }
}

fn said_of_proxy(proxy: Proxy) -> Finding {
    let found = match proxy {
        Proxy::Unknown => "none that gives its name",
        known => known.name(),
    };
    Finding::fine("proxy", found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_ends_with_a_slash_and_is_of_the_web() {
        let parsed = |text| parse_url(text).map(String::from);
        assert_eq!(
            parsed("https://desk.example.org/desk?x=1#y").unwrap(),
            "https://desk.example.org/desk/"
        );
        assert_eq!(
            parsed("http://127.0.0.1:8080").unwrap(),
            "http://127.0.0.1:8080/"
        );
        for wrong in [
            "desk.example.org",
            "ftp://desk.example.org/",
            "https://",
            "https://a:b@c/",
        ] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }
}
