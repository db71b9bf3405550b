//! Moves the bytes of one connection both ways, until one side ends.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::farewell::Farewell;
use super::greet::{GREET_WITHIN, greet_desktop};
use super::heartbeat::{Beat, Heartbeat};
use super::inbound::{Inbound, Received};
use super::outbound::{Outbound, Sent};
use super::rights::Passing;
use super::tap::Onlooker;
use super::websocket::{CloseFrame, Opcode};
use super::{Error, Greeting, Passage, Traffic, Viewer};
use crate::model::Rights;
use crate::runtime::Stream;
use bytes::Bytes;
use tokio::time::{Sleep, sleep};

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
    /// How long the desktop, which speaks first, may still be silent; `None` once it has spoken.
    silence: Option<Pin<Box<Sleep>>>,
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
        let speaks_first = matches!(
            viewer.passage,
            Passage::Desktop {
                greeting: Greeting::Fresh,
                rights: Rights::Control,
            }
        );
        let heartbeat = match viewer.passage {
            Passage::Desktop { .. } => Heartbeat::of_a_browser(),
            Passage::Bytes { ping_every } => Heartbeat::of_a_stranger(ping_every),
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
            silence: speaks_first.then(|| Box::pin(sleep(GREET_WITHIN))),
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
                Beat::Ping => {
                    let number = self.heartbeat.ping();
                    self.outbound.queue(Opcode::Ping, &number);
                }
            }
        }
        if self.traffic.to_browser() > 0 {
            self.silence = None;
        }
        if let Some(silence) = &mut self.silence
            && silence.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(Error::Unanswered));
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
        if let Some(payload) = self.inbound.take_pong()
            && let Some(took) = self.heartbeat.pong(&payload)
        {
            self.traffic.round_trip(took);
        }
        match received {
            Received::Something => self.heartbeat.hear(),
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

    /// Lets go of the desktop, and says goodbye to the browser; without a farewell its connection
    /// is dropped.
    pub(super) async fn close(self, farewell: Option<Farewell>) {
        let Self {
            client,
            server,
            inbound,
            outbound,
            ..
        } = self;
        drop(server);
        if let Some(farewell) = farewell {
            farewell.say(client, inbound, outbound).await;
        }
    }
}
