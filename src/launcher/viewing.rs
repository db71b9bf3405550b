//! How many viewers look at each desktop, as the fronts say it. A front that lies keeps desktops
//! from being frozen, and gets nothing else for it.

use std::collections::BTreeMap;

use crate::model::DesktopId;

/// Most desktops of which one front's viewers are known; beyond it a desktop counts as unseen.
const MAX_SEEN: usize = 10_000;

/// By the number of the front's connection.
#[derive(Debug, Default)]
pub(crate) struct Viewing {
    fronts: BTreeMap<u64, BTreeMap<DesktopId, u32>>,
}

impl Viewing {
    /// A front says how many look at a desktop now.
    pub(crate) fn set(&mut self, front: u64, desktop: DesktopId, viewers: u32) {
        let seen = self.fronts.entry(front).or_default();
        if viewers == 0 {
            seen.remove(&desktop);
        } else if seen.len() < MAX_SEEN || seen.contains_key(&desktop) {
            seen.insert(desktop, viewers);
        }
        if seen.is_empty() {
            self.fronts.remove(&front);
        }
    }

    /// How many look at a desktop, over all fronts.
    pub(crate) fn of(&self, desktop: &DesktopId) -> u32 {
        let seen = self.fronts.values().filter_map(|seen| seen.get(desktop));
        seen.fold(0, |sum, viewers| sum.saturating_add(*viewers))
    }

    /// Forgets fronts whose connection is over; the desktops that were looked at through them.
    pub(crate) fn keep(&mut self, is_open: impl Fn(u64) -> bool) -> Vec<DesktopId> {
        let gone = self.fronts.extract_if(.., |front, _| !is_open(*front));
        gone.flat_map(|(_, seen)| seen.into_keys()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viewers_of_all_fronts_count_and_go_with_their_front() {
        let mut viewing = Viewing::default();
        let desktop: DesktopId = "alice".parse().unwrap();
        viewing.set(1, desktop.clone(), 2);
        viewing.set(2, desktop.clone(), u32::MAX);
        assert_eq!(viewing.of(&desktop), u32::MAX);
        viewing.set(2, desktop.clone(), 1);
        assert_eq!(viewing.of(&desktop), 3);
        assert_eq!(
            viewing.keep(|front| front == 2),
            std::slice::from_ref(&desktop)
        );
        assert_eq!(viewing.of(&desktop), 1);
        viewing.set(2, desktop.clone(), 0);
        assert_eq!(viewing.of(&desktop), 0);
        assert!(viewing.fronts.is_empty());
    }
}
