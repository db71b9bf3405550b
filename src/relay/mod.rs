//! A VNC server behind a WebSocket, as if it were a socket: connects to it as a browser would,
//! then carries its bytes to one end of a pair of sockets until either side ends.
//!
//! Runs in a process of its own, which the launcher forks for one viewer and which gives up all
//! that it does not need before it hears the server's first byte.

mod confine;
mod incoming;
mod pump;
mod upgrade;

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::time::timeout;
use url::{Host, Url};

use crate::bridge::websocket::Violation;
use crate::websockify::{Dialer, Target};

pub(crate) use pump::End;

/// How long the server may take over its answer to the upgrade.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why nothing is carried. For the person, and for the admin who is to mend it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("this machine has no means for a relay: {0}")]
    Machine(#[from] io::Error),
    #[error("{0}")]
    Connect(String),
    #[error("the WebSocket server at {place} did not answer the upgrade in time")]
    Silent { place: String },
    #[error("the WebSocket server at {place} answered {status} to the upgrade{advice}")]
    Status {
        place: String,
        status: http::StatusCode,
        advice: &'static str,
    },
    #[error("what answers at {place} is no WebSocket server: {reason}")]
    NoWebSocket { place: String, reason: String },
    #[error(
        "the WebSocket server at {place} wants the subprotocol `{wanted}`; `binary` is spoken here"
    )]
    Subprotocol { place: String, wanted: String },
    #[error("the WebSocket server at {place} {end}")]
    Ended { place: String, end: End },
    #[error("{0}")]
    NotHandedOver(String),
}

/// A certificate file that root has read.
#[derive(Debug)]
pub(crate) struct Authorities<'a> {
    pub(crate) path: &'a Path,
    pub(crate) pem: Vec<u8>,
}

/// Connects, gives one end of a pair of sockets to `hand_over`, which runs beside the relay and
/// closes its end when it returns, and carries bytes until either side ends. `hand_over` fails with
/// its reason, or with `None` when the stream ended, for which the server has one.
///
/// # Errors
/// When it came to nothing: before `hand_over` was content, nobody has the socket's other end.
pub(crate) fn run(
    url: &Url,
    authorities: Option<&Authorities<'_>>,
    hand_over: impl FnOnce(UnixStream) -> Result<(), Option<String>> + Send,
) -> Result<End, Error> {
    // What looks up a name does not linger: it would be outside of what `confine` closes.
    let runtime: Runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .thread_keep_alive(Duration::ZERO)
        .build()?;
    let dialer = dialer(url, authorities)?;
    let (socket, early) = runtime.block_on(connect(url, &dialer))?;
    let (near, far) = UnixStream::pair()?;
    near.set_nonblocking(true)?;
    confine::enter()?;
    let (told, handed) = oneshot::channel();
    thread::scope(|scope| {
        thread::Builder::new().spawn_scoped(scope, move || {
            // The relay is gone already when there is nobody to tell.
            _ = told.send(hand_over(far));
        })?;
        runtime.block_on(async {
            let near = tokio::net::UnixStream::from_std(near)?;
            let end = pump::carry(socket, early, near).await;
            // Its end of the pair has ended as well, so that it soon knows.
            match handed.await {
                Ok(Ok(())) => Ok(end),
                Ok(Err(Some(reason))) => Err(Error::NotHandedOver(reason)),
                Ok(Err(None)) | Err(_) => Err(Error::Ended {
                    place: place(url),
                    end,
                }),
            }
        })
    })
}

fn dialer(url: &Url, authorities: Option<&Authorities<'_>>) -> Result<Dialer, Error> {
    if url.scheme() == "ws" {
        return Ok(Dialer::plain());
    }
    Dialer::trusting(authorities.map(|it| (it.path, it.pem.as_slice())))
        .map_err(|error| Error::Connect(error.to_string()))
}

async fn connect(
    url: &Url,
    dialer: &Dialer,
) -> Result<(crate::runtime::Stream, bytes::Bytes), Error> {
    let host = match url.host() {
        Some(Host::Domain(name)) => name.to_owned(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        None => return Err(Error::Connect("its address has no host".to_owned())),
    };
    let port = url.port_or_known_default().unwrap_or_default();
    let target = Target::Tcp { host, port };
    let stream = dialer.dial(&target).await;
    let stream = stream.map_err(|error| Error::Connect(error.to_string()))?;
    match timeout(UPGRADE_TIMEOUT, upgrade::upgrade(url, stream)).await {
        Ok(upgraded) => upgraded,
        Err(_) => Err(Error::Silent { place: place(url) }),
    }
}

/// The address without its query, in which there may be a token.
pub(crate) fn place(url: &Url) -> String {
    let mut place = url.clone();
    place.set_query(None);
    place.into()
}

impl From<Violation> for End {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}
