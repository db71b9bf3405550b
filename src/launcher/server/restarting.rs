//! Starts desktops again that crashed, where the configuration says so.

use std::time::Instant;

use super::Server;
use super::requests::failed;
use crate::audit::{Entry, Outcome, What};
use crate::config::Restart;
use crate::launcher::access;
use crate::launcher::desktops::Ended;
use crate::launcher::owner::Owner;
use crate::launcher::protocol::Refusal;
use crate::launcher::restarts::{Again, is_crash};
use crate::launcher::session_child::StartedBy;
use crate::model::{DesktopId, NoticeKind};

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
            let started = self.start_crashed(&desktop, &again);
            let at = self.clock.unix_millis();
            let entry = Entry::by_deskway(at, What::Start).on(&desktop);
            let entry = entry.with("it had crashed");
            if let Err(refusal) = started {
                let user = &desktop.owner;
                tracing::warn!(%user, %desktop, %refusal, "not started again");
                let entry = entry.went(Outcome::Refused, &refusal.to_string());
                self.connections.journal.record(entry);
                continue;
            }
            self.connections.journal.record(entry);
            let run = self.desktops.find(&desktop).map(|(run, _)| run.clone());
            if let Some(run) = run {
                let cause = again.cause;
                self.notify(&run, NoticeKind::StartedAgain { cause });
            }
        }
    }
    /// As its owner's account is now: whoever is let in no more gets no desktop either. What the
    /// launcher cannot ask without waiting, PAM and the local accounts, the session child asks.
    fn start_crashed(&mut self, desktop: &DesktopId, again: &Again) -> Result<(), Refusal> {
        let unasked = |error| failed("the account database cannot be asked", &error);
        let (was, place) = (&again.owner.os, &self.place);
        let owner = Owner::find(&desktop.owner, &was.name, was.uid, place).map_err(unasked)?;
        let owner = owner.ok_or_else(|| Refusal::NotAllowed {
            reason: "its account is gone, or another one".to_owned(),
        })?;
        if self.is_root {
            let refused = access::refuse(&owner.os, &self.config.access).map_err(unasked)?;
            if let Some(reason) = refused {
                return Err(Refusal::NotAllowed { reason });
            }
        }
        let (name, profile) = (desktop.name.clone(), Some(&again.profile));
        self.start_for(owner, name, profile, again.geometry, StartedBy::Deskway)?;
        Ok(())
    }
}
