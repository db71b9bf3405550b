//! Requests that are answered once a desktop has come to a state.

use std::time::Instant;

use super::Server;
use super::connections::Asker;
use crate::launcher::place::RunId;
use crate::launcher::protocol::{Answer, Refusal};

/// Most requests that wait at once.
pub(super) const MAX_WAITING: usize = 256;

/// One request that waits for a desktop.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) asker: Asker,
    pub(super) run: RunId,
    pub(super) state: Awaited,
}

#[derive(Debug)]
pub(super) enum Awaited {
    /// Nothing of it runs any more. Stopping is bounded itself.
    Gone,
    /// A viewer can connect, or it is clear that none will.
    Screen { until: Instant },
}

impl Waiting {
    pub(super) fn until(&self) -> Option<Instant> {
        match self.state {
            Awaited::Gone => None,
            Awaited::Screen { until } => Some(until),
        }
    }
}

impl Server {
    /// Keeps a request until its desktop is as far.
    pub(super) fn await_state(&mut self, waiting: Waiting) -> Result<Option<Answer>, Refusal> {
        if self.waiting.len() >= MAX_WAITING {
            return Err(Refusal::Busy);
        }
        self.waiting.push(waiting);
        Ok(None)
    }

    /// Answers those whose desktop is as far, or whose time is over.
    pub(super) fn advance_waiting(&mut self, now: Instant) {
        for waiting in std::mem::take(&mut self.waiting) {
            let Waiting { asker, run, state } = &waiting;
            let desktop = self.desktops.get(run);
            match state {
                Awaited::Gone if desktop.is_none() => {
                    self.connections.answer(*asker, Answer::Done);
                }
                Awaited::Screen { until } => {
                    match desktop.map(|desktop| desktop.life().screen_is_up()) {
                        Some(Some(true)) => self.open_screen(*asker, run),
                        Some(None) if now < *until => self.waiting.push(waiting),
                        _ => self.connections.answer(*asker, Refusal::NotRunning.into()),
                    }
                }
                Awaited::Gone => self.waiting.push(waiting),
            }
        }
    }
}
