//! Deadlines below HTTP: a request's head must be whole in time however its bytes trickle, and
//! a peer that takes nothing of an answer is given up.
//!
//! hyper has one timer for the wait between requests and the head; here the two are apart.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Sleep, sleep};

use super::limits::Place;
use crate::runtime::Stream;

/// From a head's first byte (or the connection's start) to its last.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may wait for a peer that takes nothing.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

const FIRST_HEAD: u8 = 0;
const ANSWERING: u8 = 1;
const BETWEEN: u8 = 2;
const UPGRADED: u8 = 3;

/// Where a connection is; shared by the stream below hyper and the service above it.
#[derive(Clone, Debug)]
pub(super) struct Phase(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    now: AtomicU8,
    /// Told when the first request's head is whole.
    begun: Notify,
    /// Lives as long as the stream, which outlives hyper when it becomes a WebSocket.
    _place: Place,
}

impl Phase {
    pub(super) fn new(place: Place) -> Self {
        Self(Arc::new(Shared {
            now: AtomicU8::new(FIRST_HEAD),
            begun: Notify::new(),
            _place: place,
        }))
    }

    /// A request's head is whole.
    pub(super) fn answering(&self) {
        if self.0.now.swap(ANSWERING, Ordering::Relaxed) == FIRST_HEAD {
            self.0.begun.notify_one();
        }
    }

    /// Resolves when the connection has made a request, for one who waits.
    pub(super) async fn begun(&self) {
        if self.now() == FIRST_HEAD {
            self.0.begun.notified().await;
        }
    }

    /// The head of an answer is made; the next bytes that come begin a request.
    pub(super) fn answered(&self) {
        self.0.now.store(BETWEEN, Ordering::Relaxed);
    }

    /// The connection is HTTP no more: whoever has it now keeps its own deadlines.
    pub(super) fn upgraded(&self) {
        self.0.now.store(UPGRADED, Ordering::Relaxed);
    }

    fn now(&self) -> u8 {
        self.0.now.load(Ordering::Relaxed)
    }
}

/// A stream that fails with [`io::ErrorKind::TimedOut`] when a deadline passes.
#[derive(Debug)]
pub(super) struct Deadlines {
    stream: Stream,
    phase: Phase,
    head: Option<Pin<Box<Sleep>>>,
    write: Option<Pin<Box<Sleep>>>,
}

impl Deadlines {
    pub(super) fn new(stream: Stream, phase: Phase) -> Self {
        Self {
            stream,
            phase,
            head: Some(Box::pin(sleep(HEAD_TIMEOUT))),
            write: None,
        }
    }

    /// The stream without deadlines, and what counts it.
    pub(super) fn into_parts(self) -> (Stream, Phase) {
        (self.stream, self.phase)
    }

    /// Whether the head's deadline has passed; if not, the task is woken when it does.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let timer = self.head.as_mut();
        timer.is_some_and(|timer| timer.as_mut().poll(cx).is_ready())
    }

    /// Passes `polled` on, unless it is pending for too long.
    fn written<R>(
        &mut self,
        polled: Poll<io::Result<R>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<R>> {
        if polled.is_ready() || self.phase.now() == UPGRADED {
            self.write = None;
            return polled;
        }
        let timer = self
            .write
            .get_or_insert_with(|| Box::pin(sleep(WRITE_TIMEOUT)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Deadlines {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let phase = this.phase.now();
        if matches!(phase, ANSWERING | UPGRADED) {
            this.head = None;
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        if this.is_late(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        let began = phase == BETWEEN && buf.filled().len() > before;
        if began && this.head.is_none() {
            this.head = Some(Box::pin(sleep(HEAD_TIMEOUT)));
        }
        polled
    }
}

impl AsyncWrite for Deadlines {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // There is no answer before the head is whole.
        this.head = None;
        let polled = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.written(polled, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.head = None;
        let polled = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.written(polled, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_flush(cx);
        this.written(polled, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_shutdown(cx);
        this.written(polled, cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;
    use crate::listen::limits::Limits;

    fn phase() -> Phase {
        let limits = Limits::new(1, 1);
        Phase::new(limits.enter("::1".parse().unwrap()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_trickles_is_cut_off() {
        let (mut peer, stream) = duplex(64);
        let mut stream = Deadlines::new(Stream::over(stream), phase());
        let trickle = async {
            while peer.write_all(b"x").await.is_ok() {
                sleep(Duration::from_secs(2)).await;
            }
        };
        let mut read = Vec::new();
        let error = tokio::select! {
            read = stream.read_to_end(&mut read) => read.unwrap_err(),
            () = trickle => panic!("the stream went on"),
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(read.len() <= 6, "{read:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_connection_between_requests_or_upgraded_is_left_alone() {
        let (_peer, stream) = duplex(64);
        let phase = phase();
        let mut stream = Deadlines::new(Stream::over(stream), phase.clone());
        for enter in [Phase::answering, Phase::upgraded] {
            enter(&phase);
            let waited = tokio::time::timeout(Duration::from_mins(10), stream.read_u8()).await;
            assert!(waited.is_err(), "it gave up: {waited:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up() {
        let (_peer, stream) = duplex(64);
        let phase = phase();
        phase.answering();
        let mut stream = Deadlines::new(Stream::over(stream), phase);
        let error = stream.write_all(&[0; 1000]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
