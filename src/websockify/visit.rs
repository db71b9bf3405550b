//! One WebSocket: token → gate → target → bridge → a line in the log.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::IntoResponse as _;
use bytes::Bytes;
use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use tokio::io::empty;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::info;

use super::dial::Dialer;
use super::gate::{Denied, Gate};
use super::record::Record;
use super::sessions::{Session, Sessions};
use super::target::Target;
use super::token::{LookupError, Tokens};
use super::traffic::Traffic;
use super::visitor::Visitor;
use crate::bridge;
use crate::bridge::websocket::UpgradeError;
use crate::bridge::{CloseCause, Event, Outcome, Passage, Tap, Viewer};
use crate::listen;
use crate::listen::Upgraded;
use crate::runtime::{Stream, Tasks};

/// What all WebSockets of a process are opened with.
#[derive(Debug)]
pub(super) struct Visits {
    pub(super) route: Route,
    pub(super) dialer: Dialer,
    /// `None`: everybody may come in.
    pub(super) gate: Option<Gate>,
    /// `None`: nobody is pinged.
    pub(super) ping_every: Option<Duration>,
    /// Sessions are recorded here, with their numbers behind.
    pub(super) record: Option<PathBuf>,
    pub(super) traffic: bool,
    pub(super) sessions: Sessions,
    pub(super) tasks: Tasks,
}

/// How a WebSocket finds its target.
#[derive(Debug)]
pub(super) enum Route {
    Fixed(Target),
    Tokens {
        tokens: Tokens,
        /// The token is the `Host` header's name, not the query's `token`.
        from_host: bool,
    },
}

