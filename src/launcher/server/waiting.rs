//! Requests that are answered once a desktop has come to a state.

use std::time::{Duration, Instant};

use super::Server;
use super::connections::Asker;
use crate::launcher::desktops::Running;
use crate::launcher::place::RunId;
use crate::launcher::protocol::{Answer, Refusal};
use crate::model::UserName;

/// Most requests that wait at once.
pub(super) const MAX_WAITING: usize = 256;

/// How long a desktop's end is waited for. One that takes longer hangs somewhere.
pub(super) const GONE_TIMEOUT: Duration = Duration::from_secs(30);
/// Most requests for one account's desktops that wait at once, of the front or of one user.
const MAX_OF_ACCOUNT: usize = 8;

/// One request that waits for a desktop.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) asker: Asker,
    /// Whose desktop it is.
    pub(super) account: UserName,
    pub(super) run: RunId,
    pub(super) state: Awaited,
}

#[derive(Debug)]
pub(super) enum Awaited {
    /// Nothing of it runs any more.
    Gone { until: Instant },
    /// A viewer can connect, or it is clear that none will.
    Screen { until: Instant },
}

impl Waiting {
    pub(super) fn until(&self) -> Instant {
        match self.state {
            Awaited::Gone { until } | Awaited::Screen { until } => until,
        }
    }
}

impl Server {
    /// Keeps a request until its desktop is as far.
    pub(super) fn await_state(&mut self, waiting: Waiting) -> Result<Option<Answer>, Refusal> {
        let alike = |other: &&Waiting| {
            other.asker.who == waiting.asker.who && other.account == waiting.account
        };
        if self.waiting.len() >= MAX_WAITING
            || self.waiting.iter().filter(alike).count() >= MAX_OF_ACCOUNT
        {
            return Err(Refusal::Busy);
        }
        self.waiting.push(waiting);
        Ok(None)
    }

    /// Answers those whose desktop is as far, or whose time is over.
    pub(super) fn advance_waiting(&mut self, now: Instant) {
        for waiting in std::mem::take(&mut self.waiting) {
            let Waiting {
                asker, run, state, ..
            } = &waiting;
            let desktop = self.desktops.get(run);
            let has_place = !self.is_busy_for(&waiting.account);
            match state {
                Awaited::Gone { .. } if desktop.is_none() => {
                    self.connections.answer(*asker, Answer::Done);
                }
                Awaited::Screen { until } => match desktop.map(Running::screen_is_up) {
                    Some(Some(true)) if has_place => self.open_screen(*asker, run),
                    Some(None | Some(true)) if now < *until => self.waiting.push(waiting),
                    Some(Some(true)) => self.connections.answer(*asker, Refusal::Busy.into()),
                    _ => self.connections.answer(*asker, Refusal::NotRunning.into()),
                },
                Awaited::Gone { until } if now < *until => self.waiting.push(waiting),
                Awaited::Gone { .. } => {
                    let words = "the desktop takes long to end".to_owned();
                    let refusal = Refusal::Failed(words);
                    self.connections.answer(*asker, refusal.into());
                }
            }
        }
    }
}
