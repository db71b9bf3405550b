//! A connection, whatever it goes over: TCP, a unix socket, TLS.

use std::fmt;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::net::RecvFlags;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// What a [`Stream`] can be made over.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection. Two kinds are sockets, whose bytes the kernel can move by itself.
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// Anything else, such as TLS.
    Boxed(Box<dyn Io>),
}

impl Stream {
    pub fn over(io: impl Io + 'static) -> Self {
        Self::Boxed(Box::new(io))
    }

    /// Whether its bytes are a socket's own, with nothing between.
    pub fn is_socket(&self) -> bool {
        !matches!(self, Self::Boxed(_))
    }

    /// Does `io` on the socket as soon as it can be read. `io` is not to wait: it fails with
    /// [`io::ErrorKind::WouldBlock`] instead.
    ///
    /// # Errors
    /// Those of `io`; [`io::ErrorKind::Unsupported`] when this is no socket.
    pub fn poll_readable<T>(
        &self,
        cx: &mut Context<'_>,
        io: impl FnMut(BorrowedFd<'_>) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        self.poll_io(Interest::READABLE, cx, io)
    }

    /// As [`Stream::poll_readable`], as soon as it can be written to.
    ///
    /// # Errors
    /// As [`Stream::poll_readable`].
    pub fn poll_writable<T>(
        &self,
        cx: &mut Context<'_>,
        io: impl FnMut(BorrowedFd<'_>) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        self.poll_io(Interest::WRITABLE, cx, io)
    }

    fn poll_io<T>(
        &self,
        interest: Interest,
        cx: &mut Context<'_>,
        mut io: impl FnMut(BorrowedFd<'_>) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            ready!(self.poll_ready(interest, cx))?;
            let done = match self {
                Self::Tcp(socket) => socket.try_io(interest, || io(socket.as_fd())),
                Self::Unix(socket) => socket.try_io(interest, || io(socket.as_fd())),
                Self::Boxed(_) => Err(io::ErrorKind::Unsupported.into()),
            };
            match done {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }

    fn poll_ready(&self, interest: Interest, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(socket) if interest.is_readable() => socket.poll_read_ready(cx),
            Self::Tcp(socket) => socket.poll_write_ready(cx),
            Self::Unix(socket) if interest.is_readable() => socket.poll_read_ready(cx),
            Self::Unix(socket) => socket.poll_write_ready(cx),
            Self::Boxed(_) => Poll::Ready(Ok(())),
        }
    }

    /// Waits for the next byte and leaves it where it is; `None` at the end.
    ///
    /// # Errors
    /// The socket's; [`io::ErrorKind::Unsupported`] when this is no socket.
    pub async fn peek(&mut self) -> io::Result<Option<u8>> {
        std::future::poll_fn(move |cx| {
            self.poll_readable(cx, |socket| {
                let mut first = [0];
                let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
                let (len, _) = rustix::net::recv(socket, &mut first, flags)?;
                Ok((len > 0).then_some(first[0]))
            })
        })
        .await
    }
}

impl From<TcpStream> for Stream {
    fn from(socket: TcpStream) -> Self {
        Self::Tcp(socket)
    }
}

impl From<UnixStream> for Stream {
    fn from(socket: UnixStream) -> Self {
        Self::Unix(socket)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp(_) => "Stream::Tcp",
            Self::Unix(_) => "Stream::Unix",
            Self::Boxed(_) => "Stream::Boxed",
        })
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Unix(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Boxed(io) => Pin::new(io).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_write(cx, buf),
            Self::Unix(socket) => Pin::new(socket).poll_write(cx, buf),
            Self::Boxed(io) => Pin::new(io).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
            Self::Unix(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
            Self::Boxed(io) => Pin::new(io).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(socket) => socket.is_write_vectored(),
            Self::Unix(socket) => socket.is_write_vectored(),
            Self::Boxed(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            // What a socket has taken is on its way.
            Self::Tcp(_) | Self::Unix(_) => Poll::Ready(Ok(())),
            Self::Boxed(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Unix(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Boxed(io) => Pin::new(io).poll_shutdown(cx),
        }
    }
}
