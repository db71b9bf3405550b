//! One WebSocket: token → gate → target → bridge → a line in the log.

use std::fmt;
use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::response::IntoResponse as _;
use bytes::Bytes;
use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use tokio::io::empty;
use tokio::sync::watch;
use tracing::info;

use super::gate::Denied;
use super::record::Record;
use super::server::{Route, Server, Visitor, answer_denied};
use super::sessions::Session;
use super::target::Target;
use super::token::LookupError;
use super::traffic::Traffic;
use crate::bridge;
use crate::bridge::websocket::UpgradeError;
use crate::bridge::{CloseCause, Event, Outcome, Passage, Tap, Viewer};
use crate::listen;
use crate::listen::Upgraded;
use crate::runtime::Stream;

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
    server: Arc<Server>,
    visitor: Visitor,
    target: Target,
    session: Session,
}

/// All that look on at one session.
#[derive(Default)]
struct Taps(Vec<Box<dyn Tap>>);

/// Answers a request for a WebSocket. When it is let in, a task of its own carries it.
pub(super) async fn open(
    server: &Arc<Server>,
    mut parts: Parts,
    visitor: Visitor,
) -> Response<Body> {
    let admitted = match admit(server, &mut parts, visitor.clone()).await {
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
    server.tasks.spawn(async move {
        match listen::upgraded(upgrade).await {
            Ok(upgraded) => Box::pin(visit.go(upgraded, tap)).await,
            Err(error) => info!("{}: left at once: {error}", visit.visitor.address),
        }
    });
    response
}

/// All that must be right before the answer.
async fn admit(
    server: &Arc<Server>,
    parts: &mut Parts,
    visitor: Visitor,
) -> Result<Admitted, Refused> {
    let target = target(&server.route, parts).await?;
    server
        .check(&parts.headers, &visitor)
        .map_err(Refused::Denied)?;
    let headers = bridge::websocket::accept(parts)?;
    let upgrade = parts.extensions.remove::<OnUpgrade>();
    let upgrade = upgrade.ok_or(Refused::NotOurs)?;
    let session = server.sessions.begin().ok_or(Refused::Once)?;
    let mut taps = Taps::default();
    if let Some(base) = &server.record {
        let path = Record::numbered(base, session.number());
        taps.0
            .push(Box::new(Record::create(&path).map_err(Refused::Record)?));
    }
    if server.traffic {
        taps.0.push(Box::new(Traffic::new()));
    }
    let visit = Visit {
        server: Arc::clone(server),
        visitor,
        target,
        session,
    };
    Ok(Admitted {
        headers,
        upgrade,
        visit,
        tap: taps.into_one(),
    })
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
        let Upgraded {
            stream,
            early,
            place: _place,
        } = upgraded;
        let (address, target) = (&self.visitor.address, &self.target);
        info!("{address}: {}: connecting to {target}", self.visitor.path);
        let viewer = Viewer {
            passage: Passage::Bytes {
                ping_every: self.server.heartbeat,
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
        self.log(&outcome);
    }

    async fn dial(&self) -> Result<Stream, CloseCause> {
        let mut end = self.session.end();
        let dialed = tokio::select! {
            dialed = self.server.dialer.dial(&self.target) => dialed,
            Ok(cause) = end.wait_for(Option::is_some) => {
                return Err(cause.clone().unwrap_or(CloseCause::Restarting));
            }
        };
        dialed.map_err(|error| {
            info!("{}: {}", self.visitor.address, Chain(&error));
            CloseCause::TargetRefused
        })
    }

    fn log(&self, outcome: &Outcome) {
        let Visitor { address, path, .. } = &self.visitor;
        let (target, seconds) = (&self.target, outcome.lasted.as_secs_f64());
        let (to, from, cause) = (outcome.to_browser, outcome.from_browser, &outcome.cause);
        let error = outcome.error.as_ref();
        let error = error.map_or_else(String::new, |error| format!(" ({error})"));
        info!(
            "{address}: {path} to {target} for {seconds:.1} s, {to} bytes to the browser, {from} from it: {cause}{error}"
        );
    }
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
            return answer_denied(denied);
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
