//! A connection of a client or of a target, whatever carries it, with a limit on every wait.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustls::{ClientConnection, ServerConnection, StreamOwned};

/// How long anything that a case waits for may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long nothing moves before a connection counts as stalled.
const STALL: Duration = Duration::from_secs(1);

thread_local! {
    static CURRENT: Cell<Duration> = const { Cell::new(PATIENCE) };
}

/// The limit of the case that this thread runs.
pub(crate) fn patience() -> Duration {
    CURRENT.get()
}

/// Runs a case with another limit.
pub(crate) fn with_patience<T>(limit: Duration, work: impl FnOnce() -> T) -> T {
    let before = CURRENT.replace(limit);
    let result = work();
    CURRENT.set(before);
    result
}

/// A stream of bytes. Reads and writes that take longer than [`patience`] fail.
pub(crate) enum Wire {
    Tcp(TcpStream),
    Unix(UnixStream),
    Client(Box<StreamOwned<ClientConnection, TcpStream>>),
    Server(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Wire {
    pub(crate) fn tcp(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(patience())).unwrap();
        stream.set_write_timeout(Some(patience())).unwrap();
        Self::Tcp(stream)
    }

    pub(crate) fn unix(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(patience())).unwrap();
        stream.set_write_timeout(Some(patience())).unwrap();
        Self::Unix(stream)
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.write_all(bytes).unwrap();
        self.flush().unwrap();
    }

    /// The next `len` bytes.
    pub(crate) fn read_bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        if let Err(error) = self.read_exact(&mut bytes) {
            panic!("{len} bytes did not come: {error}");
        }
        bytes
    }

    /// All bytes up to the end; a reset is an end.
    pub(crate) fn read_rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Err(error) = self.read_to_end(&mut bytes) {
            assert!(
                is_end(&error),
                "no end: {error}; so far {} bytes",
                bytes.len()
            );
        }
        bytes
    }

    /// Sends `bytes` again and again until nobody has taken anything for [`STALL`], or more than
    /// `limit` bytes went; how many that were.
    pub(crate) fn send_again_until_it_stalls(&mut self, bytes: &[u8], limit: usize) -> usize {
        self.socket(
            |it| it.set_write_timeout(Some(STALL)),
            |it| it.set_write_timeout(Some(STALL)),
        );
        let mut sent = 0;
        while sent < limit {
            match self.write(&bytes[sent % bytes.len()..]) {
                Ok(len) => sent += len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => panic!("nobody takes it: {error}"),
            }
        }
        sent
    }

    /// Says that nothing more will be sent; the other direction stays open.
    pub(crate) fn finish(&mut self) {
        self.socket(
            |it| it.shutdown(Shutdown::Write),
            |it| it.shutdown(Shutdown::Write),
        );
    }

    /// Ends the connection as a crashed machine does: what is under way is lost.
    pub(crate) fn reset(self) {
        let Self::Tcp(stream) = self else {
            panic!("only a TCP connection can be reset");
        };
        let now = Some(Duration::ZERO);
        rustix::net::sockopt::set_socket_linger(&stream, now).unwrap();
    }

    pub(super) fn into_tcp(self) -> TcpStream {
        match self {
            Self::Tcp(stream) => stream,
            _ => panic!("TLS comes over TCP"),
        }
    }

    fn socket<T>(
        &self,
        tcp: impl FnOnce(&TcpStream) -> io::Result<T>,
        unix: impl FnOnce(&UnixStream) -> io::Result<T>,
    ) -> T {
        match self {
            Self::Tcp(stream) => tcp(stream),
            Self::Unix(stream) => unix(stream),
            Self::Client(stream) => tcp(&stream.sock),
            Self::Server(stream) => tcp(&stream.sock),
        }
        .unwrap()
    }
}

impl Read for Wire {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(room),
            Self::Unix(stream) => stream.read(room),
            Self::Client(stream) => stream.read(room),
            Self::Server(stream) => stream.read(room),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
            Self::Client(stream) => stream.write(bytes),
            Self::Server(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.flush(),
            Self::Unix(stream) => stream.flush(),
            Self::Client(stream) => stream.flush(),
            Self::Server(stream) => stream.flush(),
        }
    }
}

/// Whether a failed read means that the other side has gone.
pub(crate) fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(
        error.kind(),
        UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe
    )
}
