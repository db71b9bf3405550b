//! SOCK_SEQPACKET over unix sockets: whole messages, the peer's credentials from the kernel, and
//! at most one descriptor with a message (SCM_RIGHTS, unix(7)).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};
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
    /// 0 when it is outside of this PID namespace, as somebody on a container's host is; rustix
    /// has no such number.
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

/// As [`connect`], to the socket of that name in a directory of that account's, whose parent is
/// not: what the account makes there leads nobody to a socket of somebody else's, by whatever
/// links.
///
/// # Errors
/// As [`connect`]; also when there is no socket of that name that is the account's own.
pub fn connect_in(directory: &Path, name: &str, owner: u32) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::open(directory, flags | OFlags::DIRECTORY, Mode::empty())?;
    let file = rustix::fs::openat(&directory, name, flags, Mode::empty())?;
    let found = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::Socket || found.st_uid != owner {
        return Err(io::Error::other(format!(
            "`{name}` is no socket of uid {owner}"
        )));
    }
    // What was looked at is connected to, whatever has its name by now.
    connect(Path::new(&format!("/proc/self/fd/{}", file.as_raw_fd())))
}

/// SO_PEERCRED.
///
/// # Errors
/// When it is not a connected unix socket.
pub fn peer(socket: BorrowedFd<'_>) -> io::Result<Peer> {
    let mut peer = libc::ucred {
        pid: 0,
        uid: 0,
        gid: 0,
    };
    let size = size_of_val(&peer);
    let mut length = libc::socklen_t::try_from(size).map_err(io::Error::other)?;
    // SAFETY: the kernel writes at most `length` bytes, which is the size of what is pointed at,
    // and any bytes are a valid `ucred`.
    let status = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut length,
        )
    };
    if status != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Peer {
        pid: peer.pid,
        uid: peer.uid,
        gid: peer.gid,
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

    #[test]
    fn of_anothers_directory_its_own_socket_alone_is_connected_to() {
        let place = tempfile::tempdir().unwrap();
        let (own, real) = (place.path().join("own"), place.path().join("real"));
        std::fs::create_dir(&own).unwrap();
        let listener = listen(&own.join("socket")).unwrap();
        let _elsewhere = listen(&real).unwrap();
        std::os::unix::fs::symlink(&real, own.join("link")).unwrap();
        std::os::unix::fs::symlink(&own, place.path().join("detour")).unwrap();
        std::fs::write(own.join("file"), "").unwrap();
        let uid = rustix::process::getuid().as_raw();
        connect_in(&own, "socket", uid).unwrap();
        accept(listener.as_fd()).unwrap();
        for name in ["link", "file", "nothing"] {
            connect_in(&own, name, uid).unwrap_err();
        }
        connect_in(&own, "socket", uid + 1).unwrap_err();
        connect_in(&place.path().join("detour"), "socket", uid).unwrap_err();
    }
}
