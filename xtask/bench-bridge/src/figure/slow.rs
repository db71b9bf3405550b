//! Many who read slowly, and one who reads as fast as it can.

use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Extent, Row, float};
use crate::client::Client;
use crate::process;
use crate::relay::Relay;
use crate::target::{Role, Target};

/// What a slow reader reads a second, in bytes.
const SIP: usize = 4096;

/// What the kernel keeps for a slow reader on the client's side, in bytes.
const RECEIVE_BUFFER: usize = 32 * 1024;

/// What the target has for each of them, in bytes: so many are out of the way of the machine's
/// own limits.
const HELPING: u64 = 1024 * 1024;

/// The most that the fast one reads at once.
const ROOM: usize = 256 * 1024;

/// How long until no more is taken in.
const REST_WITHIN: Duration = Duration::from_secs(30);

/// So many looks at each of the two, in turn.
const TURNS: u32 = 5;

/// Of each look, the part that goes by until what was queued meanwhile is read.
const SETTLE: Duration = Duration::from_millis(60);

/// `relay` gets the slow readers, `other` is the same without any.
pub(super) fn measure(
    relay: &Relay,
    other: &Relay,
    target: &Target,
    extent: &Extent,
) -> Result<Vec<(Row, f64)>> {
    target.play(Role::Pour { write: 64 * 1024 });
    let mut beside = relay.door.open()?;
    let mut alone = other.door.open()?;
    throughput(&mut beside, extent.warm)?;
    process::wait_until_still(&relay.roots(), REST_WITHIN)?;
    let before = process::memory(&relay.processes()?)?;
    let poured = target.poured_slowly();

    target.play(Role::PourSlowly { bytes: HELPING });
    let mut slow = Vec::with_capacity(extent.slow);
    for _ in 0..extent.slow {
        slow.push(relay.door.open_with(Some(RECEIVE_BUFFER))?);
    }
    process::wait_until_still(&relay.roots(), REST_WITHIN)?;
    let memory = process::memory(&relay.processes()?)?.saturating_sub(before);
    let queued = target.poured_slowly() - poured;

    let sippers = Sippers::start(slow);
    let mut sums = [0.0; 2];
    for _ in 0..TURNS {
        for (client, sum) in [&mut beside, &mut alone].into_iter().zip(&mut sums) {
            throughput(client, SETTLE)?;
            *sum += throughput(client, extent.span / TURNS)?;
        }
    }
    drop(sippers);

    let each = |bytes: u64| float(bytes) / float(extent.slow as u64) / 1024.0;
    Ok(vec![
        (Row::BesideSlow, sums[0] / sums[1]),
        (Row::SlowMemory, each(memory)),
        (Row::SlowQueued, each(queued)),
    ])
}

/// Bytes per second.
fn throughput(client: &mut Client, span: Duration) -> Result<f64> {
    let mut room = vec![0; ROOM];
    let (since, mut bytes) = (Instant::now(), 0);
    while since.elapsed() < span {
        client.receive(&mut room, |payload| {
            bytes += payload.len() as u64;
            Ok(())
        })?;
    }
    Ok(float(bytes) / since.elapsed().as_secs_f64())
}

/// Clients that read a little each second, until dropped.
struct Sippers {
    enough: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Sippers {
    fn start(mut clients: Vec<Client>) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&enough);
        let thread = thread::spawn(move || {
            let mut room = vec![0; SIP];
            let turns = u32::try_from(clients.len()).unwrap_or(u32::MAX).max(1);
            let pause = Duration::from_secs(1) / turns;
            let mut next = Instant::now();
            for turn in (0..clients.len()).cycle() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                if let Some(client) = clients.get_mut(turn) {
                    // It has something to read or else has had its helping.
                    drop(client.link().read(&mut room));
                }
                next += pause;
                process::pause(next.saturating_duration_since(Instant::now()));
            }
        });
        Self {
            enough,
            thread: Some(thread),
        }
    }
}

impl Drop for Sippers {
    fn drop(&mut self) {
        self.enough.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It does not panic; if it did, nothing would be left to stop.
            drop(thread.join());
        }
    }
}
