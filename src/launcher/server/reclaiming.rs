//! The memory of desktops that stand still, written out in children: where there is no place for
//! one, it is tried again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Server;
use super::errands::Errand;
use crate::launcher::jobs::{Outlet, Purse};
use crate::launcher::lifecycle::Lifecycle;
use crate::launcher::place::RunId;
use crate::launcher::user_child::Word;

/// How long the kernel may take to write a frozen desktop's memory out.
const TIMEOUT: Duration = Duration::from_secs(30);
/// After a child could not be started, so long until it is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Frozen desktops whose memory is still to be written out, and from when on; each once.
#[derive(Debug, Default)]
pub(super) struct Unreclaimed(VecDeque<(Instant, RunId)>);

impl Unreclaimed {
    fn add(&mut self, run: RunId, at: Instant) {
        self.0.retain(|(_, known)| *known != run);
        self.0.push_back((at, run));
    }

    fn take(&mut self, now: Instant) -> Option<RunId> {
        let due = self.0.iter().position(|(at, _)| *at <= now)?;
        self.0.remove(due).map(|(_, run)| run)
    }

    fn next(&self) -> Option<Instant> {
        self.0.iter().map(|(at, _)| *at).min()
    }
}

impl Server {
    /// Writes a frozen desktop's memory out, as soon as there is a place for the child that does.
    pub(super) fn reclaim(&mut self, run: &RunId) {
        self.unreclaimed.add(run.clone(), self.clock.monotonic());
        self.reclaim_waiting(self.clock.monotonic());
    }

    /// That child could not be started.
    pub(super) fn reclaim_later(&mut self, run: RunId) {
        self.unreclaimed.add(run, self.clock.monotonic() + AGAIN);
    }

    /// When there is something for [`Server::reclaim_waiting`]; a place that gets free wakes the
    /// loop.
    pub(super) fn next_reclaim(&self) -> Option<Instant> {
        let next = self.unreclaimed.next();
        next.filter(|_| self.jobs.has_room(Purse::Own))
    }

    pub(super) fn reclaim_waiting(&mut self, now: Instant) {
        while self.jobs.has_room(Purse::Own)
            && let Some(run) = self.unreclaimed.take(now)
        {
            let running = self.desktops.get(&run);
            if !running.is_some_and(|it| matches!(it.life(), Lifecycle::Frozen { .. })) {
                continue;
            }
            let Some(group) = self.cgroups.open(&run.to_string()) else {
                continue;
            };
            self.begin(TIMEOUT, Errand::Reclaim(run), |outlet: &Outlet| {
                let reclaimed = group.reclaim();
                outlet.say(&if reclaimed.is_ok() {
                    Word::Yes
                } else {
                    Word::No
                })
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_found_no_place_is_tried_again_when_it_is_time_and_once() {
        let (mut waiting, now) = (Unreclaimed::default(), Instant::now());
        let (one, other) = (RunId::new().unwrap(), RunId::new().unwrap());
        waiting.add(one.clone(), now);
        waiting.add(other.clone(), now);
        waiting.add(one.clone(), now + AGAIN);
        assert_eq!(waiting.take(now), Some(other));
        assert_eq!(waiting.take(now), None);
        assert_eq!(waiting.next(), Some(now + AGAIN));
        assert_eq!(waiting.take(now + AGAIN), Some(one));
        assert_eq!(waiting.next(), None);
    }
}
