//! Ends the desktops of those whose hours of the day are used up, and tells them before.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Server;
use crate::launcher::hours::NOTICE;
use crate::launcher::owner::Owner;
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
        let left = self.hours_left();
        let told = |run: &RunId| {
            let running = self.desktops.get(run);
            running.is_none_or(|it| it.notices.last(is_hours).is_some())
        };
        let next = left.iter().map(|(run, left)| {
            if told(run) {
                now + *left
            } else {
                now + left.saturating_sub(NOTICE)
            }
        });
        next.chain(self.hours.next_save()).min()
    }

    /// Tells those who have little left, and ends what has none.
    pub(super) fn look_after_hours(&mut self, now: Instant) {
        for (run, left) in self.hours_left() {
            let unix = self.clock.unix();
            let Some(running) = self.desktops.get_mut(&run) else {
                continue;
            };
            if left.is_zero() {
                let (user, desktop) = (&running.desktop.owner, &running.desktop);
                tracing::info!(%user, %desktop, "the hours of today are used up: it is ended");
                self.changed.insert(user.clone());
                let grace = self.config.idle.grace;
                running.close(EndCause::HoursUsedUp, grace, unix, now);
            } else if left <= NOTICE && running.notices.last(is_hours).is_none() {
                let minutes = left.as_secs().div_ceil(60) * 60;
                let text = format!(
                    "Your hours for today are used up in {}. Save your work: then programs are \
                     asked to close, and the desktop ends.",
                    span(minutes)
                );
                running.show(&text, false);
                let when = unix + left.as_secs();
                self.notify(&run, NoticeKind::HoursRunOut { when });
            }
        }
    }

    /// Whether the person may have a desktop started today still.
    pub(super) fn has_hours_left(&self, owner: &Owner) -> Result<(), Refusal> {
        match self.limits_of(owner).hours_per_day {
            Some(limit) if self.hours.used(&owner.name) >= limit => Err(Refusal::Denied(format!(
                "your {} for today are used up; a desktop can be started again after midnight",
                span(limit.as_secs())
            ))),
            _ => Ok(()),
        }
    }

    pub(super) fn keep_hours(&mut self) {
        if let Err(error) = self.hours.save(self.clock.monotonic(), true) {
            tracing::error!(%error, "the hours of today cannot be kept");
        }
    }

    /// How long each desktop that is counted can go on, when all of its owner's do.
    fn hours_left(&self) -> Vec<(RunId, Duration)> {
        let mut running: BTreeMap<&UserName, u32> = BTreeMap::new();
        for (_, _, owner) in self.desktops.counted() {
            *running.entry(owner).or_default() += 1;
        }
        let counted = self.desktops.counted();
        let left = counted.map(|(run, limit, owner)| {
            let left = limit.saturating_sub(self.hours.used(owner));
            let together = running.get(owner).copied().unwrap_or(1).max(1);
            (run.clone(), left / together)
        });
        left.collect()
    }
}

fn is_hours(what: &NoticeKind) -> bool {
    matches!(what, NoticeKind::HoursRunOut { .. })
}
