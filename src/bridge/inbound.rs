//! From the browser to the desktop: frames come off, masks come off in place, and whole RFB
//! messages go on.
//!
//! The buffer holds three runs of bytes, in this order: `ready` for the desktop, `partial` of a
//! message that is not whole yet, and `raw` as the browser sent it.

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use super::Error;
use super::buffer::Buffer;
use super::outbound::Outbound;
use super::rights::{Passing, Verdict};
use super::tap::Event;
use super::websocket::{CloseFrame, FrameParser, Mask, Opcode, Parsed, check_close};
use crate::runtime::Stream;

/// What is on its way to the desktop.
pub(super) struct Inbound {
    /// What the browser sent right behind its upgrade request.
    early: Bytes,
    parser: FrameParser,
    frame: Option<Payload>,
    /// The payload of a ping or close so far.
    control: Vec<u8>,
    /// What the last pong said.
    pong: Option<Vec<u8>>,
    /// How the browser ended what it says; acted on when all before it is with the desktop.
    over: Option<Result<CloseFrame, Error>>,
    passing: Passing,
    buffer: Buffer,
    ready: Range<usize>,
    partial: Range<usize>,
    raw: Range<usize>,
    /// `partial` and `raw` while no buffer is held.
    kept: Box<[u8]>,
}

/// The payload of a frame that is not all there yet.
struct Payload {
    opcode: Opcode,
    left: usize,
    mask: Mask,
}

/// What a poll that is ready brings.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// The browser sent something.
    Something,
    /// So many bytes went to the desktop.
    Passed(usize),
    /// The browser closes the WebSocket.
    Close(CloseFrame),
    /// The browser's connection has ended.
    End,
}

impl Inbound {
    /// No message may be longer than `max_message` bytes; it is never kept whole.
    pub(super) fn new(early: Bytes, passing: Passing, max_message: usize) -> Self {
        Self {
            early,
            parser: FrameParser::new(max_message),
            frame: None,
            control: Vec::new(),
            pong: None,
            over: None,
            passing,
            buffer: Buffer::default(),
            ready: 0..0,
            partial: 0..0,
            raw: 0..0,
            kept: Box::default(),
        }
    }

    /// Whether the browser is being greeted, so that nothing of the desktop may reach it.
    pub(super) fn is_greeting(&self) -> bool {
        matches!(self.passing, Passing::Greeting { .. })
    }

    /// Whether the desktop takes nothing, so that the browser is not listened to.
    pub(super) fn is_blocked(&self) -> bool {
        !self.ready.is_empty()
    }

    /// What the browser answered to a ping since this was asked last.
    pub(super) fn take_pong(&mut self) -> Option<Vec<u8>> {
        self.pong.take()
    }

    /// From now on nothing goes to the desktop.
    pub(super) fn discard(&mut self) {
        self.passing = Passing::Discard;
        self.ready = self.partial.start..self.partial.start;
    }

