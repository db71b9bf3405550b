//! SOCK_SEQPACKET over unix sockets: whole messages, the peer's credentials from the kernel, and
//! at most one descriptor with a message (SCM_RIGHTS, unix(7)).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};

const FLAGS: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 64;

/// Who is at the other end: of a connection, the process that connected or that listened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    pub pid: i32,
    pub uid: u32,
    pub gid: u32,
}

/// One message, or the end.
#[derive(Debug)]
pub enum Received {
    /// So many bytes of the buffer.
    Message(usize, Option<OwnedFd>),
    /// A message that was longer than the buffer, which is lost.
    TooLong,
    /// The other end is closed.
    End,
}

/// Two connected sockets, neither blocking.
///
/// # Errors
/// When there are too many open descriptors.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        FLAGS,
        None,
    )?)
}

/// Listens at `path`, which must not exist.
///
/// # Errors
/// When the path is taken, too long (108 bytes) or not writable.
pub fn listen(path: &Path) -> io::Result<OwnedFd> {
    let socket = socket()?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// # Errors
/// `WouldBlock` when nobody waits.
pub fn accept(listener: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    Ok(rustix::net::accept_with(listener, FLAGS)?)
}

/// Connects at once or not at all.
///
/// # Errors
/// When nobody listens there, or too many wait.
pub fn connect(path: &Path) -> io::Result<OwnedFd> {
    let socket = socket()?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

/// SO_PEERCRED.
///
/// # Errors
/// When it is not a connected unix socket.
pub fn peer(socket: BorrowedFd<'_>) -> io::Result<Peer> {
    let peer = rustix::net::sockopt::socket_peercred(socket)?;
    Ok(Peer {
        pid: peer.pid.as_raw_nonzero().get(),
        uid: peer.uid.as_raw(),
        gid: peer.gid.as_raw(),
    })
}

/// # Errors
/// `WouldBlock` when the other end does not read; others when it is gone.
pub fn send(socket: BorrowedFd<'_>, message: &[u8]) -> io::Result<()> {
    let sent = rustix::net::send(socket, message, SendFlags::NOSIGNAL)?;
    whole(sent, message.len())
}

/// # Errors
/// As [`send`].
pub fn send_with_descriptor(
    socket: BorrowedFd<'_>,
    message: &[u8],
    descriptor: BorrowedFd<'_>,
) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor];
    if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("no room for a descriptor"));
    }
    let sent = rustix::net::sendmsg(
        socket,
        &[IoSlice::new(message)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    whole(sent, message.len())
}

/// One message; a descriptor that came with it is closed.
///
/// # Errors
/// `WouldBlock` when there is none.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
    let (bytes, length) = rustix::net::recv(socket, &mut *buffer, RecvFlags::TRUNC)?;
    Ok(if length > bytes {
        Received::TooLong
    } else if length == 0 {
        Received::End
    } else {
        Received::Message(length, None)
    })
}

/// One message with the descriptor that came with it.
///
/// # Errors
/// `WouldBlock` when there is none.
pub fn receive_with_descriptor(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::net::recvmsg(
        socket,
        &mut [IoSliceMut::new(buffer)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let mut descriptor = None;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            descriptor = descriptors.last();
        }
    }
    Ok(if received.flags.contains(ReturnFlags::TRUNC) {
        Received::TooLong
    } else if received.bytes == 0 {
        Received::End
    } else {
        Received::Message(received.bytes, descriptor)
    })
}

fn socket() -> io::Result<OwnedFd> {
    Ok(rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        FLAGS,
        None,
    )?)
}

fn whole(sent: usize, length: usize) -> io::Result<()> {
    if sent == length {
        Ok(())
    } else {
        Err(io::ErrorKind::WriteZero.into())
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_descriptor_travels_with_a_message() {
        let (here, there) = pair().unwrap();
        let (near, far) = pair().unwrap();
        send_with_descriptor(here.as_fd(), b"take", far.as_fd()).unwrap();
        let mut buffer = [0; 16];
        let received = receive_with_descriptor(there.as_fd(), &mut buffer).unwrap();
        let Received::Message(4, Some(passed)) = received else {
            panic!("{received:?}");
        };
        send(near.as_fd(), b"hello").unwrap();
        let received = receive(passed.as_fd(), &mut buffer).unwrap();
        assert!(matches!(received, Received::Message(5, None)));
    }

    #[test]
    fn a_message_that_is_too_long_is_told_from_one_that_fits() {
        let (here, there) = pair().unwrap();
        send(here.as_fd(), &[1; 17]).unwrap();
        send(here.as_fd(), &[1; 16]).unwrap();
        let mut buffer = [0; 16];
        let mut next = || receive(there.as_fd(), &mut buffer).unwrap();
        assert!(matches!(next(), Received::TooLong));
        assert!(matches!(next(), Received::Message(16, None)));
        drop(here);
        assert!(matches!(next(), Received::End));
    }
}
