//! Pings, and the end of a browser that gives no sign of life.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// How often the browser is pinged. Proxies cut what is silent for 60 s.
pub(super) const PING_EVERY: Duration = Duration::from_secs(25);

/// How long a browser may give no sign of life: two pings without a pong.
pub(super) const DEAD_AFTER: Duration = Duration::from_mins(1);

/// The clock of one connection.
pub(super) struct Heartbeat {
    wake: Pin<Box<Sleep>>,
    next_ping: Instant,
    heard: Instant,
}

/// What the time asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beat {
    Ping,
    Dead,
}

impl Heartbeat {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        let next_ping = now + PING_EVERY;
        Self {
            wake: Box::pin(sleep_until(next_ping)),
            next_ping,
            heard: now,
        }
    }

    /// The browser gave a sign of life, or could not have been heard if it had.
    pub(super) fn hear(&mut self) {
        self.heard = Instant::now();
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Beat> {
        loop {
            ready!(self.wake.as_mut().poll(cx));
            let now = Instant::now();
            if now >= self.heard + DEAD_AFTER {
                return Poll::Ready(Beat::Dead);
            }
            let ping = now >= self.next_ping;
            if ping {
                self.next_ping = now + PING_EVERY;
            }
            // What was heard since only puts the end off: waking too early does no harm.
            let next = self.next_ping.min(self.heard + DEAD_AFTER);
            self.wake.as_mut().reset(next);
            if ping {
                return Poll::Ready(Beat::Ping);
            }
        }
    }
}
