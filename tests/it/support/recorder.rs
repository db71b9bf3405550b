//! A stream that keeps each write apart, as a packet socket would.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::mpsc;

/// How many writes wait for the test.
const WRITES: usize = 1024;

/// What is written to it comes out of a channel, one value a write. What it reads is what the
/// test writes into the other end.
pub(crate) struct Recorder {
    read: DuplexStream,
    writes: mpsc::Sender<Vec<u8>>,
}

impl Recorder {
    pub(crate) fn new() -> (Self, DuplexStream, mpsc::Receiver<Vec<u8>>) {
        let (read, other) = tokio::io::duplex(1024 * 1024);
        let (writes, written) = mpsc::channel(WRITES);
        (Self { read, writes }, other, written)
    }
}

impl AsyncRead for Recorder {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.read).poll_read(cx, buf)
    }
}

impl AsyncWrite for Recorder {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let sent = self.writes.try_send(bytes.to_vec());
        Poll::Ready(match sent {
            Ok(()) => Ok(bytes.len()),
            Err(_) => Err(io::ErrorKind::BrokenPipe.into()),
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
