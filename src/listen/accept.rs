//! The accept loop, which only accepts: all that a visitor can delay is their own task.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::http::{Request, Response};
use axum::body::Body;
use tower::Service;
use tracing::{debug, warn};

use super::limits::{Limits, Place};
use super::listener::{Listener, prepare};
use super::proxy_protocol::{self, HeaderError};
use super::refusal::Refusal;
use super::spare::Spare;
use super::tls::Tls;
use super::trusted::TrustedProxies;
use super::{Connection, http, http2, plain};
use crate::model::Scheme;
use crate::runtime::{Stream, Tasks};

/// TLS handshake, or the wait for the first byte that says whether there is one.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A header of the PROXY protocol, which comes with the connection's first packet.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause after an accept that failed for want of descriptors or memory: visitors wait in the
/// kernel's queue until they are let in or turned away, and the processor rests.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The first byte of a TLS handshake record (RFC 8446, 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// What a listener needs besides its socket.
#[derive(Clone, Debug)]
pub struct Listen<S> {
    /// `None`: plain http.
    pub tls: Option<Tls>,
    /// What becomes of who does not speak TLS where there is TLS.
    pub plain: Plain,
    /// Each connection begins with a header of the PROXY protocol; those that do not come from
    /// a trusted proxy are closed.
    pub proxy_protocol: bool,
    /// Whose word counts for where requests come from.
    pub trusted: TrustedProxies,
    pub limits: Limits,
    pub tasks: Tasks,
    /// Hears of each connection that is refused before it has made a request; of those that are
    /// too many, once until there is room again.
    pub refused: fn(&Connection, &Refusal),
    /// Answers the requests.
    pub service: S,
}

/// What becomes of a client that speaks plain http where TLS is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    /// It is sent to https.
    Redirect,
    /// It is served all the same.
    Serve,
    /// Its connection is closed.
    Refuse,
}

/// Serves `listener` until the stop begins.
///
/// # Errors
/// When the socket cannot be used at all.
pub fn listen<S>(listener: impl Into<Listener>, listen: Listen<S>) -> io::Result<()>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    let listener = listener.into().into_async()?;
    let local = listener.address()?;
    let tasks = listen.tasks.clone();
    tasks.spawn(async move {
        let mut is_short = false;
        let mut spare = Spare::beside(&listener);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = listen.tasks.stopping() => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    is_short = false;
                    serve_one(&listen, stream, peer, local);
                }
                Err(error) if is_the_visitors_fault(&error) => {}
                Err(error) => {
                    if !is_short {
                        warn!("no connection can be accepted for the moment: {error}");
                    }
                    is_short = true;
                    spare.turn_away(&listener, listen.tls.is_none()).await;
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    });
    Ok(())
}

/// Serves one connection that somebody else accepted, in a task of its own.
pub fn serve_one<S>(
    listen: &Listen<S>,
    stream: Stream,
    peer: Option<SocketAddr>,
    local: Option<SocketAddr>,
) where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    let mut connection = Connection::new(peer, local);
    let is_proxy = connection.is_trusted(&listen.trusted);
    if listen.proxy_protocol && !is_proxy {
        (listen.refused)(&connection, &Refusal::Stranger);
        return;
    }
    let entered = if is_proxy {
        listen.limits.enter_from_proxy()
    } else {
        listen.limits.enter(connection.address())
    };
    let place = match entered {
        Ok(place) => place,
        Err(full) => {
            if full.is_news() {
                (listen.refused)(&connection, &full.into());
            } else {
                debug!(?peer, "refused: {full}");
            }
            return;
        }
    };
    if let Stream::Tcp(socket) = &stream
        && let Err(error) = prepare(socket)
    {
        debug!(?peer, %error, "gone before it was served");
        return;
    }
    let listen_to = listen.clone();
    listen.tasks.spawn(async move {
        let refused = listen_to.refused;
        if let Err(refusal) = talk(stream, &mut connection, listen_to, place).await {
            match refusal {
                Refusal::Left(error) => debug!(?peer, %error, "connection ended"),
                refusal => refused(&connection, &refusal),
            }
        }
    });
}

