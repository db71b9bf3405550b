//! From the desktop to the browser: what one read brings becomes one frame, written behind its
//! head.
//!
//! Small reads go through a buffer. Once a read shows that much is coming and both ends are
//! sockets, the kernel moves the bytes from one to the other through a pipe, and only the heads
//! are written.

use std::io;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use rustix::net::{RecvFlags, SendFlags};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use super::Error;
use super::buffer::{Buffer, PAYLOAD};
use super::pipe::Pipe;
use super::tap::{Event, Onlooker};
use super::websocket::{MAX_CONTROL, MAX_SERVER_HEAD, Opcode, server_head};
use crate::runtime::Stream;

/// The most bytes of small frames (pongs, pings, answers of the bridge) that wait for a browser
/// that does not read.
const MAX_QUEUED: usize = 2048;

/// A read of so many bytes into the buffer shows that much is coming, and the pipe pays.
const LARGE: usize = 32 * 1024;

/// Less than this through the pipe, and the buffer is the cheaper way again.
const SMALL: usize = 8 * 1024;

/// The head is not to go alone.
const MORE: SendFlags = SendFlags::MORE
    .union(SendFlags::DONTWAIT)
    .union(SendFlags::NOSIGNAL);

/// What is on its way to the browser.
#[derive(Default)]
pub(super) struct Outbound {
    buffer: Buffer,
    /// The part of the buffer that the browser has not taken yet; ends with its frame, or with
    /// the head of the frame whose payload is in `pipe`.
    pending: Range<usize>,
    pipe: Option<Pipe>,
    /// What was in a pipe that others wanted.
    spilt: Bytes,
    /// Much is coming.
    large: bool,
    /// Small frames that go when no frame is half written.
    queued: Vec<u8>,
    /// How much of `queued` is written.
    queued_sent: usize,
    unflushed: bool,
    /// The browser takes nothing.
    blocked: bool,
    /// It took nothing and now does again.
    moved: bool,
    onlooker: Onlooker,
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

    /// From now on `onlooker` sees what goes out.
    pub(super) fn watched_by(mut self, onlooker: Onlooker) -> Self {
        self.onlooker = onlooker;
        self
    }

    pub(super) fn onlooker(&mut self) -> &mut Onlooker {
        &mut self.onlooker
    }

