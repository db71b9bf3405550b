//! From the desktop to the browser: what one read brings becomes one frame, written behind its
//! head from the same buffer.

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Error;
use super::buffer::{Buffer, PAYLOAD};
use super::websocket::{MAX_CONTROL, MAX_SERVER_HEAD, Opcode, server_head};

/// The most bytes of small frames (pongs, pings, answers of the bridge) that wait for a browser
/// that does not read.
const MAX_QUEUED: usize = 2048;

/// What is on its way to the browser.
#[derive(Default)]
pub(super) struct Outbound {
    buffer: Buffer,
    /// The part of the buffer that the browser has not taken yet; ends with its frame.
    pending: Range<usize>,
    /// Small frames that go when no frame is half written.
    queued: Vec<u8>,
    /// How much of `queued` is written.
    queued_sent: usize,
    unflushed: bool,
    /// The browser takes nothing.
    blocked: bool,
    /// It took nothing and now does again.
    moved: bool,
}

/// What a poll that is ready brings.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// So many more bytes of the desktop are on their way.
    Bytes(usize),
    /// The desktop has ended and all it sent is written.
    End,
}

impl Outbound {
    /// Queues a frame of at most [`MAX_CONTROL`] bytes. When a browser reads none of them, the
    /// newest takes the place of those before it (RFC 6455 §5.5.3 lets pongs be left out).
    pub(super) fn queue(&mut self, opcode: Opcode, payload: &[u8]) {
        let payload = &payload[..payload.len().min(MAX_CONTROL)];
        if self.queued.len() + MAX_SERVER_HEAD + payload.len() > MAX_QUEUED {
            self.queued.truncate(self.begun());
        }
        let mut room = [0; MAX_SERVER_HEAD];
        let head = server_head(&mut room, opcode, payload.len());
        self.queued.extend(&room[MAX_SERVER_HEAD - head..]);
        self.queued.extend(payload);
    }

    /// Where the small frame ends that is half written; 0 when none is.
    fn begun(&self) -> usize {
        let mut end = 0;
        while end < self.queued_sent {
            // A head of two bytes, the second of them the length.
            end += 2 + self.queued.get(end + 1).copied().map_or(0, usize::from);
        }
        end
    }

    /// Whether the browser took something again after it had taken nothing.
    pub(super) fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Writes what waits, then reads from the desktop, if it may be read. Ready after each read.
    pub(super) fn poll<C, S>(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut C,
        server: Option<&mut S>,
    ) -> Poll<Result<Sent, Error>>
    where
        C: AsyncWrite + Unpin,
        S: AsyncRead + Unpin,
    {
        ready!(self.poll_drain(cx, client)).map_err(Error::Browser)?;
        if let Some(server) = server {
            let room = &mut self.buffer.hold()[MAX_SERVER_HEAD..MAX_SERVER_HEAD + PAYLOAD];
            let mut read = ReadBuf::new(room);
            if let Poll::Ready(done) = Pin::new(server).poll_read(cx, &mut read) {
                let len = read.filled().len();
                done.map_err(Error::Desktop)?;
                if len == 0 {
                    self.buffer.release();
                    return Poll::Ready(Ok(Sent::End));
                }
                self.frame(len);
                return Poll::Ready(Ok(Sent::Bytes(len)));
            }
            self.buffer.release();
        }
        if self.unflushed {
            ready!(Pin::new(client).poll_flush(cx)).map_err(Error::Browser)?;
            self.unflushed = false;
        }
        Poll::Pending
    }

    /// Makes a frame of the `len` bytes behind the room for its head.
    fn frame(&mut self, len: usize) {
        let buffer = self.buffer.hold();
        if let Some(room) = buffer.first_chunk_mut() {
            let head = server_head(room, Opcode::Binary, len);
            self.pending = MAX_SERVER_HEAD - head..MAX_SERVER_HEAD + len;
        }
    }

    /// Writes the frame that is under way, then the small ones.
    pub(super) fn poll_drain<C: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut C,
    ) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            let rest = &self.buffer.hold()[self.pending.clone()];
            let written = Pin::new(&mut *client).poll_write(cx, rest);
            self.pending.start += ready!(self.written(written))?;
        }
        while self.queued_sent < self.queued.len() {
            let rest = &self.queued[self.queued_sent..];
            let written = Pin::new(&mut *client).poll_write(cx, rest);
            self.queued_sent += ready!(self.written(written))?;
        }
        if self.queued_sent > 0 {
            self.queued = Vec::new();
            self.queued_sent = 0;
        }
        Poll::Ready(Ok(()))
    }

    fn written(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => {
                self.blocked = true;
                Poll::Pending
            }
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Poll::Ready(Ok(len)) => {
                self.moved |= std::mem::take(&mut self.blocked);
                self.unflushed = true;
                Poll::Ready(Ok(len))
            }
            failed @ Poll::Ready(Err(_)) => failed,
        }
    }
}
