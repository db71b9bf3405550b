//! WebSockets from outside: whether an upgrade passes, and what becomes of large messages, of many
//! at once, and of silence.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{CONNECTION, ORIGIN, UPGRADE};
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use url::Url;

use super::door::{self, DoorError};
use super::proxy::Lack;
use super::request::{self, Answer};
use super::seen::Seen;
use super::{Finding, Way};
use crate::runtime::Stream;

const UPGRADES: &str = "WebSocket";
const LARGE: &str = "large messages";
const MANY: &str = "many messages";
const SILENCE: &str = "silence";

/// For an upgrade, and for one message to come back.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// For the large message, and for the many.
const PASSING_TIMEOUT: Duration = Duration::from_mins(1);
/// A message as large as any that a desktop sends, in bytes.
const LARGE_LEN: usize = 1 << 20;
/// Many small ones without a wait between them.
const MANY_COUNT: usize = 512;
const MANY_LEN: usize = 2 << 10;
/// The longest message that is taken, in bytes.
const MAX_MESSAGE: usize = 2 << 20;

type Socket = WebSocketStream<Stream>;

/// Why there is no WebSocket.
#[derive(Debug, thiserror::Error)]
enum NoSocket {
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
    let (passing, quiet) = tokio::join!(pass(socket), async {
        match silence {
            Some(wait) => Some(be_silent(way, seen, &from, wait).await),
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

async fn open(way: &Way, origin: &str) -> Result<Socket, NoSocket> {
    let broken = |error| NoSocket::Broken(Box::new(error));
    let mut url = way.at("doctor/echo");
    let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
    let entered = door::enter(&url).await?;
    if url.set_scheme(scheme).is_err() {
        return Err(DoorError::NoHost.into());
    }
    let mut request = url.as_str().into_client_request().map_err(broken)?;
    request.headers_mut().extend(way.pass());
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

fn refused(way: &Way, error: &NoSocket) -> Finding {
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

/// The large message and the many.
async fn pass(mut socket: Socket) -> Vec<Finding> {
    let large = noise(LARGE_LEN);
    let there = there_and_back(&mut socket, &[large]).await;
    let large = told(LARGE, "1 MiB in one frame comes back as it was", there);
    let many: Vec<_> = (0..MANY_COUNT).map(|_| noise(MANY_LEN)).collect();
    let there = there_and_back(&mut socket, &many).await;
    let many = told(
        MANY,
        "512 of 2 kB without a pause come back as they were",
        there,
    );
    // That it is over is no news to anybody.
    _ = timeout(ANSWER_TIMEOUT, socket.close(None)).await;
    vec![large, many]
}

fn told(check: &'static str, fine: &str, there: Result<(), String>) -> Finding {
    match there {
        Ok(()) => Finding::fine(check, fine),
        Err(error) => Finding::wrong(
            check,
            error,
            "look for a filter or a web application firewall on the way, and take it off Deskway's path",
        ),
    }
}

/// Sends all and takes all, at the same time; whether what comes back is what was sent.
async fn there_and_back(socket: &mut Socket, messages: &[Bytes]) -> Result<(), String> {
    let (mut sink, mut source) = socket.split();
    let send = async {
        for message in messages {
            let sent = sink.feed(Message::Binary(message.clone())).await;
            sent.map_err(|error| error.to_string())?;
        }
        sink.flush().await.map_err(|error| error.to_string())
    };
    let receive = async {
        for (number, message) in messages.iter().enumerate() {
            let came = loop {
                match source.next().await {
                    Some(Ok(Message::Binary(came))) => break came,
                    Some(Ok(Message::Close(_))) | None => {
                        return Err(format!(
                            "the connection is closed in message {}",
                            number + 1
                        ));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(format!("message {}: {error}", number + 1)),
                }
            };
            if came != *message {
                return Err(format!("message {} comes back as another", number + 1));
            }
        }
        Ok(())
    };
    let both = async { tokio::try_join!(send, receive).map(|_| ()) };
    let late = || format!("not back within {} s", PASSING_TIMEOUT.as_secs());
    timeout(PASSING_TIMEOUT, both)
        .await
        .unwrap_or_else(|_| Err(late()))
}

/// Bytes that cannot be made shorter on the way.
fn noise(len: usize) -> Bytes {
    let mut bytes = vec![0; len];
    // Without randomness zeros have to do.
    _ = getrandom::fill(&mut bytes);
    bytes.into()
}

/// How long the way stays open with nothing on it.
async fn be_silent(way: &Way, seen: &Seen, origin: &str, wait: Duration) -> Finding {
    let mut socket = match open(way, origin).await {
        Ok(socket) => socket,
        Err(error) => return refused(way, &error),
    };
    let began = Instant::now();
    // Nothing comes by itself: whatever does is the end.
    let end = timeout(wait, socket.next()).await;
    let lasted = began.elapsed();
    if end.is_err() {
        let word = [noise(16)];
        let back = timeout(ANSWER_TIMEOUT, there_and_back(&mut socket, &word)).await;
        if matches!(back, Ok(Ok(()))) {
            _ = timeout(ANSWER_TIMEOUT, socket.close(None)).await;
            let found = format!(
                "a WebSocket is still open after {} s without a byte",
                wait.as_secs()
            );
            return Finding::fine(SILENCE, found);
        }
    }
    let pings = Duration::from_secs(seen.ping_every);
    cut(way, lasted, pings)
}

/// `pings`: how often the bridge pings.
fn cut(way: &Way, lasted: Duration, pings: Duration) -> Finding {
    let (cut, every) = (lasted.as_secs_f64().round(), pings.as_secs());
    let found = format!("a WebSocket is cut after {cut} s of silence");
    if lasted > pings {
        let found = format!("{found}; desktops stay, since Deskway pings every {every} s");
        Finding::note(SILENCE, found, way.mend(Lack::Patience))
    } else {
        let found = format!("{found}, and Deskway pings only every {every} s");
        Finding::wrong(SILENCE, found, way.mend(Lack::Patience))
    }
}
