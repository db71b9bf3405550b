//! Waiting in a machine that is emulated, and slow where others want the processor too.

use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_mins(3);
/// Between two looks at what gives no event: each costs much here.
const LOOK: Duration = Duration::from_millis(200);

/// Waits for what gives no event to wait for.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not happen");
        let pause = rustix::event::Timespec::try_from(LOOK).unwrap();
        rustix::event::poll(&mut [], Some(&pause)).unwrap();
    }
}
