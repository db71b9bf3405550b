//! A SOCK_SEQPACKET socket under tokio: whole messages, with a descriptor now and then.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendFlags, SocketFlags,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::launcher::protocol::MAX_ANSWER;

/// Room for one descriptor in a message; more are cut off by the kernel and refused here.
const CONTROL: usize = rustix::cmsg_space!(ScmRights(1));

/// One end of a connection.
#[derive(Debug)]
pub(super) struct Datagrams {
    socket: AsyncFd<OwnedFd>,
}

/// A socket that waits for connections.
#[derive(Debug)]
pub(super) struct Listener {
    socket: AsyncFd<OwnedFd>,
}

impl Listener {
    pub(super) fn new(socket: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        let socket = AsyncFd::with_interest(socket, Interest::READABLE)?;
        Ok(Self { socket })
    }

    /// The next connection and the uid of the process at its other end.
    pub(super) async fn accept(&self) -> io::Result<(Datagrams, u32)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let accept = |socket: &OwnedFd| Ok(rustix::net::accept_with(socket, flags)?);
        let socket = self.socket.async_io(Interest::READABLE, accept).await?;
        let peer = rustix::net::sockopt::socket_peercred(&socket)?;
        let socket = AsyncFd::new(socket)?;
        Ok((Datagrams { socket }, peer.uid.as_raw()))
    }
}

impl Datagrams {
    /// Sends one message whole.
    pub(super) async fn send(&self, message: &[u8]) -> io::Result<()> {
        let send = |socket: &OwnedFd| Ok(rustix::net::send(socket, message, SendFlags::NOSIGNAL)?);
        self.socket.async_io(Interest::WRITABLE, send).await?;
        Ok(())
    }

    /// Receives one message into `buffer`, which has room for the longest: its length and the
    /// descriptor that came with it. 0 is the end of the connection.
    pub(super) async fn receive(
        &self,
        buffer: &mut Box<[u8; MAX_ANSWER]>,
    ) -> io::Result<(usize, Option<OwnedFd>)> {
        let receive = |socket: &OwnedFd| receive_now(socket, buffer.as_mut_slice());
        self.socket.async_io(Interest::READABLE, receive).await
    }
}

fn receive_now(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
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
    if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        let error = "a message is longer than any may be";
        return Err(io::Error::new(io::ErrorKind::InvalidData, error));
    }
    Ok((received.bytes, descriptor))
}