    /// Writes what waits, then reads from the browser. Answers go into `outbound`.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Stream,
        server: &mut Stream,
        outbound: &mut Outbound,
    ) -> Poll<Result<Received, Error>> {
        if !self.ready.is_empty() {
            let rest = &self.buffer.hold()[self.ready.clone()];
            return match ready!(Pin::new(server).poll_write(cx, rest)) {
                Ok(len) if len > 0 => {
                    self.ready.start += len;
                    let whole = self.ready.is_empty();
                    outbound.onlooker().saw(Event::ToDesktop { whole });
                    Poll::Ready(Ok(Received::Passed(len)))
                }
                // It takes nothing any more. What it said last must still be read.
                Ok(_) | Err(_) => {
                    self.discard();
                    Poll::Ready(Ok(Received::Passed(0)))
                }
            };
        }
        if let Some(over) = self.over.take() {
            return Poll::Ready(over.map(Received::Close));
        }
        match ready!(self.poll_fill(cx, client)).map_err(Error::Browser)? {
            0 => return Poll::Ready(Ok(Received::End)),
            len => self.raw.end += len,
        }
        if let Err(error) = self.deframe(outbound) {
            self.over = Some(Err(error));
        }
        Poll::Ready(Ok(Received::Something))
    }

    /// Reads more behind `raw`.
    fn poll_fill(&mut self, cx: &mut Context<'_>, client: &mut Stream) -> Poll<io::Result<usize>> {
        self.pack();
        let room = &mut self.buffer.hold()[self.raw.end..];
        if !self.early.is_empty() {
            let len = room.len().min(self.early.len());
            self.early.copy_to_slice(&mut room[..len]);
            if self.early.is_empty() {
                // It is a part of a buffer, which nobody else needs any more.
                self.early = Bytes::new();
            }
            return Poll::Ready(Ok(len));
        }
        let mut read = ReadBuf::new(room);
        match Pin::new(client).poll_read(cx, &mut read) {
            Poll::Ready(done) => Poll::Ready(done.map(|()| read.filled().len())),
            Poll::Pending => {
                self.unhold();
                Poll::Pending
            }
        }
    }

    /// Moves what is left to the front of the buffer.
    fn pack(&mut self) {
        let (partial, raw) = (self.partial.len(), self.raw.len());
        if self.buffer.is_held() {
            let buffer = self.buffer.hold();
            buffer.copy_within(self.partial.clone(), 0);
            buffer.copy_within(self.raw.clone(), partial);
        } else {
            self.buffer.hold()[..partial + raw].copy_from_slice(&self.kept);
            self.kept = Box::default();
        }
        self.ready = 0..0;
        self.partial = 0..partial;
        self.raw = partial..partial + raw;
    }

    /// Keeps what is left, which stands packed, and gives the buffer back.
    fn unhold(&mut self) {
        self.kept = self.buffer.hold()[..self.raw.end].into();
        self.buffer.release();
    }

    /// Takes the frames off `raw`: all of it but the head of a frame that is not all there.
    fn deframe(&mut self, outbound: &mut Outbound) -> Result<(), Error> {
        while self.over.is_none() {
            let Some(frame) = &mut self.frame else {
                match self.parser.parse(&self.buffer.hold()[self.raw.clone()])? {
                    Parsed::Need(_) => break,
                    Parsed::Head { head, len } => {
                        self.raw.start += len;
                        self.frame = Some(Payload {
                            opcode: head.opcode,
                            left: head.payload,
                            mask: head.mask,
                        });
                    }
                }
                continue;
            };
            let len = frame.left.min(self.raw.len());
            if len == 0 && frame.left > 0 {
                break;
            }
            let chunk = self.raw.start..self.raw.start + len;
            let payload = &mut self.buffer.hold()[chunk.clone()];
            frame.mask.apply(payload);
            frame.left -= len;
            let (opcode, whole) = (frame.opcode, frame.left == 0);
            self.raw.start += len;
            if whole {
                self.frame = None;
            }
            if matches!(opcode, Opcode::Binary | Opcode::Continuation) {
                outbound.onlooker().saw(Event::FromBrowser(payload));
                self.append(chunk, outbound)?;
            } else {
                self.control.extend_from_slice(payload);
                if whole {
                    self.control(opcode, outbound)?;
                }
            }
        }
        Ok(())
    }

    fn control(&mut self, opcode: Opcode, outbound: &mut Outbound) -> Result<(), Error> {
        let payload = std::mem::take(&mut self.control);
        match opcode {
            Opcode::Ping => outbound.queue(Opcode::Pong, &payload),
            Opcode::Pong => self.pong = Some(payload),
            Opcode::Close => self.over = Some(Ok(check_close(&payload)?)),
            _ => {}
        }
        Ok(())
    }

    /// Puts RFB bytes behind `partial` and sorts out the messages that are whole now.
    fn append(&mut self, chunk: Range<usize>, outbound: &mut Outbound) -> Result<(), Error> {
        if self.ready.is_empty() && self.partial.is_empty() {
            // Nothing before them: they stay where they are.
            self.ready = chunk.start..chunk.start;
            self.partial = chunk;
        } else {
            let len = chunk.len();
            let end = self.partial.end;
            if end != chunk.start {
                self.buffer.hold().copy_within(chunk, end);
            }
            self.partial.end += len;
        }
        let mut answer = Vec::new();
        loop {
            let partial = &mut self.buffer.hold()[self.partial.clone()];
            match self.passing.next(partial, &mut answer)? {
                Verdict::Pass(len) => self.pass(len),
                Verdict::Drop(len) => self.partial.start += len,
                Verdict::Wait => break,
            }
        }
        if !answer.is_empty() {
            outbound.queue(Opcode::Binary, &answer);
        }
        Ok(())
    }

    /// Moves the first `len` bytes of `partial` to the end of `ready`.
    fn pass(&mut self, len: usize) {
        let start = self.partial.start;
        if self.ready.is_empty() {
            self.ready = start..start + len;
        } else {
            let end = self.ready.end;
            if end != start {
                self.buffer.hold().copy_within(start..start + len, end);
            }
            self.ready.end += len;
        }
        self.partial.start += len;
    }
}
