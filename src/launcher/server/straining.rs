//! Tells the owners of desktops that a limit slows down, as long as it does.

use std::time::Instant;

use super::Server;
use crate::launcher::desktops::{Change, Counts};
use crate::launcher::place::RunId;
use crate::model::NoticeKind;

impl Server {
    /// Looks what the desktop has been short of since the last time.
    pub(super) fn look_at_strain(&mut self, id: &RunId, now: Instant) {
        let Some(running) = self.desktops.get_mut(id) else {
            return;
        };
        let memory = running.meter.usage.memory;
        let Some(group) = running.meter.group(&self.cgroups, id) else {
            return;
        };
        let held_up = group.held_up().ok();
        // Who was never held up has no limit that matters.
        let was_held_up = held_up.is_some_and(|times| times > 0);
        let high = || group.memory_high().ok().flatten();
        let waits = || group.pressure().memory;
        let counts = Counts {
            throttled: group.throttled().ok(),
            held_up,
            memory,
            memory_high: was_held_up.then(high).flatten(),
            memory_waits: was_held_up.then(waits).flatten(),
        };
        let changes = running.strains.look(counts, now);
        let quota = if changes.contains(&Change::Processor { is_short: true }) {
            group.quota().ok().flatten()
        } else {
            None
        };
        for change in changes {
            let (is_of, what): (fn(&NoticeKind) -> bool, _) = match change {
                Change::Processor { is_short } => (
                    |told| matches!(told, NoticeKind::ProcessorShort { .. }),
                    quota
                        .filter(|_| is_short)
                        .map(|quota| NoticeKind::ProcessorShort { quota }),
                ),
                Change::Memory { is_short } => (
                    |told| matches!(told, NoticeKind::MemoryShort { .. }),
                    (counts.memory_high.filter(|_| is_short))
                        .map(|limit| NoticeKind::MemoryShort { limit }),
                ),
            };
            match what {
                Some(what) => self.notify(id, what),
                None => self.withdraw(id, is_of),
            }
        }
    }

    fn withdraw(&mut self, id: &RunId, is_over: impl Fn(&NoticeKind) -> bool) {
        if let Some(running) = self.desktops.get_mut(id)
            && running.notices.withdraw(is_over)
        {
            self.changed.insert(running.desktop.owner.clone());
        }
    }
}
