//! How many connections come through in a second: to the relay, upgraded, to the target, and its
//! first bytes back.

use std::thread;
use std::time::Instant;

use anyhow::{Result, bail};

use super::{Extent, Row, float};
use crate::relay::Relay;
use crate::target::{Role, Target};

/// So many clients at once, each opening one connection after the other.
const CLIENTS: usize = 4;

pub(super) fn measure(relay: &Relay, target: &Target, extent: &Extent) -> Result<Vec<(Row, f64)>> {
    target.play(Role::Echo);
    let since = Instant::now();
    let until = since + extent.span;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let door = relay.door.clone();
        clients.push(thread::spawn(move || -> Result<u64> {
            let mut opened = 0;
            while Instant::now() < until {
                door.open()?.expect_greeting()?;
                opened += 1;
            }
            Ok(opened)
        }));
    }
    let mut opened = 0;
    for client in clients {
        match client.join() {
            Ok(count) => opened += count?,
            Err(_) => bail!("a client is gone"),
        }
    }
    let rate = float(opened) / since.elapsed().as_secs_f64();
    Ok(vec![(Row::Connections, rate)])
}
