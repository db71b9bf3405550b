//! What becomes of desktops that nobody uses: the launcher's side of [`crate::launcher::idle`].

use std::time::Instant;

use super::Server;
use crate::launcher::place::RunId;
use crate::launcher::protocol::Refusal;
use crate::model::{DesktopId, NoticeKind};

impl Server {
    /// All processes of a desktop stand still.
    pub(super) fn freeze(&mut self, _run: &RunId) -> Result<(), Refusal> {
        Err(Refusal::Busy)
    }

    /// They go on, if they stood still.
    pub(super) fn thaw(&mut self, _run: &RunId) -> Result<(), Refusal> {
        Err(Refusal::Busy)
    }

    /// Somebody says that the desktop is in use.
    pub(super) fn used(&mut self, _run: &RunId, _now: Instant) {}

    /// Somebody has stopped looking at a desktop.
    pub(super) fn left(&mut self, _desktop: &DesktopId) {}

    /// Tells the owner something in the page.
    pub(super) fn notify(&mut self, run: &RunId, what: NoticeKind) {
        let unix = self.clock.unix();
        if let Some(running) = self.desktops.get_mut(run) {
            running.notices.add(what, unix);
            self.changed.insert(running.desktop.owner.clone());
        }
    }
}
