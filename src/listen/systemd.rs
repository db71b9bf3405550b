//! Sockets that systemd opened for this process (sd_listen_fds(3)).
//!
//! For a process that has no threads yet.

use std::ffi::OsStr;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixListener;

use rustix::net::{AddressFamily, SocketType, sockopt};

use super::Listener;

/// The first descriptor that is passed, and the variables that say how many, to whom, and the
/// names of them.
const FIRST_PASSED: i32 = 3;
const PASSED_COUNT: &str = "LISTEN_FDS";
const PASSED_TO: &str = "LISTEN_PID";
const PASSED_NAMES: &str = "LISTEN_FDNAMES";
/// Most sockets that are taken from systemd.
const MAX_PASSED: i32 = 64;

/// A socket that was passed.
#[derive(Debug)]
pub struct Passed {
    /// `FileDescriptorName=` of its unit, or the unit's name; empty where none was told.
    pub name: String,
    pub listener: Listener,
}

/// The listening sockets that systemd opened for this process; none when it did not. The
/// variables that tell of them are removed.
///
/// # Errors
/// When what was passed is not listening sockets.
pub fn passed() -> io::Result<Vec<Passed>> {
    let count = deskway_osuser::take_variable(PASSED_COUNT)?;
    let to = deskway_osuser::take_variable(PASSED_TO)?;
    let names = deskway_osuser::take_variable(PASSED_NAMES)?.unwrap_or_default();
    let count = how_many(count.as_deref(), to.as_deref(), std::process::id())?;
    let names = names.as_bytes().split(|byte| *byte == b':');
    let names = names.map(|name| String::from_utf8_lossy(name).into_owned());
    (FIRST_PASSED..FIRST_PASSED + count)
        .zip(names.chain(std::iter::repeat(String::new())))
        .map(|(number, name)| {
            let listener = deskway_osuser::adopt(number).and_then(listener);
            let listener = listener.map_err(|error| {
                io::Error::new(error.kind(), format!("descriptor {number}: {error}"))
            })?;
            Ok(Passed { name, listener })
        })
        .collect()
}

/// How many descriptors are passed to the process with number `own`.
fn how_many(count: Option<&OsStr>, to: Option<&OsStr>, own: u32) -> io::Result<i32> {
    let number = |value: &OsStr| value.to_str()?.parse::<u32>().ok();
    let Some(count) = count.filter(|_| to.and_then(number) == Some(own)) else {
        return Ok(0);
    };
    number(count)
        .and_then(|count| i32::try_from(count).ok())
        .filter(|count| *count <= MAX_PASSED)
        .ok_or_else(|| io::Error::other(format!("{PASSED_COUNT} is not 0 to {MAX_PASSED}")))
}

/// A listening socket of whichever kind.
///
/// # Errors
/// When it is none.
pub fn listener(socket: OwnedFd) -> io::Result<Listener> {
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

/// The family of a stream socket of IP or unix.
///
/// # Errors
/// When it is another one, or no socket.
pub fn stream_family(socket: impl AsFd) -> io::Result<AddressFamily> {
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

/// The error for what is none.
pub fn not_a_stream_socket() -> io::Error {
    io::Error::other("not a stream socket of IP or unix")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_passed_to_the_process_that_they_name() {
        let passed = |count: Option<&'static str>, to: Option<&'static str>| {
            how_many(count.map(OsStr::new), to.map(OsStr::new), 7)
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
