//! Processor time per GB of payload, one connection at full speed.

use std::io::Write as _;
use std::time::Instant;

use anyhow::Result;

use super::{Extent, float};
use crate::process::Meter;
use crate::relay::Relay;
use crate::target::{Role, Target};

/// The most that the client reads at once.
const ROOM: usize = 256 * 1024;

/// Seconds of processor time per 10^9 bytes, while the target writes `write` bytes at a time.
pub(super) fn towards_browser(
    relay: &Relay,
    target: &Target,
    extent: &Extent,
    write: usize,
) -> Result<f64> {
    target.play(Role::Pour { write });
    let mut client = relay.door.open()?;
    let mut room = vec![0; ROOM];
    let mut bytes = 0;
    let mut read_for = |span| -> Result<u64> {
        let (from, until) = (bytes, Instant::now() + span);
        while Instant::now() < until {
            client.receive(&mut room, |payload| {
                bytes += payload.len() as u64;
                Ok(())
            })?;
        }
        Ok(bytes - from)
    };
    read_for(extent.warm)?;
    let meter = Meter::start(relay.processes()?)?;
    let moved = read_for(extent.span)?;
    Ok(meter.seconds()? / float(moved) * 1e9)
}

/// The same the other way, in messages of `message` bytes.
pub(super) fn from_browser(
    relay: &Relay,
    target: &Target,
    extent: &Extent,
    message: usize,
) -> Result<f64> {
    target.play(Role::Drain);
    let mut client = relay.door.open()?;
    let wire = client.wire(&vec![0x5a; message]);
    let mut write_for = |span| -> Result<()> {
        let until = Instant::now() + span;
        while Instant::now() < until {
            client.link().write_all(&wire)?;
        }
        Ok(())
    };
    write_for(extent.warm)?;
    let (meter, from) = (Meter::start(relay.processes()?)?, target.drained());
    write_for(extent.span)?;
    let (seconds, to) = (meter.seconds()?, target.drained());
    Ok(seconds / float(to - from) * 1e9)
}
