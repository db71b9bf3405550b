//! Starts desktops again that crashed, where the configuration says so.

use std::time::Instant;

use super::Server;
use crate::config::Restart;
use crate::launcher::desktops::Ended;
use crate::launcher::restarts::is_crash;
use crate::model::NoticeKind;

impl Server {
    /// A desktop has come to its end.
    pub(super) fn ended(&mut self, ended: &Ended) {
        let is_ending = !matches!(self.ending, super::Ending::No);
        let Some(again) = ended.again.clone().filter(|again| is_crash(&again.cause)) else {
            return;
        };
        if self.config.desktops.restart != Restart::OnCrash || is_ending {
            return;
        }
        let now = self.clock.monotonic();
        let (user, desktop) = (&ended.desktop.owner, &ended.desktop);
        if let Some(pause) = self.restarts.crashed(desktop, again, now) {
            let pause = pause.as_secs();
            tracing::info!(%user, %desktop, pause, "it crashed and is started again");
        } else {
            tracing::error!(%user, %desktop, "it crashes again and again, and stays down");
        }
    }

    /// Starts those whose pause is over.
    pub(super) fn start_again(&mut self, now: Instant) {
        for (desktop, again) in self.restarts.due(now) {
            let name = desktop.name.clone();
            let started = self.start(again.owner, name, Some(&again.profile), again.geometry);
            if let Err(refusal) = started {
                let user = &desktop.owner;
                tracing::warn!(%user, %desktop, %refusal, "not started again");
                continue;
            }
            let run = self.desktops.find(&desktop).map(|(run, _)| run.clone());
            if let Some(run) = run {
                let cause = again.cause;
                self.notify(&run, NoticeKind::StartedAgain { cause });
            }
        }
    }
}