async fn talk<S>(
    mut stream: Stream,
    connection: &mut Connection,
    listen: Listen<S>,
    mut place: Place,
) -> Result<(), Refusal>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    if listen.proxy_protocol {
        let introduced = introduce(&mut stream, connection);
        tokio::select! {
            introduced = introduced => introduced?,
            () = last_call(&listen.tasks) => return Ok(()),
        }
        if !connection.is_trusted(&listen.trusted) {
            place.count_for(connection.address())?;
        }
    }
    let mut is_http2 = false;
    let stream = match &listen.tls {
        None => stream,
        Some(tls) => {
            // It may bring who speaks https with it; who does not is told by the service.
            let plain = match listen.plain {
                Plain::Redirect if connection.is_trusted(&listen.trusted) => Plain::Serve,
                plain => plain,
            };
            let secured = secure(stream, tls, plain, connection, &mut is_http2);
            let secured = tokio::select! {
                secured = tokio::time::timeout(HANDSHAKE_TIMEOUT, secured) => {
                    secured.map_err(|late| Refusal::Left(late.into()))??
                }
                () = last_call(&listen.tasks) => return Ok(()),
            };
            let Some(stream) = secured else { return Ok(()) };
            stream
        }
    };
    let connection = connection.clone();
    if is_http2 {
        http2::serve(stream, connection, listen, place).await
    } else {
        http::serve(stream, connection, listen, place).await
    }
}

/// Reads the header of the PROXY protocol.
async fn introduce(stream: &mut Stream, connection: &mut Connection) -> Result<(), Refusal> {
    let header = tokio::time::timeout(HEADER_TIMEOUT, proxy_protocol::read(stream)).await;
    match header.map_err(|late| Refusal::Left(late.into()))? {
        Ok(header) => connection.hear_header(header),
        Err(HeaderError::Bad(bad)) => return Err(bad.into()),
        Err(HeaderError::Lost(error)) => return Err(Refusal::Left(error)),
    }
    Ok(())
}

/// Resolves when the stop has begun and whoever was let in before has had time to say something.
async fn last_call(tasks: &Tasks) {
    tasks.stopping().await;
    tokio::time::sleep(http::LAST_CALL).await;
}

/// The stream that HTTP is spoken on; none when the client has been answered already.
async fn secure(
    mut stream: Stream,
    tls: &Tls,
    plain: Plain,
    connection: &mut Connection,
    is_http2: &mut bool,
) -> Result<Option<Stream>, Refusal> {
    match (stream.peek().await.map_err(Refusal::Left)?, plain) {
        (None, _) => Ok(None),
        (Some(TLS_HANDSHAKE), _) => {
            let accepted = tls.accept(stream).await;
            let secured = accepted.map_err(Refusal::Handshake)?;
            connection.scheme = Scheme::Https;
            connection.client_name = secured.client_name.map(Arc::from);
            *is_http2 = secured.is_http2;
            Ok(Some(secured.stream))
        }
        (Some(_), Plain::Serve) => Ok(Some(stream)),
        (Some(_), Plain::Refuse) => Err(Refusal::Plain),
        (Some(_), Plain::Redirect) => {
            let sent = plain::redirect(stream, tls.hosts()).await;
            sent.map(|()| None).map_err(Refusal::Left)
        }
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

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use rustix::net::sockopt;
    use tokio::io::{AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_header_that_trickles_is_not_waited_for() {
        for header in [
            &b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 80\r\n"[..],
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c............",
        ] {
            let (mut proxy, stream) = duplex(64);
            let mut stream = Stream::over(stream);
            let mut connection = Connection::new(None, None);
            let trickle = async {
                for byte in header {
                    proxy.write_u8(*byte).await.unwrap();
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            };
            let late = tokio::select! {
                introduced = introduce(&mut stream, &mut connection) => introduced.unwrap_err(),
                () = trickle => panic!("it was waited for"),
            };
            let Refusal::Left(error) = late else {
                panic!("{late}")
            };
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        }
    }

    #[tokio::test]
    async fn a_connection_that_somebody_else_accepted_is_prepared_as_all_are() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, peer) = listener.accept().unwrap();
        accepted.set_nonblocking(true).unwrap();
        let same = accepted.try_clone().unwrap();
        let stream = tokio::net::TcpStream::from_std(accepted).unwrap();
        let listen = Listen {
            tls: None,
            plain: Plain::Serve,
            proxy_protocol: false,
            trusted: TrustedProxies::default(),
            limits: Limits::new(1, 1),
            tasks: Tasks::new(),
            refused: |_, why| panic!("{why}"),
            service: tower::service_fn(|_| async { Ok(Response::new(Body::empty())) }),
        };
        serve_one(&listen, stream.into(), Some(peer), None);
        assert!(same.nodelay().unwrap());
        assert!(sockopt::socket_keepalive(&same).unwrap());
    }
}
