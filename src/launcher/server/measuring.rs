//! What the front is told for the metrics: what happens, as it happens, and every ten seconds how
//! much there is of everything, where that has changed.

use std::time::{Duration, Instant};

use super::Server;
use crate::launcher::protocol::{FromLauncher, Measure, Refusal, Totals};

/// How often it is told how much there is.
const EVERY: Duration = Duration::from_secs(10);
/// After a desktop has changed, it is told so soon.
const SOON: Duration = Duration::from_secs(1);

/// When to tell, and what was told last.
#[derive(Debug)]
pub(super) struct Telling {
    next: Instant,
    /// `None`: there is a front that was told nothing yet.
    last: Option<Totals>,
}

impl Telling {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            next: now,
            last: None,
        }
    }

    /// A desktop has changed.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.next = self.next.min(now + SOON);
    }

    /// There is a new front.
    pub(super) fn begin_anew(&mut self, now: Instant) {
        *self = Self::new(now);
    }
}

impl Server {
    /// When there may be something to tell; never without a front.
    pub(super) fn next_telling(&self) -> Option<Instant> {
        self.connections.has_front().then_some(self.telling.next)
    }

    /// Tells how much there is, when it is time and has changed.
    pub(super) fn tell_totals(&mut self, now: Instant) {
        if self.next_telling().is_none_or(|at| at > now) {
            return;
        }
        self.telling.next = now + EVERY;
        let totals = self.totals();
        if self.telling.last != Some(totals) {
            self.telling.last = Some(totals);
            self.connections.tell_fronts(&FromLauncher::Totals(totals));
        }
    }

    /// Tells something that is counted. A front that does not read is told no more of it.
    pub(super) fn measure(&mut self, measure: Measure) {
        self.connections
            .tell_fronts_at_leisure(&FromLauncher::Measured(measure));
    }

    pub(super) fn measure_refusal(&mut self, refusal: &Refusal) {
        let why = match refusal {
            Refusal::WrongPassword => "wrong",
            Refusal::SlowDown { .. } => "slow",
            Refusal::NotAllowed { .. } => "denied",
            Refusal::Busy => "busy",
            _ => "failed",
        };
        let why = why.to_owned();
        self.measure(Measure::SignInRefused { why });
    }

    fn totals(&self) -> Totals {
        let pressure = self.cgroups.pressure();
        Totals {
            desktops: self.desktops.census(),
            sign_ins: u32::try_from(self.logins.count()).unwrap_or(u32::MAX),
            memory: self.cgroups.memory(),
            cpu_pressure: pressure.cpu,
            memory_pressure: pressure.memory,
            io_pressure: pressure.io,
        }
    }
}
