//! Servers that the program under test connects to.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, SocketAddrV4, SocketFlags, SocketType, bind, getsockname, listen, socket_with,
};

use super::wire::{Wire, patience};
use super::ws::Ws;

/// A target that takes connections when the case asks for them.
pub(crate) enum Target {
    Tcp(TcpListener),
    Unix(UnixListener),
    /// Has a port, and refuses every connection to it.
    Refusing(OwnedFd),
}

impl Target {
    /// On a port of 127.0.0.1. Connections wait until [`Self::accept`].
    pub(crate) fn new() -> Self {
        Self::Tcp(TcpListener::bind(("127.0.0.1", 0)).unwrap())
    }

    pub(crate) fn unix(path: &Path) -> Self {
        Self::Unix(UnixListener::bind(path).unwrap())
    }

    pub(crate) fn refusing() -> Self {
        let (family, kind) = (AddressFamily::INET, SocketType::STREAM);
        let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None).unwrap();
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        Self::Refusing(socket)
    }

    /// Answers nobody: the queue is full with the connection that comes along.
    pub(crate) fn full() -> (Self, TcpStream) {
        let Self::Refusing(socket) = Self::refusing() else {
            unreachable!("made so");
        };
        listen(&socket, 0).unwrap();
        let listener = TcpListener::from(socket);
        let waiting = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Self::Tcp(listener), waiting)
    }

    /// Takes connections from now on, if it refused them.
    pub(crate) fn open(self) -> Self {
        let Self::Refusing(socket) = self else {
            return self;
        };
        listen(&socket, 16).unwrap();
        Self::Tcp(socket.into())
    }

    /// Sends back what each connection brings, until the test process ends or the listener does.
    pub(crate) fn echo() -> Self {
        let target = Self::new();
        let Self::Tcp(listener) = &target else {
            unreachable!("made above");
        };
        let listener = listener.try_clone().unwrap();
        // Blocks in `accept` until the process ends; there is one for each case at most.
        thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                thread::spawn(move || {
                    let mut room = vec![0; 64 * 1024];
                    while let Ok(len @ 1..) = stream.read(&mut room) {
                        if stream.write_all(&room[..len]).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        target
    }

    pub(crate) fn port(&self) -> u16 {
        match self {
            Self::Tcp(listener) => listener.local_addr().unwrap().port(),
            Self::Unix(_) => panic!("a unix socket has no port"),
            Self::Refusing(socket) => SocketAddr::try_from(getsockname(socket).unwrap())
                .unwrap()
                .port(),
        }
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// The next connection.
    pub(crate) fn accept(&self) -> Wire {
        let fd = match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
            Self::Refusing(_) => panic!("refuses connections"),
        };
        let limit = Timespec::try_from(patience()).unwrap();
        let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
        let ready = poll(&mut fds, Some(&limit)).unwrap();
        assert!(ready > 0, "nobody connected to the target");
        match self {
            Self::Tcp(listener) => Wire::tcp(listener.accept().unwrap().0),
            Self::Unix(listener) => Wire::unix(listener.accept().unwrap().0),
            Self::Refusing(_) => unreachable!("left above"),
        }
    }

    /// Whether a connection waits that nobody has taken.
    pub(crate) fn is_asked(&self) -> bool {
        let Self::Tcp(listener) = self else {
            panic!("only a TCP target is asked this");
        };
        let mut fds = [PollFd::new(listener, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())).unwrap() > 0
    }
}

/// Sends something both ways between a client and a connection at the target.
pub(crate) fn exchange(client: &mut Ws, target: &mut Wire) {
    client.send(b"from the client");
    assert_eq!(target.read_bytes(15), b"from the client");
    target.send(b"from the target");
    assert_eq!(client.read_data(15), b"from the target");
}

/// Bytes in which a piece that is lost, doubled or moved shows.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = |()| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_n((), len).map(next).collect()
}
