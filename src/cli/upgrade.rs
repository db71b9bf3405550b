//! `deskway upgrade`: asks the running `deskway up` to become the program that is on disk now.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};

use deskway_osuser::Received;
use rustix::event::{PollFd, PollFlags, Timespec};

use super::{Error, RunPlace, out};
use crate::model::{MAX_OUTCOME, UPGRADE_SOCKET, UpgradeOutcome};
use crate::runtime::printable;

/// Longer than any step of an upgrade may take, all together.
const OUTCOME_TIMEOUT: Duration = Duration::from_mins(4);

/// Asks, waits, and says how it went.
///
/// # Errors
/// When nobody is there to ask, or the old program goes on.
pub fn run(place: &RunPlace) -> Result<(), Error> {
    let run = place.run_dir()?;
    let socket = deskway_osuser::connect(&run.join(UPGRADE_SOCKET));
    let socket = socket.map_err(|error| Error::NothingToUpgrade { run, error })?;
    match outcome(&socket)? {
        UpgradeOutcome::Done { from, to, pid } => out::print(&printable(&format!(
            "Deskway {to} has taken over from {from} (process {pid})\n"
        ))),
        UpgradeOutcome::Kept { version, reason } => Err(Error::NotUpgraded { version, reason }),
    }
}

fn outcome(socket: &OwnedFd) -> Result<UpgradeOutcome, Error> {
    let unknown = |why| Error::UpgradeUnknown { why };
    let deadline = Instant::now() + OUTCOME_TIMEOUT;
    let mut buffer = vec![0; MAX_OUTCOME];
    loop {
        match deskway_osuser::receive(socket.as_fd(), &mut buffer) {
            Ok(Received::Message(length, _)) => {
                let message = buffer.get(..length).unwrap_or_default();
                return serde_json::from_slice(message)
                    .map_err(|_| unknown("its answer is not understood"));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(_) | Err(_) => return Err(unknown("it ended before it was done")),
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(unknown("it takes too long"));
        }
        let timeout = Timespec::try_from(left).ok();
        let mut polled = [PollFd::new(socket, PollFlags::IN)];
        match rustix::event::poll(&mut polled, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return Err(unknown("it cannot be waited for")),
        }
    }
}
