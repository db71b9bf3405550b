//! A SOCK_SEQPACKET socket under tokio: whole messages, with a descriptor now and then.
//!
//! tokio has no type of its own for it. Its Unix sockets wait on any descriptor, and accepting is
//! the same for both; sending and receiving are our own calls.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use deskway_osuser::Received;
use tokio::io::Interest;
use tokio::net::{UnixListener, UnixStream};

/// One end of a connection.
#[derive(Debug)]
pub(super) struct Datagrams {
    socket: UnixStream,
}

/// A socket that waits for connections.
#[derive(Debug)]
pub(super) struct Listener {
    socket: UnixListener,
}

impl Listener {
    pub(super) fn new(socket: OwnedFd) -> io::Result<Self> {
        let socket = std::os::unix::net::UnixListener::from(socket);
        socket.set_nonblocking(true)?;
        let socket = UnixListener::from_std(socket)?;
        Ok(Self { socket })
    }

    /// The next connection and the uid of the process at its other end.
    pub(super) async fn accept(&self) -> io::Result<(Datagrams, u32)> {
        let (socket, _) = self.socket.accept().await?;
        let uid = socket.peer_cred()?.uid();
        Ok((Datagrams { socket }, uid))
    }
}

impl Datagrams {
    /// Sends one message whole.
    pub(super) async fn send(&self, message: &[u8]) -> io::Result<()> {
        let send = || deskway_osuser::send(self.socket.as_fd(), message);
        self.socket.async_io(Interest::WRITABLE, send).await
    }

    /// Receives one message into `buffer`, which has room for the longest: its length and the
    /// descriptor that came with it. 0 is the end of the connection.
    ///
    /// # Errors
    /// When the connection breaks, or the message is longer than any may be.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
        let socket = self.socket.as_fd();
        let receive = || deskway_osuser::receive_with_descriptor(socket, buffer);
        match self.socket.async_io(Interest::READABLE, receive).await? {
            Received::Message(length, descriptor) => Ok((length, descriptor)),
            Received::End => Ok((0, None)),
            Received::TooLong => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a message is longer than any may be",
            )),
        }
    }
}
