//! Moves the bytes of one connection both ways, until one side ends.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::greet::greet_desktop;
use super::heartbeat::{Beat, Heartbeat, PING_EVERY};
use super::inbound::{Inbound, Received};
use super::outbound::{Outbound, Sent};
use super::rights::Passing;
use super::tap::Onlooker;
use super::websocket::{CloseFrame, Opcode};
use super::{CloseCause, Error, Greeting, Passage, Traffic, Viewer};
use crate::model::Rights;
use crate::runtime::Stream;

/// How long the two close frames and the end of the connection may take together.
pub(super) const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// The longest WebSocket message that a viewer of a desktop may send, in bytes.
const MAX_MESSAGE: usize = 1024 * 1024;

/// How many reads and writes one connection does before the others have their turn.
const ROUNDS: u32 = 64;

/// A connection under way.
pub(super) struct Pump {
    client: Stream,
    server: Stream,
    inbound: Inbound,
    outbound: Outbound,
    heartbeat: Heartbeat,
    traffic: Arc<Traffic>,
    /// The bridge itself has to shake hands with the desktop.
    ungreeted: bool,
}

/// Which side ended.
#[derive(Debug)]
pub(super) enum End {
    /// The browser sent a close frame.
    Closed(CloseFrame),
    /// The browser's connection ended without one.
    Vanished,
    /// The desktop's connection ended, and all that it sent is with the browser's.
    Desktop,
}

impl Pump {
    pub(super) fn new(client: Stream, early: Bytes, server: Stream, viewer: Viewer) -> Self {
        let (passing, ungreeted, max_message) = match viewer.passage {
            Passage::Desktop { rights, greeting } => {
                let (passing, ungreeted) = match (greeting, rights) {
                    (Greeting::Done, rights) => (Passing::greeting(rights), false),
                    (Greeting::Fresh, Rights::View) => (Passing::greeting(Rights::View), true),
                    (Greeting::Fresh, Rights::Control) => (Passing::fresh(Rights::Control), false),
                };
                (passing, ungreeted, MAX_MESSAGE)
            }
            Passage::Bytes { .. } => (Passing::Opaque, false, isize::MAX.cast_unsigned()),
        };
        let heartbeat = match viewer.passage {
            Passage::Desktop { .. } => Heartbeat::new(PING_EVERY, true),
            Passage::Bytes { ping_every } => {
                Heartbeat::new(ping_every.unwrap_or(PING_EVERY), false)
            }
        };
        let mut outbound = Outbound::default().watched_by(Onlooker(viewer.tap));
        if let Some(greeting) = passing.first_words() {
            outbound.queue(Opcode::Binary, greeting);
        }
        Self {
            client,
            server,
            inbound: Inbound::new(early, passing, max_message),
            outbound,
            heartbeat,
            traffic: viewer.traffic,
            ungreeted,
        }
    }

    /// Shakes hands with the desktop when that is the bridge's to do. Comes before
    /// [`Pump::poll`].
    pub(super) async fn greet(&mut self) -> Result<(), Error> {
        if std::mem::take(&mut self.ungreeted) {
            greet_desktop(&mut self.server).await?;
        }
        Ok(())
    }