    /// Writes what waits, then reads from the desktop, if it may be read. Ready after each read.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Stream,
        server: Option<&mut Stream>,
    ) -> Poll<Result<Sent, Error>> {
        ready!(self.poll_drain(cx, client)).map_err(Error::Browser)?;
        if let Some(server) = server {
            let spliced = self.large && self.may_splice(client, server);
            let read = if spliced {
                self.poll_splice(cx, server)
            } else {
                self.poll_read(cx, server)
            };
            if let Poll::Ready(len) = read {
                let len = len.map_err(Error::Desktop)?;
                self.large = len >= if spliced { SMALL } else { LARGE };
                return Poll::Ready(Ok(match len {
                    0 => Sent::End,
                    len => Sent::Bytes(len),
                }));
            }
        }
        if self.unflushed {
            ready!(Pin::new(client).poll_flush(cx)).map_err(Error::Browser)?;
            self.unflushed = false;
        }
        Poll::Pending
    }

    fn may_splice(&self, client: &Stream, server: &Stream) -> bool {
        client.is_socket() && server.is_socket() && !self.onlooker.is_there() && Pipe::may_be_had()
    }

    /// A frame through the buffer.
    fn poll_read(&mut self, cx: &mut Context<'_>, server: &mut Stream) -> Poll<io::Result<usize>> {
        let room = &mut self.buffer.hold()[MAX_SERVER_HEAD..MAX_SERVER_HEAD + PAYLOAD];
        let mut read = ReadBuf::new(room);
        let Poll::Ready(done) = Pin::new(server).poll_read(cx, &mut read) else {
            self.buffer.release();
            return Poll::Pending;
        };
        let len = read.filled().len();
        if len == 0 {
            self.buffer.release();
        } else {
            self.onlooker.saw(Event::FromDesktop(read.filled()));
            self.frame(len, len);
        }
        Poll::Ready(done.map(|()| len))
    }

    /// A frame through a pipe, or through the buffer where the kernel will not have it.
    fn poll_splice(
        &mut self,
        cx: &mut Context<'_>,
        server: &mut Stream,
    ) -> Poll<io::Result<usize>> {
        let Some(mut pipe) = Pipe::take() else {
            self.large = false;
            return self.poll_read(cx, server);
        };
        let room = &mut self.buffer.hold()[MAX_SERVER_HEAD..MAX_SERVER_HEAD + PAYLOAD];
        let came = server.poll_readable(cx, |socket| match pipe.fill(socket) {
            Ok(len) if len > 0 => Ok((len, 0)),
            // Urgent data of TCP stops it for good as if there were nothing or the end: only
            // reading tells.
            Ok(_) => read_now(socket, room),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => read_now(socket, room),
            Err(error) if Pipe::is_forbidden(&error) => read_now(socket, room),
            Err(error) => Err(error),
        });
        match came {
            Poll::Ready(Ok((0, 0)) | Err(_)) | Poll::Pending => self.buffer.release(),
            Poll::Ready(Ok((0, read))) => self.frame(read, read),
            Poll::Ready(Ok((piped, _))) => {
                self.pipe = Some(pipe);
                self.frame(piped, 0);
            }
        }
        came.map_ok(|(piped, read)| piped + read)
    }

    /// Makes the head of a frame of `len` bytes, of which `buffered` stand behind the room for it.
    fn frame(&mut self, len: usize, buffered: usize) {
        let buffer = self.buffer.hold();
        if let Some(room) = buffer.first_chunk_mut() {
            let head = server_head(room, Opcode::Binary, len);
            self.pending = MAX_SERVER_HEAD - head..MAX_SERVER_HEAD + buffered;
        }
    }

    /// Writes the frame that is under way, then the small ones.
    pub(super) fn poll_drain(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Stream,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_pending(cx, client))?;
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

    fn poll_pending(&mut self, cx: &mut Context<'_>, client: &mut Stream) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            let rest = &self.buffer.hold()[self.pending.clone()];
            let written = if self.pipe.is_some() {
                client.poll_writable(cx, |socket| Ok(rustix::net::send(socket, rest, MORE)?))
            } else {
                Pin::new(&mut *client).poll_write(cx, rest)
            };
            self.pending.start += ready!(self.written(written))?;
            let whole = self.pending.is_empty() && self.pipe.is_none();
            self.onlooker.saw(Event::ToBrowser { whole });
        }
        if self.pipe.is_some() {
            self.buffer.release();
        }
        while let Some(pipe) = &mut self.pipe {
            let written = client.poll_writable(cx, |socket| pipe.empty(socket));
            if pipe.is_empty() {
                self.pipe = None;
            }
            match self.written(written) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) if Pipe::is_forbidden(&error) => self.spill()?,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if Pipe::is_wanted_elsewhere() => {
                    self.spill()?;
                    return Poll::Pending;
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        while !self.spilt.is_empty() {
            let written = Pin::new(&mut *client).poll_write(cx, &self.spilt);
            let len = ready!(self.written(written))?;
            self.spilt.advance(len);
        }
        Poll::Ready(Ok(()))
    }

    /// Copies what waits in the pipe, so that others can have the pipe.
    fn spill(&mut self) -> io::Result<()> {
        if let Some(mut pipe) = self.pipe.take() {
            self.spilt = Bytes::from(pipe.spill()?);
        }
        Ok(())
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

/// What the socket has now, as nothing piped and so much read.
fn read_now(socket: BorrowedFd<'_>, room: &mut [u8]) -> io::Result<(usize, usize)> {
    let (read, _) = rustix::net::recv(socket, room, RecvFlags::DONTWAIT)?;
    Ok((0, read))
}