/// Why a request does not become a WebSocket. What is shown is for the log and for who asked.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("the request has no token")]
    NoToken,
    #[error("the token stands for nothing")]
    UnknownToken,
    #[error("the token cannot be looked up")]
    Lookup(#[source] LookupError),
    #[error("{}", .0.reason)]
    Denied(Denied),
    #[error(transparent)]
    Upgrade(#[from] UpgradeError),
    #[error("the one WebSocket that is served was opened already")]
    Once,
    #[error("the recording cannot be made")]
    Record(#[source] io::Error),
    #[error("the connection cannot become a WebSocket")]
    NotOurs,
}

/// A request that becomes a WebSocket.
struct Admitted {
    /// Of the answer.
    headers: HeaderMap,
    upgrade: OnUpgrade,
    visit: Visit,
    tap: Option<Box<dyn Tap>>,
}

/// A WebSocket that is let in.
struct Visit {
    visits: Arc<Visits>,
    visitor: Visitor,
    target: Target,
    session: Session,
}

/// All that look on at one session.
#[derive(Default)]
struct Taps(Vec<Box<dyn Tap>>);

impl Visits {
    /// Answers a request for a WebSocket. When it is let in, a task of its own carries it.
    pub(super) async fn open(
        self: &Arc<Self>,
        mut parts: Parts,
        visitor: Visitor,
    ) -> Response<Body> {
        let admitted = match self.admit(&mut parts, visitor.clone()).await {
            Ok(admitted) => admitted,
            Err(refused) => {
                let Visitor { address, path, .. } = &visitor;
                info!("{address}: {path}: refused: {}", Chain(&refused));
                return refused.answer();
            }
        };
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.headers_mut() = admitted.headers;
        let (upgrade, visit, tap) = (admitted.upgrade, admitted.visit, admitted.tap);
        self.tasks.spawn(async move {
            match listen::upgraded(upgrade).await {
                Ok(upgraded) => Box::pin(visit.go(upgraded, tap)).await,
                Err(error) => info!("{}: left at once: {error}", visit.visitor.address),
            }
        });
        response
    }

    /// Whether the gate lets a visitor in.
    pub(super) fn check(&self, headers: &HeaderMap, visitor: &Visitor) -> Result<(), Denied> {
        let name = visitor.connection.client_name.as_deref();
        self.gate
            .as_ref()
            .map_or(Ok(()), |gate| gate.check(headers, name))
    }

    /// All that must be right before the answer.
    async fn admit(
        self: &Arc<Self>,
        parts: &mut Parts,
        visitor: Visitor,
    ) -> Result<Admitted, Refused> {
        let target = target(&self.route, parts).await?;
        self.check(&parts.headers, &visitor)
            .map_err(Refused::Denied)?;
        let headers = bridge::websocket::accept(parts)?;
        let upgrade = parts.extensions.remove::<OnUpgrade>();
        let upgrade = upgrade.ok_or(Refused::NotOurs)?;
        let session = self.sessions.begin().ok_or(Refused::Once)?;
        let tap = self.tap(&session).map_err(Refused::Record)?;
        let visit = Visit {
            visits: Arc::clone(self),
            visitor,
            target,
            session,
        };
        Ok(Admitted {
            headers,
            upgrade,
            visit,
            tap,
        })
    }

    /// Those who look on at a session, if the command line asks for any.
    fn tap(&self, session: &Session) -> io::Result<Option<Box<dyn Tap>>> {
        let mut taps = Taps::default();
        if let Some(base) = &self.record {
            let path = Record::numbered(base, session.number());
            taps.0.push(Box::new(Record::create(&path)?));
        }
        if self.traffic {
            taps.0.push(Box::new(Traffic::new()));
        }
        Ok(taps.into_one())
    }
}

async fn target(route: &Route, parts: &Parts) -> Result<Target, Refused> {
    let (tokens, from_host) = match route {
        Route::Fixed(target) => return Ok(target.clone()),
        Route::Tokens { tokens, from_host } => (tokens, *from_host),
    };
    let token = if from_host {
        host_token(&parts.headers)
    } else {
        query_token(parts.uri.query().unwrap_or_default())
    };
    let token = token.ok_or(Refused::NoToken)?;
    let found = tokens.lookup(&token).await.map_err(Refused::Lookup)?;
    found.ok_or(Refused::UnknownToken)
}

/// The first `token` of a query that is not empty; a newline that was copied along is no part
/// of it.
fn query_token(query: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(name, value)| name == "token" && !value.is_empty())
        .map(|(_, value)| value.trim_end_matches('\n').to_owned())
}

/// The name in the `Host` header, without the port.
fn host_token(headers: &HeaderMap) -> Option<String> {
    let host = headers.get(HOST)?.to_str().ok()?;
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    (!name.is_empty()).then(|| name.to_owned())
}

impl Visit {
    /// From the upgrade to the end.
    async fn go(self, upgraded: Upgraded, tap: Option<Box<dyn Tap>>) {
        let began = Instant::now();
        let Upgraded {
            stream,
            early,
            place: _place,
        } = upgraded;
        let (address, target) = (&self.visitor.address, &self.target);
        info!("{address}: {}: connecting to {target}", self.visitor.path);
        let viewer = Viewer {
            passage: Passage::Bytes {
                ping_every: self.visits.ping_every,
            },
            traffic: Arc::default(),
            tap,
        };
        let outcome = match self.dial().await {
            Ok(server) => {
                let closed = async { CloseCause::TargetClosed };
                bridge::run(stream, early, server, viewer, self.session.end(), closed).await
            }
            Err(cause) => refuse(stream, viewer, cause).await,
        };
        let Visitor { address, path, .. } = &self.visitor;
        let told = told(&outcome, began.elapsed());
        info!("{address}: {path} to {target} {told}");
    }

    async fn dial(&self) -> Result<Stream, CloseCause> {
        let mut end = self.session.end();
        let dialed = tokio::select! {
            dialed = self.visits.dialer.dial(&self.target) => dialed,
            Ok(cause) = end.wait_for(Option::is_some) => {
                return Err(cause.clone().unwrap_or(CloseCause::Stopping));
            }
        };
        dialed.map_err(|error| {
            info!("{}: {}", self.visitor.address, Chain(&error));
            CloseCause::TargetRefused
        })
    }
}

/// How a session went that lasted so long, the dial included.
fn told(outcome: &Outcome, lasted: Duration) -> String {
    let (to, from, cause) = (outcome.to_browser, outcome.from_browser, &outcome.cause);
    let (seconds, unit) = (lasted.as_secs_f64(), if to == 1 { "byte" } else { "bytes" });
    let error = match &outcome.error {
        // The cause names the rule already.
        None | Some(bridge::Error::WebSocket(_)) => String::new(),
        Some(error) => format!(" ({error})"),
    };
    format!("for {seconds:.1} s, {to} {unit} to the browser, {from} from it: {cause}{error}")
}

/// Tells the browser the cause in the way that it can see.
async fn refuse(browser: Stream, viewer: Viewer, cause: CloseCause) -> Outcome {
    let (_told, end) = watch::channel(Some(cause.clone()));
    let nothing = Stream::over(empty());
    bridge::run(browser, Bytes::new(), nothing, viewer, end, async { cause }).await
}

impl Refused {
    fn answer(self) -> Response<Body> {
        let status = match &self {
            Self::NoToken => StatusCode::BAD_REQUEST,
            Self::UnknownToken => StatusCode::NOT_FOUND,
            Self::Lookup(_) => StatusCode::BAD_GATEWAY,
            Self::Upgrade(error) => error.status(),
            Self::Once => StatusCode::SERVICE_UNAVAILABLE,
            Self::Record(_) | Self::NotOurs | Self::Denied(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let mut headers = match &self {
            Self::Upgrade(error) => error.headers(),
            _ => HeaderMap::new(),
        };
        if let Self::Denied(denied) = self {
            return denied.into_response();
        }
        // What follows must not be read as another request.
        headers
            .entry(header::CONNECTION)
            .or_insert(HeaderValue::from_static("close"));
        (status, headers, format!("{self}\n")).into_response()
    }
}

impl Taps {
    /// The bridge takes one at most.
    fn into_one(mut self) -> Option<Box<dyn Tap>> {
        match self.0.len() {
            0 | 1 => self.0.pop(),
            _ => Some(Box::new(self)),
        }
    }
}

impl Tap for Taps {
    fn saw(&mut self, event: Event<'_>) {
        for tap in &mut self.0 {
            tap.saw(event);
        }
    }
}

/// An error with what caused it.
struct Chain<'a>(&'a dyn std::error::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0, f)?;
        let mut next = self.0.source();
        while let Some(error) = next {
            write!(f, ": {error}")?;
            next = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::websocket::Violation;

    #[test]
    fn the_log_tells_of_a_session_once_and_in_the_right_number() {
        let mut outcome = Outcome {
            cause: CloseCause::Protocol(Violation::Unmasked.to_string()),
            error: Some(Violation::Unmasked.into()),
            to_browser: 1,
            from_browser: 2,
            lasted: Duration::ZERO,
        };
        let lasted = Duration::from_millis(1510);
        let expected = "for 1.5 s, 1 byte to the browser, 2 from it: \
            The browser sent what it must not: a frame is not masked.";
        assert_eq!(told(&outcome, lasted), expected);
        outcome.cause = CloseCause::Vanished;
        outcome.error = Some(bridge::Error::Silent);
        outcome.to_browser = 0;
        let said = told(&outcome, lasted);
        assert!(said.contains(" 0 bytes to the browser"), "{said}");
        assert!(said.contains("no sign of life"), "{said}");
    }

    #[test]
    fn the_token_is_the_query_s_first_that_is_not_empty() {
        for (query, token) in [
            ("token=abc", Some("abc")),
            ("a=b&token=x%20y%0A&token=z", Some("x y")),
            ("token=&token=z", Some("z")),
            ("token=a+b", Some("a b")),
            ("token", None),
            ("tokens=x", None),
            ("", None),
        ] {
            assert_eq!(query_token(query).as_deref(), token, "{query}");
        }
    }

    #[test]
    fn the_host_s_name_is_the_token_without_its_port() {
        for (host, token) in [
            ("vm1.example:6080", Some("vm1.example")),
            ("vm1", Some("vm1")),
            ("[2001:db8::1]:6080", Some("2001:db8::1")),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static(host))]);
            assert_eq!(host_token(&headers).as_deref(), token, "{host}");
        }
        assert_eq!(host_token(&HeaderMap::new()), None);
    }

    #[test]
    fn a_refusal_has_a_status_that_says_whose_turn_it_is() {
        for (refused, status) in [
            (Refused::NoToken, 400),
            (Refused::UnknownToken, 404),
            (Refused::Upgrade(UpgradeError::Version), 426),
            (Refused::Once, 503),
        ] {
            let response = refused.answer();
            assert_eq!(response.status(), status);
            let connection = response.headers()[header::CONNECTION].to_str().unwrap();
            assert!(connection.contains("close"), "{connection}");
        }
    }
}
