//! Ends the desktops of those whose hours of the day are used up, and tells them before.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Server;
use crate::config::Limits;
use crate::launcher::desktops::Running;
use crate::launcher::hours::{Due, due, quiet};
use crate::launcher::lifecycle::Lifecycle;
use crate::launcher::place::RunId;
use crate::launcher::protocol::Refusal;
use crate::model::{EndCause, NoticeKind, UserName, span};

impl Server {
    /// Counts what has passed since the last time; before anything of the desktops changes.
    pub(super) fn count_hours(&mut self, now: Instant) {
        if let Ok(today) = deskway_osuser::local_day(self.clock.unix()) {
            let running = self.desktops.counted();
            self.hours
                .count(running.map(|(_, _, owner)| owner), today, now);
        }
        if let Err(error) = self.hours.save(now, false) {
            tracing::error!(%error, "the hours of today cannot be kept");
        }
    }

    /// When there is something for [`Server::look_after_hours`], or to be kept.
    pub(super) fn next_hours(&self, now: Instant) -> Option<Instant> {
        let unix = self.clock.unix();
        let left = self.hours_left(now);
        let next = left.iter().filter_map(|(run, left)| {
            let told = told(self.desktops.get(run)?);
            Some(now + quiet(*left, told, unix))
        });
        next.chain(self.hours.next_save()).min()
    }

    /// Tells those who have little left, and ends what has none.
    pub(super) fn look_after_hours(&mut self, now: Instant) {
        for (run, left) in self.hours_left(now) {
            let unix = self.clock.unix();
            let Some(running) = self.desktops.get_mut(&run) else {
                continue;
            };
            match due(left, told(running), unix) {
                Due::Nothing => {}
                Due::Tell { when } => {
                    let minutes = left.as_secs().div_ceil(60) * 60;
                    let text = format!(
                        "Your hours for today are used up in {}. Save your work: then programs \
                         are asked to close, and the desktop ends.",
                        span(minutes)
                    );
                    running.show(&text, false);
                    self.notify(&run, NoticeKind::HoursRunOut { when });
                }
                Due::Withdraw => {
                    running.notices.withdraw(is_hours);
                    self.changed.insert(running.desktop.owner.clone());
                }
                Due::End => {
                    let (user, desktop) = (&running.desktop.owner, &running.desktop);
                    tracing::info!(%user, %desktop, "the hours of today are used up: it is ended");
                    self.changed.insert(user.clone());
                    let grace = self.config.idle.grace;
                    running.close(EndCause::HoursUsedUp, grace, unix, now);
                }
            }
        }
    }

    /// Whether the person may have a desktop started today still.
    pub(super) fn has_hours_left(&self, owner: &UserName, limits: &Limits) -> Result<(), Refusal> {
        match limits.hours_per_day {
            Some(limit) if self.hours.used(owner) >= limit => Err(Refusal::Denied(format!(
                "your {} for today are used up; a desktop can be started again after midnight",
                span(limit.as_secs())
            ))),
            _ => Ok(()),
        }
    }

    /// Whether a desktop that is asleep may go on today: it would be ended at once. It sleeps on
    /// otherwise, with all that is open in it.
    pub(super) fn may_wake(&self, running: &Running) -> Result<(), Refusal> {
        let is_asleep = matches!(running.life(), Lifecycle::Frozen { .. });
        match running.hours.filter(|_| is_asleep) {
            Some(limit) if self.hours.used(&running.desktop.owner) >= limit => {
                Err(Refusal::Denied(format!(
                    "the {} for today are used up: the desktop sleeps until it is opened after \
                     midnight",
                    span(limit.as_secs())
                )))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn keep_hours(&mut self) {
        if let Err(error) = self.hours.save(self.clock.monotonic(), true) {
            tracing::error!(%error, "the hours of today cannot be kept");
        }
    }

    /// How long each desktop that is counted can go on, when all of its owner's do.
    fn hours_left(&self, now: Instant) -> Vec<(RunId, Duration)> {
        let mut running: BTreeMap<&UserName, u32> = BTreeMap::new();
        for (_, _, owner) in self.desktops.counted() {
            *running.entry(owner).or_default() += 1;
        }
        let counted = self.desktops.counted();
        let left = counted.map(|(run, limit, owner)| {
            let together = running.get(owner).copied().unwrap_or(1);
            let left = self.hours.left(owner, limit, together, now);
            (run.clone(), left)
        });
        left.collect()
    }
}

/// When the owner was told that the hours will be used up.
fn told(running: &Running) -> Option<u64> {
    match running.notices.last(is_hours)?.what {
        NoticeKind::HoursRunOut { when } => Some(when),
        _ => None,
    }
}

pub(super) fn is_hours(what: &NoticeKind) -> bool {
    matches!(what, NoticeKind::HoursRunOut { .. })
}
