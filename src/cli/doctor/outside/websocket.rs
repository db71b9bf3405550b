//! WebSockets from outside: whether an upgrade passes, and why not.

use std::time::Duration;

use http::header::{CONNECTION, ORIGIN, UPGRADE};
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use url::Url;

use super::door::DoorError;
use super::mend::Lack;
use super::request::{self, Answer};
use super::seen::Seen;
use super::{Finding, Way, messages, silence};
use crate::runtime::Stream;

const UPGRADES: &str = "WebSocket";

/// For an upgrade, for one message to come back, and for a farewell.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// The longest message that is taken, in bytes.
const MAX_MESSAGE: usize = 2 << 20;

pub(super) type Socket = WebSocketStream<Stream>;

/// Why there is no WebSocket.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoSocket {
    #[error(transparent)]
    Door(#[from] DoorError),
    #[error("it is answered {}", .0.described())]
    Answer(Box<Answer>),
    #[error("{0}")]
    Broken(Box<tungstenite::Error>),
    #[error("no answer within {} s", ANSWER_TIMEOUT.as_secs())]
    Late,
}

/// Whether the upgrade's headers arrive, for who has no key: Deskway refuses one from a page that
/// is not its own, and takes a request without them for a question about its health.
pub(super) async fn arrive(way: &Way) -> Finding {
    let mut headers = HeaderMap::new();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(ORIGIN, HeaderValue::from_static("https://no-page.invalid"));
    match request::get(&way.at("healthz"), headers).await {
        Ok((answer, _)) if answer.status == StatusCode::FORBIDDEN => {
            Finding::fine(UPGRADES, "requests for an upgrade reach Deskway")
        }
        Ok((answer, _)) if answer.status.is_success() => Finding::wrong(
            UPGRADES,
            "Upgrade and Connection are lost on the way to Deskway",
            way.mend(Lack::Upgrade),
        ),
        Ok((answer, _)) => {
            let found = format!(
                "a request for an upgrade is answered {}",
                answer.described()
            );
            Finding::wrong(UPGRADES, found, way.mend(Lack::Upgrade))
        }
        Err(failure) => {
            let found = format!("a request for an upgrade is not answered: {failure}");
            Finding::wrong(UPGRADES, found, way.mend(Lack::Upgrade))
        }
    }
}

/// All of it, with the key. `silence`: how long to be silent, if at all.
pub(super) async fn findings(way: &Way, seen: &Seen, silence: Option<Duration>) -> Vec<Finding> {
    let own = origin(&way.site);
    let mut findings = Vec::new();
    let mut from = own.clone();
    let socket = match open(way, &own).await {
        Ok(socket) => {
            findings.push(Finding::fine(UPGRADES, "upgrades pass"));
            socket
        }
        Err(NoSocket::Answer(answer)) if answer.status == StatusCode::FORBIDDEN => {
            findings.push(foreign(seen, &own, &answer));
            // What else there is to find shows with the page that Deskway takes for its own.
            from = seen.origin();
            match open(way, &from).await {
                Ok(socket) => socket,
                Err(_) => return findings,
            }
        }
        Err(error) => {
            findings.push(refused(way, &error));
            return findings;
        }
    };
    let (passing, quiet) = tokio::join!(messages::pass(socket), async {
        match silence {
            Some(wait) => Some(silence::be_silent(way, seen, &from, wait).await),
            None => None,
        }
    });
    findings.extend(passing);
    findings.extend(quiet);
    findings
}

fn origin(site: &Url) -> String {
    format!("{}://{}", site.scheme(), request::authority(site))
}

pub(super) async fn open(way: &Way, origin: &str) -> Result<Socket, NoSocket> {
    let broken = |error| NoSocket::Broken(Box::new(error));
    let mut url = way.at("doctor/echo");
    let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
    let (entered, pass) = way.enter(&url).await?;
    if url.set_scheme(scheme).is_err() {
        return Err(DoorError::NoHost.into());
    }
    let mut request = url.as_str().into_client_request().map_err(broken)?;
    request.headers_mut().extend(pass);
    if let Ok(origin) = HeaderValue::from_str(origin) {
        request.headers_mut().insert(ORIGIN, origin);
    }
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let opening =
        tokio_tungstenite::client_async_with_config(request, entered.stream, Some(limits));
    match timeout(ANSWER_TIMEOUT, opening).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(tungstenite::Error::Http(answer))) => {
            let (parts, body) = answer.into_parts();
            Err(NoSocket::Answer(Box::new(Answer {
                status: parts.status,
                headers: parts.headers,
                body: body.unwrap_or_default().into(),
            })))
        }
        Ok(Err(error)) => Err(broken(error)),
        Err(_) => Err(NoSocket::Late),
    }
}

/// An upgrade from a page that Deskway does not take for its own.
fn foreign(seen: &Seen, own: &str, answer: &Answer) -> Finding {
    let theirs = seen.origin();
    if theirs == own {
        let found = format!("an upgrade is refused: {}", answer.described());
        return Finding::wrong(UPGRADES, found, "the proxy's log and Deskway's say why");
    }
    Finding::wrong(
        UPGRADES,
        format!("refused, since they come from {own} and Deskway takes itself for {theirs}"),
        "mend `host` and `scheme` as said there",
    )
}

pub(super) fn refused(way: &Way, error: &NoSocket) -> Finding {
    let status = match error {
        NoSocket::Answer(answer) => Some(answer.status),
        _ => None,
    };
    let found = format!("no upgrade: {error}");
    match status {
        // What Deskway itself says to a request that is none for an upgrade, or of HTTP/1.0.
        Some(
            StatusCode::UPGRADE_REQUIRED
            | StatusCode::HTTP_VERSION_NOT_SUPPORTED
            | StatusCode::BAD_REQUEST,
        ) => {
            let found = format!("{found}; Upgrade and Connection are lost on the way");
            Finding::wrong(UPGRADES, found, way.mend(Lack::Upgrade))
        }
        Some(StatusCode::NOT_FOUND) => Finding::wrong(
            UPGRADES,
            found,
            "have the proxy pass everything below the base path on to Deskway",
        ),
        Some(StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY) => {
            Finding::wrong(UPGRADES, found, "try again when fewer doctors are at work")
        }
        _ => Finding::wrong(UPGRADES, found, way.mend(Lack::Upgrade)),
    }
}
