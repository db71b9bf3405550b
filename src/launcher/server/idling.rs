//! What becomes of desktops that nobody uses: does what [`crate::launcher::idle`] says.

use std::time::{Duration, Instant};

use super::Server;
use super::daily_hours::is_hours;
use super::errands::Errand;
use crate::audit::{Entry, What};
use crate::launcher::idle::Step;
use crate::launcher::lifecycle::Lifecycle;
use crate::launcher::place::RunId;
use crate::launcher::protocol::Refusal;
use crate::model::{DesktopId, EndCause, IdleStep, NoticeKind, span};

impl Server {
    /// When there is something for [`Server::look_after_idle`].
    pub(super) fn next_idle(&self, now: Instant) -> Option<Instant> {
        let viewers = |desktop: &DesktopId| self.viewing.of(desktop);
        self.desktops.next_idle(&self.config.idle, viewers, now)
    }

    /// Looks at the desktops whose time has come.
    pub(super) fn look_after_idle(&mut self, now: Instant) {
        for desktop in self.viewing.keep(|front| self.connections.is_open(front)) {
            self.left(&desktop);
        }
        let viewers = |desktop: &DesktopId| self.viewing.of(desktop);
        for run in self.desktops.idle_due(&self.config.idle, viewers, now) {
            while let Some(step) = self.idle_step(&run, now) {
                self.take_step(&run, step, now);
            }
        }
    }

    fn idle_step(&mut self, run: &RunId, now: Instant) -> Option<Step> {
        let running = self.desktops.get_mut(run)?;
        if !running.is_used() {
            return None;
        }
        let viewers = self.viewing.of(&running.desktop);
        running.idle.step(&self.config.idle, viewers, now)
    }

    fn take_step(&mut self, run: &RunId, step: Step, now: Instant) {
        let unix = self.clock.unix();
        let Some(running) = self.desktops.get_mut(run) else {
            return;
        };
        let (user, desktop) = (running.desktop.owner.clone(), running.desktop.clone());
        match step {
            Step::Ask => running.ask_idle(),
            Step::Look => {
                running.ask_idle();
                let processes = &mut self.sampling.processes;
                match running.cpu_time(&self.cgroups, run, processes, now) {
                    Some((total, at)) => running.idle.cpu(total, self.config.idle.busy_cpu, at),
                    None => running.idle.cpu_is_unknown(now),
                }
            }
            Step::Warn { next, when } => {
                let left = when.saturating_duration_since(now);
                tracing::info!(%user, %desktop, left = left.as_secs(), "nobody uses it");
                let idle = now.saturating_duration_since(running.idle.since());
                running.show(&in_words(idle, next, left), true);
                let when = unix + left.as_secs();
                self.notify(run, NoticeKind::Idle { next, when });
            }
            Step::Withdraw => {
                if running.notices.withdraw(is_idle) {
                    self.changed.insert(user);
                }
            }
            Step::Freeze => match self.freeze(run) {
                Ok(()) => {
                    let entry = Entry::by_deskway(self.clock.unix_millis(), What::Freeze);
                    self.connections.journal.record(entry.on(&desktop));
                }
                Err(refusal) => {
                    tracing::warn!(%user, %desktop, %refusal, "not frozen");
                    if let Some(running) = self.desktops.get_mut(run) {
                        running.idle.cannot_freeze();
                    }
                }
            },
            Step::Stop { unused } => {
                let unused = self.config.idle.stop_after.unwrap_or(unused);
                let seconds = unused.as_secs();
                tracing::info!(%user, %desktop, seconds, "nobody has used it: it is ended");
                let grace = self.config.idle.grace;
                running.close(EndCause::Unused { seconds }, grace, unix, now);
                self.changed.insert(user);
            }
        }
    }

    /// All processes of a desktop stand still, and their memory is written out.
    pub(super) fn freeze(&mut self, run: &RunId) -> Result<(), Refusal> {
        let (now, unix) = (self.clock.monotonic(), self.clock.unix());
        let running = self.desktops.get_mut(run).ok_or(Refusal::NotRunning)?;
        match running.life() {
            Lifecycle::Frozen { .. } => return Ok(()),
            Lifecycle::Ready { .. } => {}
            _ => return Err(Refusal::NotRunning),
        }
        let cannot = "this machine cannot freeze desktops";
        let group = running.meter.group(&self.cgroups, run);
        let group = group.ok_or_else(|| Refusal::Failed(cannot.to_owned()))?;
        group
            .freeze()
            .map_err(|error| super::requests::failed(cannot, &error))?;
        running.froze(unix);
        running
            .notices
            .withdraw(|what| is_idle(what) || is_hours(what));
        let next = running.idle.comes_next(&self.config.idle, 0);
        if let Some((next, when)) = next {
            let when = unix + when.saturating_duration_since(now).as_secs();
            running.notices.add(NoticeKind::Idle { next, when }, unix);
        }
        let (user, desktop) = (&running.desktop.owner, &running.desktop);
        tracing::info!(%user, %desktop, "frozen");
        self.changed.insert(user.clone());
        self.reclaim(run);
        Ok(())
    }

