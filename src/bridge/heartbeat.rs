//! Pings, and the end of a browser that gives no sign of life.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// How often the browser is pinged. Proxies cut what is silent for 60 s.
pub const PING_EVERY: Duration = Duration::from_secs(25);

/// How long a browser may give no sign of life: two pings without a pong.
pub(super) const DEAD_AFTER: Duration = Duration::from_mins(1);

/// The clock of one connection.
pub(super) struct Heartbeat {
    /// `None`: there is nothing to do at any time.
    wake: Option<Pin<Box<Sleep>>>,
    ping_every: Duration,
    next_ping: Instant,
    heard: Instant,
    /// How many pings were sent.
    pings: u32,
    /// When the last of them was, until it is answered.
    asked: Option<Instant>,
    /// Whether silence is the end.
    mortal: bool,
}

/// What the time asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beat {
    Ping,
    Dead,
}

impl Heartbeat {
    /// For a browser, which answers pings.
    pub(super) fn of_a_browser() -> Self {
        Self::new(Some(PING_EVERY), true)
    }

    /// For a client of which nothing is known: its pongs may be a long time behind what it has
    /// still to read, or never come. `None`: no pings.
    pub(super) fn of_a_stranger(ping_every: Option<Duration>) -> Self {
        Self::new(ping_every, false)
    }

    fn new(ping_every: Option<Duration>, mortal: bool) -> Self {
        let now = Instant::now();
        let next_ping = now + ping_every.unwrap_or_default();
        Self {
            wake: ping_every.map(|_| Box::pin(sleep_until(next_ping))),
            ping_every: ping_every.unwrap_or_default(),
            next_ping,
            heard: now,
            pings: 0,
            asked: None,
            mortal,
        }
    }

    /// The browser gave a sign of life, or could not have been heard if it had.
    pub(super) fn hear(&mut self) {
        self.heard = Instant::now();
    }

    /// What the next ping says: to a browser its number, so that the answer is known from others.
    pub(super) fn ping(&mut self) -> Vec<u8> {
        if !self.mortal {
            return Vec::new();
        }
        self.pings = self.pings.wrapping_add(1);
        self.asked = Some(Instant::now());
        self.pings.to_be_bytes().to_vec()
    }

    /// How long the browser took, when this answers the last ping.
    pub(super) fn pong(&mut self, payload: &[u8]) -> Option<Duration> {
        let answers = payload == self.pings.to_be_bytes();
        let asked = self.asked.take_if(|_| answers)?;
        Some(asked.elapsed())
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Beat> {
        let Some(wake) = &mut self.wake else {
            return Poll::Pending;
        };
        loop {
            ready!(wake.as_mut().poll(cx));
            let now = Instant::now();
            let end = self.heard + DEAD_AFTER;
            if self.mortal && now >= end {
                return Poll::Ready(Beat::Dead);
            }
            let ping = now >= self.next_ping;
            if ping {
                self.next_ping = now + self.ping_every;
            }
            // What was heard since only puts the end off: waking too early does no harm.
            let next = if self.mortal {
                self.next_ping.min(end)
            } else {
                self.next_ping
            };
            wake.as_mut().reset(next);
            if ping {
                return Poll::Ready(Beat::Ping);
            }
        }
    }
}
