//! The relays that run: children that carry one viewer's bytes to a VNC server behind a WebSocket.
//! Each ends with its viewer; a launcher that ends leaves them be, and the next one does not know
//! them, as they need nobody.

use std::os::fd::BorrowedFd;

use deskway_osuser::Child;

use crate::model::UserName;

/// Most of them at once, and of one account.
const MAX_RELAYS: usize = 256;
const MAX_OF_ACCOUNT: usize = 32;

/// The relays of this launcher.
#[derive(Debug, Default)]
pub(crate) struct Relays(Vec<(UserName, Child)>);

impl Relays {
    /// Whether there may be one more; `on_the_way` of them are being made, of whomever.
    pub(crate) fn has_room(&self, owner: &UserName, on_the_way: usize) -> bool {
        let own = self.0.iter().filter(|(of, _)| of == owner).count();
        self.0.len() + on_the_way < MAX_RELAYS && own + on_the_way < MAX_OF_ACCOUNT
    }

    pub(crate) fn add(&mut self, owner: UserName, child: Child) {
        self.0.push((owner, child));
    }

    /// What to poll for being readable before [`Relays::reap`].
    pub(crate) fn running(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.0.iter().map(|(_, child)| child.handle())
    }

    /// Takes ended ones off the process table.
    pub(crate) fn reap(&mut self) {
        self.0.retain(|(_, child)| !child.reap());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_account_s_relays_leave_room_for_others() {
        let (alice, bob) = ("alice".parse().unwrap(), "bob".parse().unwrap());
        let relays = Relays::default();
        assert!(relays.has_room(&alice, MAX_OF_ACCOUNT - 1));
        assert!(!relays.has_room(&bob, MAX_OF_ACCOUNT));
    }
}
