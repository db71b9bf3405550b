//! The end of a WebSocket: what is under way goes out, then the close frame, then the connection
//! (RFC 6455 §7.1).

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead as _, AsyncWriteExt as _, ReadBuf};
use tokio::time::sleep;

use super::CloseCause;
use super::inbound::{Inbound, Received};
use super::outbound::Outbound;
use super::websocket::{CloseFrame, Opcode};
use crate::runtime::Stream;

/// How long the end may take in all when the browser is sent away.
pub(super) const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// How long it may take when the desktop ended by itself and its last words are to arrive.
const LAST_WORDS_WITHIN: Duration = Duration::from_mins(2);

/// How long nothing may move meanwhile.
const LAST_WORDS_PAUSE: Duration = Duration::from_secs(30);

/// How many reads one turn takes.
const ROUNDS: u32 = 64;

/// The last thing that a browser is told.
#[derive(Debug)]
pub(super) struct Farewell {
    /// The payload of the close frame.
    payload: Vec<u8>,
    /// Whether the browser's own close frame is still to come and can be understood.
    await_answer: bool,
    /// Whether what waits for the browser is worth a wait.
    last_words: bool,
}

impl Farewell {
    /// For a browser that is told why.
    pub(super) fn because(cause: &CloseCause, await_answer: bool) -> Self {
        let mut payload = cause.code().to_be_bytes().to_vec();
        payload.extend(cause.reason().as_bytes());
        Self {
            payload,
            await_answer,
            last_words: false,
        }
    }

    /// For a browser that closes: its own code (RFC 6455 §5.5.1).
    pub(super) fn answer(frame: &CloseFrame) -> Self {
        let code = frame.code.map(u16::to_be_bytes);
        Self {
            payload: code.into_iter().flatten().collect(),
            await_answer: false,
            last_words: false,
        }
    }

    /// The desktop has ended by itself.
    pub(super) fn after_last_words(mut self) -> Self {
        self.last_words = true;
        self
    }

    /// Says it, and waits until the browser has it or the time is over.
    pub(super) async fn say(self, client: Stream, mut inbound: Inbound, outbound: Outbound) {
        inbound.discard();
        let moved = AtomicUsize::new(0);
        let (within, pause) = if self.last_words {
            (LAST_WORDS_WITHIN, LAST_WORDS_PAUSE)
        } else {
            (CLOSE_WITHIN, CLOSE_WITHIN)
        };
        let mut closing = Closing {
            client,
            outbound,
            hearing: Hearing::Frames(Box::new(inbound)),
            moved: &moved,
        };
        if !self.await_answer {
            closing.hearing = Hearing::Bytes;
        }
        tokio::select! {
            done = closing.close(&self.payload) => {
                if let Err(error) = done {
                    tracing::trace!(%error, "the close frame did not arrive");
                }
            }
            () = until_nothing_moves(&moved, pause) => {}
            () = sleep(within) => {}
        }
    }
}

async fn until_nothing_moves(moved: &AtomicUsize, pause: Duration) {
    let mut before = 0;
    loop {
        sleep(pause).await;
        let now = moved.load(Ordering::Relaxed);
        if now == before {
            return;
        }
        before = now;
    }
}

/// A connection that is being closed.
struct Closing<'a> {
    client: Stream,
    outbound: Outbound,
    hearing: Hearing,
    /// Counts what goes either way.
    moved: &'a AtomicUsize,
}

/// What is made of what the browser still says.
enum Hearing {
    /// Its close frame is waited for.
    Frames(Box<Inbound>),
    /// Nothing.
    Bytes,
    /// It has said its last.
    Nothing,
}

impl Closing<'_> {
    async fn close(&mut self, payload: &[u8]) -> io::Result<()> {
        self.write().await?;
        self.outbound.queue(Opcode::Close, payload);
        self.write().await?;
        self.client.flush().await?;
        while matches!(self.hearing, Hearing::Frames(_)) {
            poll_fn(|cx| self.poll_hear(cx)).await?;
        }
        self.client.shutdown().await?;
        while !matches!(self.hearing, Hearing::Nothing) {
            poll_fn(|cx| self.poll_hear(cx)).await?;
        }
        Ok(())
    }

    /// Writes what waits. What the browser says meanwhile is read: the kernel resets a connection
    /// that is closed with something unread, and throws away what it had still to send.
    async fn write(&mut self) -> io::Result<()> {
        poll_fn(|cx| {
            let written = self.outbound.poll_drain(cx, &mut self.client)?;
            if self.outbound.take_moved() {
                self.moved.fetch_add(1, Ordering::Relaxed);
            }
            if written.is_ready() {
                return Poll::Ready(Ok(()));
            }
            for _ in 0..ROUNDS {
                if matches!(self.hearing, Hearing::Nothing) || self.poll_hear(cx)?.is_pending() {
                    return Poll::Pending;
                }
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    }

    /// Hears a little of what the browser says.
    fn poll_hear(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.hearing {
            Hearing::Frames(inbound) => {
                // Nothing goes to the desktop any more.
                let mut nowhere = Stream::over(tokio::io::empty());
                let heard = inbound.poll(cx, &mut self.client, &mut nowhere, &mut self.outbound);
                match std::task::ready!(heard) {
                    Ok(Received::Something | Received::Passed(_)) => {}
                    Ok(Received::Close(_)) | Err(_) => self.hearing = Hearing::Bytes,
                    Ok(Received::End) => self.hearing = Hearing::Nothing,
                }
            }
            Hearing::Bytes => {
                let mut room = [0; 4096];
                let mut read = ReadBuf::new(&mut room);
                std::task::ready!(Pin::new(&mut self.client).poll_read(cx, &mut read))?;
                if read.filled().is_empty() {
                    self.hearing = Hearing::Nothing;
                }
            }
            Hearing::Nothing => {}
        }
        self.moved.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}
