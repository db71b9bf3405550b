//! A SOCK_SEQPACKET socket under tokio: whole messages, with a descriptor now and then.
//!
//! tokio has no type of its own for it. Its Unix sockets wait on any descriptor, and accepting is
//! the same for both; sending and receiving are our own calls.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendFlags};
use tokio::io::Interest;
use tokio::net::{UnixListener, UnixStream};

use crate::launcher::protocol::MAX_ANSWER;

/// Room for one descriptor in a message; more are cut off by the kernel and refused here.
const CONTROL: usize = rustix::cmsg_space!(ScmRights(1));

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
        let send = || {
            Ok(rustix::net::send(
                &self.socket,
                message,
                SendFlags::NOSIGNAL,
            )?)
        };
        self.socket.async_io(Interest::WRITABLE, send).await?;
        Ok(())
    }

    /// Receives one message into `buffer`, which has room for the longest: its length and the
    /// descriptor that came with it. 0 is the end of the connection.
    pub(super) async fn receive(
        &self,
        buffer: &mut Box<[u8; MAX_ANSWER]>,
    ) -> io::Result<(usize, Option<OwnedFd>)> {
        let receive = || receive_now(&self.socket, buffer.as_mut_slice());
        self.socket.async_io(Interest::READABLE, receive).await
    }
}

fn receive_now(socket: &UnixStream, buffer: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); CONTROL];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::net::recvmsg(
        socket.as_fd(),
        &mut [IoSliceMut::new(buffer)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let mut descriptors = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let descriptor = descriptors.next().and_then(|mut rights| rights.next());
    if received
        .flags
        .intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC)
    {
        let error = "a message is longer than any may be";
        return Err(io::Error::new(io::ErrorKind::InvalidData, error));
    }
    Ok((received.bytes, descriptor))
}
