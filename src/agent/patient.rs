//! Connections to the X server that are not waited for without end: the server is its user's, who
//! may have stopped it, or put another one in its place.

use std::cell::Cell;
use std::error::Error;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use x11rb::rust_connection::{DefaultStream, PollMode, RustConnection, Stream};
use x11rb::utils::RawFdContainer;

use super::x_server;

/// A connection whose answers are waited for until [`Patient::wait_until`].
pub(super) type Connection = RustConnection<Patient>;

/// The stream of such a connection.
pub(super) struct Patient {
    stream: DefaultStream,
    until: Cell<Instant>,
}

impl Patient {
    /// From now on answers are waited for until then.
    pub(super) fn wait_until(&self, until: Instant) {
        self.until.set(until);
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Connects to `display`. `authorization` is the protocol's name and data.
///
/// # Errors
/// When the X server does not let us, or does not answer in `patience`.
pub(super) fn connect(
    display: u16,
    authorization: (Vec<u8>, Vec<u8>),
    patience: Duration,
) -> Result<Connection, Box<dyn Error>> {
    // A server that stands still takes nobody in, and who comes when its queue is full must not
    // wait for that.
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(x_server::socket(display))?)?;
    let (stream, _peer) = DefaultStream::from_unix_stream(UnixStream::from(socket))?;
    let stream = Patient {
        stream,
        until: Cell::new(Instant::now() + patience),
    };
    let (name, data) = authorization;
    let connection = RustConnection::connect_to_stream_with_auth_info(stream, 0, name, data)?;
    Ok(connection)
}

impl Stream for Patient {
    fn poll(&self, mode: PollMode) -> io::Result<()> {
        let mut wanted = PollFlags::empty();
        wanted.set(PollFlags::IN, mode.readable());
        wanted.set(PollFlags::OUT, mode.writable());
        loop {
            let left = self.until.get().saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
            match poll(&mut [PollFd::new(&self.stream, wanted)], Some(&timeout)) {
                Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn read(&self, bytes: &mut [u8], fds: &mut Vec<RawFdContainer>) -> io::Result<usize> {
        self.stream.read(bytes, fds)
    }

    fn write(&self, bytes: &[u8], fds: &mut Vec<RawFdContainer>) -> io::Result<usize> {
        self.stream.write(bytes, fds)
    }
}
