//! A key and its echo: one small message there and back, one after the other.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{Extent, Row, float};
use crate::process::Meter;
use crate::relay::Relay;
use crate::target::{Role, Target};

const MESSAGE: &[u8; 10] = b"0123456789";

/// Microseconds: the median trip, and the processor time of each.
pub(super) fn measure(relay: &Relay, target: &Target, extent: &Extent) -> Result<Vec<(Row, f64)>> {
    target.play(Role::Echo);
    let mut client = relay.door.open()?;
    client.expect_greeting()?;
    let wire = client.wire(MESSAGE);
    let mut room = vec![0; 1024];
    let mut trip_for = |span| -> Result<Vec<Duration>> {
        let mut times = Vec::new();
        let until = Instant::now() + span;
        while Instant::now() < until {
            let since = Instant::now();
            client.link().write_all(&wire)?;
            if client.expect(MESSAGE.len(), &mut room)? != MESSAGE {
                bail!("the echo is another");
            }
            times.push(since.elapsed());
        }
        Ok(times)
    };
    trip_for(extent.warm)?;
    let meter = Meter::start(relay.processes()?)?;
    let mut times = trip_for(extent.span)?;
    let seconds = meter.seconds()?;
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let each = seconds / float(times.len() as u64);
    Ok(vec![
        (Row::TripTime, median.as_secs_f64() * 1e6),
        (Row::TripCpu, each * 1e6),
    ])
}
