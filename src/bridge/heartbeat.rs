//! Pings, and the end of a browser that gives no sign of life.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// How often the browser is pinged. Proxies cut what is silent for 60 s.
pub(super) const PING_EVERY: Duration = Duration::from_secs(25);

/// How long a browser may give no sign of life at least: two pings without a pong.
pub(super) const DEAD_AFTER: Duration = Duration::from_mins(1);

/// How long a pong may take beyond the second ping.
const GRACE: Duration = Duration::from_secs(10);

/// The clock of one connection.
pub(super) struct Heartbeat {
    wake: Pin<Box<Sleep>>,
    ping_every: Duration,
    dead_after: Duration,
    next_ping: Instant,
    heard: Instant,
    /// It is known to answer pings, so that silence means something.
    answers: bool,
}

/// What the time asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beat {
    Ping,
    Dead,
}

impl Heartbeat {
    /// `answers`: the other side is taken to answer pings from the beginning on, and not only
    /// once it has answered one.
    pub(super) fn new(ping_every: Duration, answers: bool) -> Self {
        let now = Instant::now();
        let next_ping = now + ping_every;
        Self {
            wake: Box::pin(sleep_until(next_ping)),
            ping_every,
            dead_after: DEAD_AFTER.max(ping_every * 2 + GRACE),
            next_ping,
            heard: now,
            answers,
        }
    }

    /// The browser gave a sign of life, or could not have been heard if it had.
    pub(super) fn hear(&mut self) {
        self.heard = Instant::now();
    }

    /// The browser answered a ping.
    pub(super) fn hear_pong(&mut self) {
        self.answers = true;
        self.hear();
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Beat> {
        loop {
            ready!(self.wake.as_mut().poll(cx));
            let now = Instant::now();
            let deadline = self.heard + self.dead_after;
            if self.answers && now >= deadline {
                return Poll::Ready(Beat::Dead);
            }
            let ping = now >= self.next_ping;
            if ping {
                self.next_ping = now + self.ping_every;
            }
            // What was heard since only puts the end off: waking too early does no harm.
            let next = if self.answers {
                self.next_ping.min(deadline)
            } else {
                self.next_ping
            };
            self.wake.as_mut().reset(next);
            if ping {
                return Poll::Ready(Beat::Ping);
            }
        }
    }
}