    /// They go on, if they stood still. That counts as a visit.
    ///
    /// One whose owner has no hours left today sleeps on, and [`Refusal::Denied`] says so.
    pub(super) fn thaw(&mut self, run: &RunId) -> Result<(), Refusal> {
        let (now, unix) = (self.clock.monotonic(), self.clock.unix());
        self.may_wake(self.desktops.get(run).ok_or(Refusal::NotRunning)?)?;
        let running = self.desktops.get_mut(run).ok_or(Refusal::NotRunning)?;
        if !matches!(running.life(), Lifecycle::Frozen { .. }) {
            running.idle.used(now);
            return Ok(());
        }
        self.jobs
            .cancel(|errand| matches!(errand, Errand::Reclaim(of) if of == run));
        let cannot = "the desktop cannot be made to go on";
        let group = running.meter.group(&self.cgroups, run);
        let group = group.ok_or_else(|| Refusal::Failed(cannot.to_owned()))?;
        group
            .thaw()
            .map_err(|error| super::requests::failed(cannot, &error))?;
        running.thawed(unix, now);
        running.notices.withdraw(is_idle);
        let (user, desktop) = (&running.desktop.owner, &running.desktop);
        tracing::info!(%user, %desktop, "thawed");
        self.changed.insert(user.clone());
        Ok(())
    }

    /// Somebody says that the desktop is in use. One that stands still goes on.
    pub(super) fn used(&mut self, run: &RunId) -> Result<(), Refusal> {
        self.thaw(run)
    }

    /// Somebody has stopped looking at a desktop.
    pub(super) fn left(&mut self, desktop: &DesktopId) {
        let now = self.clock.monotonic();
        let run = self.desktops.find(desktop).map(|(run, _)| run.clone());
        if let Some(running) = run.and_then(|run| self.desktops.get_mut(&run))
            && !matches!(running.life(), Lifecycle::Frozen { .. })
        {
            running.idle.used(now);
        }
    }

    /// Tells the owner something in the page.
    pub(super) fn notify(&mut self, run: &RunId, what: NoticeKind) {
        let unix = self.clock.unix();
        if let Some(running) = self.desktops.get_mut(run) {
            running.notices.add(what, unix);
            self.changed.insert(running.desktop.owner.clone());
        }
    }
}

fn is_idle(what: &NoticeKind) -> bool {
    matches!(what, NoticeKind::Idle { .. })
}

/// As it stands inside the desktop, where nobody knows when it will be read.
fn in_words(idle: Duration, next: IdleStep, left: Duration) -> String {
    let what = match next {
        IdleStep::Freeze => {
            "it will be put to sleep, unless somebody is looking at it then. It goes on where it \
             was when you open it"
        }
        IdleStep::Stop => "its programs will be asked to close, and it will be ended",
    };
    let (idle, left) = (whole(idle), whole(left));
    format!("Nobody has used this desktop for {idle}. If that stays so, in {left} {what}.")
}

/// Without the odd seconds of a longer time.
fn whole(time: Duration) -> String {
    let seconds = time.as_secs();
    let minutes = (seconds + 30) / 60;
    span(if seconds < 90 { seconds } else { minutes * 60 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_says_what_comes_and_when() {
        let minutes = Duration::from_mins;
        let slack = Duration::from_secs(2);
        let words = in_words(
            minutes(30) + slack,
            IdleStep::Stop,
            minutes(90).saturating_sub(slack),
        );
        assert!(words.contains("for 30 minutes"), "{words}");
        assert!(words.contains("in 90 minutes its programs"), "{words}");
        let words = in_words(Duration::from_secs(3), IdleStep::Freeze, minutes(60));
        assert!(words.contains("for 3 seconds"), "{words}");
        assert!(
            words.contains("in 1 hour it will be put to sleep"),
            "{words}"
        );
    }
}
