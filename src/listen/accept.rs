//! The accept loop, which only accepts: all that a visitor can delay is their own task.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use ::http::{Request, Response};
use axum::body::Body;
use tokio::net::{TcpListener, TcpStream};
use tower::Service;
use tracing::{debug, warn};

use super::limits::{Full, Limits, Place};
use super::tls::Tls;
use super::{Connection, http, plain};
use crate::model::Scheme;
use crate::runtime::Tasks;

/// TLS handshake, or the wait for the first byte that says whether there is one.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause after an accept that failed for want of descriptors or memory: the visitor waits
/// in the kernel's queue, and the processor rests.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The first byte of a TLS handshake record (RFC 8446, 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// What a listener needs besides its socket.
#[derive(Clone, Debug)]
pub struct Listen<S> {
    /// `None`: plain http.
    pub tls: Option<Tls>,
    pub limits: Limits,
    pub tasks: Tasks,
    /// Answers the requests.
    pub service: S,
}

/// Serves `listener` until the stop begins.
///
/// # Errors
/// When the socket cannot be used at all.
pub fn listen<S>(listener: std::net::TcpListener, listen: Listen<S>) -> io::Result<()>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let local = listener.local_addr()?;
    let tasks = listen.tasks.clone();
    tasks.spawn(async move {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = listen.tasks.stopping() => return,
            };
            match accepted {
                Ok((stream, peer)) => visit(&listen, stream, peer, local),
                Err(error) if is_the_visitors_fault(&error) => {}
                Err(error) => {
                    warn!(%error, "no connection can be accepted for the moment");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    });
    Ok(())
}

fn visit<S>(listen: &Listen<S>, stream: TcpStream, peer: SocketAddr, local: SocketAddr)
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    let place = match listen.limits.enter(peer.ip()) {
        Ok(place) => place,
        Err(full) => {
            let which = match full {
                Full::Everybody => "too many connections",
                Full::ThisAddress => "too many connections from this address",
            };
            debug!(%peer, "refused: {which}");
            return;
        }
    };
    let (tls, tasks) = (listen.tls.clone(), listen.tasks.clone());
    let service = listen.service.clone();
    listen.tasks.spawn(async move {
        let connection = Connection {
            peer,
            local,
            scheme: if tls.is_some() {
                Scheme::Https
            } else {
                Scheme::Http
            },
        };
        if let Err(error) = talk(stream, connection, tls, service, &tasks, place).await {
            debug!(%peer, %error, "connection ended");
        }
    });
}

async fn talk<S>(
    stream: TcpStream,
    connection: Connection,
    tls: Option<Tls>,
    service: S,
    tasks: &Tasks,
    place: Place,
) -> io::Result<()>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    stream.set_nodelay(true)?;
    let Some(tls) = tls else {
        return http::serve(stream, connection, service, tasks, place).await;
    };
    let handshake = async {
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Ok(None);
        }
        if first == [TLS_HANDSHAKE] {
            tls.accept(stream).await.map(Some)
        } else {
            plain::redirect(stream, tls.hosts()).await.map(|()| None)
        }
    };
    let secured = tokio::select! {
        secured = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake) => secured??,
        () = tasks.stopping() => return Ok(()),
    };
    match secured {
        Some(stream) => http::serve(stream, connection, service, tasks, place).await,
        None => Ok(()),
    }
}

/// Whether an accept failed because of the one connection that it would have taken.
fn is_the_visitors_fault(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
