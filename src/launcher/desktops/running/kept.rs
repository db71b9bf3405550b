//! A desktop that an earlier launcher started, and what is written down for a later one.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use super::{Notices, Running, Stop};
use crate::agent::protocol::Status;
use crate::launcher::desktops::meter::Meter;
use crate::launcher::desktops::pace::Pace;
use crate::launcher::desktops::strain::Strains;
use crate::launcher::idle::Idle;
use crate::launcher::lifecycle::{Event, Lifecycle};
use crate::launcher::owner::Owner;
use crate::launcher::place::{Place, RunId};
use crate::launcher::session_child::Record;

impl Running {
    /// A desktop that an earlier launcher started. Its agent says how far it is, where that one has
    /// not written down that it was ready.
    pub(in crate::launcher::desktops) fn adopted(
        record: Record,
        owner: Owner,
        is_orphan: bool,
        process: OwnedFd,
    ) -> Self {
        let life = Lifecycle::Absent.on(Event::Start, record.since);
        let life = match record.ready {
            Some(at) => life.on(Event::Agent(Status::Ready), at),
            None => life,
        };
        Self {
            id: record.process(),
            life,
            desktop: record.desktop.clone(),
            profile: record.profile.clone(),
            owner,
            is_orphan,
            display: record.display,
            geometry: None,
            process,
            reports: None,
            agent: None,
            is_adopted: true,
            was_reached: false,
            connect_at: None,
            log: String::new(),
            stop: Stop::NotAsked,
            meter: Meter::adopted(record.killed),
            strains: Strains::default(),
            notices: Notices::default(),
            pace: Pace::default(),
            measures: Vec::new(),
            // Nobody who could be told, and no home.
            disk_warning: record.disk_warning.filter(|_| !is_orphan),
            disk_at: Instant::now(),
            hours: record.hours.map(Duration::from_secs),
            speaks: record.speaks,
            idle: Idle::new(Instant::now()),
            was_ready: record.ready.is_some(),
            is_closing: false,
            record,
        }
    }

    /// Whether an earlier launcher froze it, and when, as far as that is known.
    pub(in crate::launcher::desktops) fn adopt_frozen(&mut self, is_frozen: bool, unix: u64) {
        if is_frozen {
            self.apply(Event::Agent(Status::Ready), unix);
            self.froze(self.record.frozen.unwrap_or(unix));
        }
    }

    /// Writes down what has changed of what a later launcher could not know.
    pub(crate) fn keep(&mut self, place: &Place, id: &RunId) {
        let (ready, frozen) = match self.life {
            Lifecycle::Ready { since } => (Some(since), None),
            Lifecycle::Frozen { since, at } => (Some(since), Some(at)),
            // The session child may not have written it yet, or have removed it.
            _ => return,
        };
        let killed = self.meter.killed().or(self.record.killed);
        let record = &mut self.record;
        if (record.ready, record.frozen, record.killed) == (ready, frozen, killed) {
            return;
        }
        (record.ready, record.frozen, record.killed) = (ready, frozen, killed);
        if let Err(error) = self.record.rewrite(place, id) {
            tracing::warn!(desktop = %self.desktop, %error, "its record cannot be written anew");
        }
    }
}
