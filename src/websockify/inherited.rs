//! Sockets that somebody else opened for this process: inetd, systemd.
//!
//! All of this is for a process that has no threads yet.

use std::ffi::OsStr;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use rustix::net::{AddressFamily, SocketType, sockopt};
use rustix::stdio;

use super::daemon::open_nothing;
use crate::listen::Listener;

/// The first descriptor that is passed, and the variables that say how many and to whom
/// (sd_listen_fds(3)).
const FIRST_PASSED: i32 = 3;
const PASSED_COUNT: &str = "LISTEN_FDS";
const PASSED_TO: &str = "LISTEN_PID";
const PASSED_NAMES: &str = "LISTEN_FDNAMES";
/// Most sockets that are taken from systemd.
const MAX_PASSED: i32 = 64;

/// The listening sockets that systemd opened for this process; none when it did not. The
/// variables that tell of them are removed.
///
/// # Errors
/// When what was passed is not listening sockets.
pub(crate) fn listeners() -> io::Result<Vec<Listener>> {
    let count = deskway_osuser::take_variable(PASSED_COUNT)?;
    let to = deskway_osuser::take_variable(PASSED_TO)?;
    deskway_osuser::take_variable(PASSED_NAMES)?;
    let count = passed(count.as_deref(), to.as_deref(), std::process::id())?;
    (FIRST_PASSED..FIRST_PASSED + count)
        .map(|number| {
            deskway_osuser::adopt(number)
                .and_then(listener)
                .map_err(|error| {
                    io::Error::new(error.kind(), format!("descriptor {number}: {error}"))
                })
        })
        .collect()
}

/// How many descriptors are passed to the process with number `own`.
fn passed(count: Option<&OsStr>, to: Option<&OsStr>, own: u32) -> io::Result<i32> {
    let number = |value: &OsStr| value.to_str()?.parse::<u32>().ok();
    let Some(count) = count.filter(|_| to.and_then(number) == Some(own)) else {
        return Ok(0);
    };
    number(count)
        .and_then(|count| i32::try_from(count).ok())
        .filter(|count| *count <= MAX_PASSED)
        .ok_or_else(|| io::Error::other(format!("{PASSED_COUNT} is not 0 to {MAX_PASSED}")))
}

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
    let socket = rustix::io::fcntl_dupfd_cloexec(stdio::stdin(), FIRST_PASSED)?;
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

fn listener(socket: OwnedFd) -> io::Result<Listener> {
    let family = stream_family(&socket)?;
    if !sockopt::socket_acceptconn(&socket)? {
        return Err(io::Error::other("a socket that does not listen"));
    }
    Ok(if family == AddressFamily::UNIX {
        UnixListener::from(socket).into()
    } else {
        TcpListener::from(socket).into()
    })
}

fn stream_family(socket: impl AsFd) -> io::Result<AddressFamily> {
    let family = sockopt::socket_domain(&socket).map_err(|_| not_a_stream_socket())?;
    let known = [
        AddressFamily::INET,
        AddressFamily::INET6,
        AddressFamily::UNIX,
    ];
    if sockopt::socket_type(&socket)? == SocketType::STREAM && known.contains(&family) {
        Ok(family)
    } else {
        Err(not_a_stream_socket())
    }
}

fn not_a_stream_socket() -> io::Error {
    io::Error::other("not a stream socket of IP or unix")
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::OwnedFd;

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

    #[test]
    fn sockets_are_passed_to_the_process_that_they_name() {
        let passed = |count: Option<&'static str>, to: Option<&'static str>| {
            passed(count.map(OsStr::new), to.map(OsStr::new), 7)
        };
        assert_eq!(passed(None, None).unwrap(), 0);
        assert_eq!(passed(Some("1"), None).unwrap(), 0);
        assert_eq!(passed(Some("1"), Some("8")).unwrap(), 0);
        assert_eq!(passed(None, Some("7")).unwrap(), 0);
        assert_eq!(passed(Some("2"), Some("7")).unwrap(), 2);
        for wrong in ["", "-1", "x", "65", "4294967295", "99999999999"] {
            assert!(passed(Some(wrong), Some("7")).is_err(), "{wrong}");
        }
    }
}
