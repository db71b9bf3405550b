//! Where connections come in: sockets of our own, or those that somebody else opened.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use axum::body::Body;
use http::{Request, Response};
use tokio::net::{TcpStream, UnixStream};
use tower::Service;

use crate::listen::{self, Listen, Listener, bind, systemd};
use crate::runtime::Stream;
use crate::websockify::inherited::{self, Inetd, Socket};
use crate::websockify::settings::{Settings, Source};

/// Open sockets, outside of any runtime.
#[derive(Debug)]
pub(super) enum Sockets {
    /// From here or from systemd.
    Listeners(Vec<Listener>),
    /// The one connection that inetd has accepted.
    Connection(Socket),
}

impl Sockets {
    /// What inetd has left on standard input, if the command line says so.
    pub(super) fn taken(settings: &Settings) -> Result<Option<Self>> {
        if settings.listen != Source::Inetd {
            return Ok(None);
        }
        let inetd = inherited::inetd().context("standard input is no socket from inetd")?;
        Ok(Some(match inetd {
            Inetd::Listener(listener) => Self::Listeners(vec![listener]),
            Inetd::Connection(connection) => Self::Connection(connection),
        }))
    }

    /// What was taken from inetd; else what systemd passed; else what the command line names.
    pub(super) fn open(taken: Option<Self>, settings: &Settings) -> Result<Self> {
        if let Some(taken) = taken {
            return Ok(taken);
        }
        let passed = systemd::passed().context("the sockets of systemd cannot be used")?;
        if !passed.is_empty() {
            let listeners = passed.into_iter().map(|it| it.listener);
            return Ok(Self::Listeners(listeners.collect()));
        }
        let listener = match &settings.listen {
            Source::Tcp {
                host,
                port,
                prefer_ipv6,
            } => bind::tcp(host, *port, *prefer_ipv6)?.into(),
            Source::Unix { path, mode } => bind::unix(path, *mode)?.into(),
            Source::Inetd => return Ok(Self::Listeners(Vec::new())),
        };
        Ok(Self::Listeners(vec![listener]))
    }

    /// Descriptors of their own for each of `threads`, so that a socket is closed as soon as all
    /// have done with it. One connection is for one thread.
    pub(super) fn shares(self, threads: usize) -> io::Result<Vec<Self>> {
        let listeners = match self {
            Self::Listeners(listeners) => listeners,
            one @ Self::Connection(_) => return Ok(vec![one]),
        };
        (0..threads)
            .map(|_| {
                let clones = listeners.iter().map(Listener::try_clone);
                clones.collect::<io::Result<_>>().map(Self::Listeners)
            })
            .collect()
    }

    /// Has the runtime that this is called in take connections.
    pub(super) fn accept<S>(self, listen: &Listen<S>) -> io::Result<()>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
    {
        match self {
            Self::Listeners(listeners) => {
                for listener in listeners {
                    listen::listen(listener, listen.clone())?;
                }
            }
            Self::Connection(connection) => {
                let (stream, peer, local) = under_tokio(connection)?;
                listen::serve_one(listen, stream, peer, local);
            }
        }
        Ok(())
    }
}

/// A stream, who is at its other end, and where it was accepted.
fn under_tokio(socket: Socket) -> io::Result<(Stream, Option<SocketAddr>, Option<SocketAddr>)> {
    Ok(match socket {
        Socket::Tcp(socket) => {
            let (peer, local) = (socket.peer_addr()?, socket.local_addr()?);
            socket.set_nonblocking(true)?;
            (TcpStream::from_std(socket)?.into(), Some(peer), Some(local))
        }
        Socket::Unix(socket) => {
            socket.set_nonblocking(true)?;
            (UnixStream::from_std(socket)?.into(), None, None)
        }
    })
}