    /// Goes on until one side ends.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<End, Error>> {
        while let Poll::Ready(beat) = self.heartbeat.poll(cx) {
            match beat {
                // Who is not listened to cannot be found silent.
                Beat::Dead if self.inbound.is_blocked() => self.heartbeat.hear(),
                Beat::Dead => return Poll::Ready(Err(Error::Silent)),
                Beat::Ping => self.outbound.queue(Opcode::Ping, &[]),
            }
        }
        for _ in 0..ROUNDS {
            let inbound = self.poll_inbound(cx)?;
            if let Poll::Ready(Some(end)) = inbound {
                return Poll::Ready(Ok(end));
            }
            let outbound = self.poll_outbound(cx)?;
            if let Poll::Ready(Some(end)) = outbound {
                return Poll::Ready(Ok(end));
            }
            if inbound.is_pending() && outbound.is_pending() {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_inbound(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<End>, Error>> {
        let received =
            ready!(
                self.inbound
                    .poll(cx, &mut self.client, &mut self.server, &mut self.outbound)
            )?;
        match received {
            Received::Something => self.heartbeat.hear(),
            Received::Pong => self.heartbeat.hear_pong(),
            Received::Passed(len) => self.traffic.add_from_browser(len),
            Received::Close(frame) => return Poll::Ready(Ok(Some(End::Closed(frame)))),
            Received::End => return Poll::Ready(Ok(Some(End::Vanished))),
        }
        Poll::Ready(Ok(None))
    }

    fn poll_outbound(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<End>, Error>> {
        let server = (!self.inbound.is_greeting()).then_some(&mut self.server);
        let sent = self.outbound.poll(cx, &mut self.client, server);
        if self.outbound.take_moved() {
            self.heartbeat.hear();
        }
        match ready!(sent)? {
            Sent::Bytes(len) => self.traffic.add_to_browser(len),
            Sent::End => return Poll::Ready(Ok(Some(End::Desktop))),
        }
        Poll::Ready(Ok(None))
    }

    /// Lets go of the desktop and closes the WebSocket: a close frame, then the browser's own if
    /// it is still to come, then the connection. Takes [`CLOSE_WITHIN`] at most, whatever the
    /// browser does. Without a farewell the connection is dropped.
    pub(super) async fn close(self, farewell: Option<Farewell>) {
        let Self {
            mut client,
            server,
            mut inbound,
            mut outbound,
            ..
        } = self;
        drop(server);
        let Some(farewell) = farewell else { return };
        inbound.discard();
        let close = async {
            std::future::poll_fn(|cx| outbound.poll_drain(cx, &mut client)).await?;
            outbound.queue(Opcode::Close, &farewell.payload);
            std::future::poll_fn(|cx| outbound.poll_drain(cx, &mut client)).await?;
            client.flush().await?;
            if farewell.await_answer {
                wait_for_close(&mut inbound, &mut client).await;
            }
            client.shutdown().await?;
            // Data that nobody reads would make the kernel reset the connection, and the close
            // frame could be lost with it.
            drain(&mut client).await
        };
        match timeout(CLOSE_WITHIN, close).await {
            Ok(Ok(())) | Err(_) => {}
            Ok(Err(error)) => tracing::trace!(%error, "the close frame did not arrive"),
        }
    }
}

/// The last thing that a browser is told.
#[derive(Debug)]
pub(super) struct Farewell {
    /// The payload of the close frame.
    payload: Vec<u8>,
    /// Whether the browser's own close frame is still to come and can be understood.
    await_answer: bool,
}

impl Farewell {
    /// For a browser that is told why.
    pub(super) fn because(cause: &CloseCause, await_answer: bool) -> Self {
        let mut payload = cause.code().to_be_bytes().to_vec();
        payload.extend(cause.reason().as_bytes());
        Self {
            payload,
            await_answer,
        }
    }

    /// For a browser that closes: its own code (RFC 6455 §5.5.1).
    pub(super) fn answer(frame: &CloseFrame) -> Self {
        let code = frame.code.map(u16::to_be_bytes);
        Self {
            payload: code.into_iter().flatten().collect(),
            await_answer: false,
        }
    }
}

/// Reads until the browser's close frame, its end, or something that cannot be understood.
async fn wait_for_close(inbound: &mut Inbound, client: &mut Stream) {
    let (mut nowhere, mut unsent) = (Stream::over(tokio::io::empty()), Outbound::default());
    let mut received = async || {
        std::future::poll_fn(|cx| inbound.poll(cx, client, &mut nowhere, &mut unsent)).await
    };
    while let Ok(Received::Something | Received::Pong | Received::Passed(_)) = received().await {}
}

/// Reads until the end and looks at nothing.
async fn drain(client: &mut Stream) -> io::Result<()> {
    let mut room = vec![0; 4096];
    while client.read(&mut room).await? > 0 {}
    Ok(())
}
