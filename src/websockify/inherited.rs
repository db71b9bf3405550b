//! The socket that inetd opened for this process.
//!
//! All of this is for a process that has no threads yet.

use std::io;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use rustix::net::{AddressFamily, sockopt};
use rustix::stdio;

use super::daemon::open_nothing;
use crate::listen::Listener;
use crate::listen::systemd::{listener, not_a_stream_socket, stream_family};

/// The first descriptor after standard input, output and error.
const AFTER_STANDARD: i32 = 3;

/// What inetd starts a program with.
#[derive(Debug)]
pub(crate) enum Inetd {
    /// `wait`: a socket that takes connections.
    Listener(Listener),
    /// `nowait`: the one connection to serve.
    Connection(Socket),
}

/// A connected socket, outside of any runtime.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Takes the socket that is standard input, and leaves nothing there. Where standard output or
/// error is the same socket there is nothing afterwards either: what is printed would go to the
/// browser. To be called before anything is.
///
/// # Errors
/// When standard input is no stream socket of IP or unix.
pub(crate) fn inetd() -> io::Result<Inetd> {
    let socket = rustix::io::fcntl_dupfd_cloexec(stdio::stdin(), AFTER_STANDARD)?;
    let inetd = take(socket)?;
    let nothing = open_nothing()?;
    let taken = rustix::fs::fstat(stdio::stdin())?;
    let is_taken = |descriptor| {
        rustix::fs::fstat(descriptor)
            .is_ok_and(|it| (it.st_dev, it.st_ino) == (taken.st_dev, taken.st_ino))
    };
    if is_taken(stdio::stdout()) {
        stdio::dup2_stdout(&nothing)?;
    }
    if is_taken(stdio::stderr()) {
        stdio::dup2_stderr(&nothing)?;
    }
    stdio::dup2_stdin(&nothing)?;
    Ok(inetd)
}

fn take(socket: OwnedFd) -> io::Result<Inetd> {
    if sockopt::socket_acceptconn(&socket).map_err(|_| not_a_stream_socket())? {
        return listener(socket).map(Inetd::Listener);
    }
    let family = stream_family(&socket)?;
    // Fails for a socket that is not connected, which could only wait for ever.
    rustix::net::getpeername(&socket)?;
    Ok(Inetd::Connection(if family == AddressFamily::UNIX {
        Socket::Unix(UnixStream::from(socket))
    } else {
        Socket::Tcp(TcpStream::from(socket))
    }))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixListener;

    use rustix::net::SocketType;

    use super::*;

    #[test]
    fn standard_input_may_listen_or_be_connected() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let taken = take(stream.into());
            assert!(
                matches!(taken, Ok(Inetd::Connection(Socket::Tcp(_)))),
                "{taken:?}"
            );
            let taken = take(listener.into());
            assert!(
                matches!(taken, Ok(Inetd::Listener(Listener::Tcp(_)))),
                "{taken:?}"
            );
        }
        let place = tempfile::TempDir::new().unwrap();
        let listener = UnixListener::bind(place.path().join("socket")).unwrap();
        let taken = take(listener.into());
        assert!(
            matches!(taken, Ok(Inetd::Listener(Listener::Unix(_)))),
            "{taken:?}"
        );
        let (stream, _peer) = UnixStream::pair().unwrap();
        let taken = take(stream.into());
        assert!(
            matches!(taken, Ok(Inetd::Connection(Socket::Unix(_)))),
            "{taken:?}"
        );
    }

    #[test]
    fn what_can_serve_nobody_is_refused() {
        let (pipe, _writer) = io::pipe().unwrap();
        let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
        let idle = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        for descriptor in [OwnedFd::from(pipe), datagrams.into(), idle] {
            assert!(take(descriptor).is_err());
        }
        let (stream, _peer) = UnixStream::pair().unwrap();
        assert!(listener(stream.into()).is_err());
    }
}
