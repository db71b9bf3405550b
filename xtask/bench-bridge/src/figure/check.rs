//! Nothing is lost, changed or moved: both directions at once, every byte checked.

use std::io::Write as _;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::{Extent, Row, float};
use crate::frames::put_message;
use crate::link::Link;
use crate::pattern::Pattern;
use crate::relay::Relay;
use crate::target::{PATTERNS, Role, SIZES, Target};

/// The most that is written and read at once, in bytes.
const ROOM: usize = 256 * 1024;

/// How much longer the target may take when the client has failed.
const GRACE: Duration = Duration::from_secs(2);

/// How long it may take in all.
const WITHIN: Duration = Duration::from_mins(5);

/// 10^9 bytes that went each way.
pub(super) fn measure(relay: &Relay, target: &Target, extent: &Extent) -> Result<Vec<(Row, f64)>> {
    let total = extent.checked;
    let (done, told) = mpsc::channel();
    target.play(Role::Check { bytes: total, done });
    let mut client = relay.door.open()?;
    let Link::Plain(socket) = client.link() else {
        bail!("only without TLS");
    };
    let mut writes = socket.try_clone()?;
    let writer = thread::spawn(move || -> Result<()> {
        let mut pattern = Pattern::new(PATTERNS[1]);
        let mut wire = Vec::with_capacity(2 * ROOM);
        let mut sizes = SIZES.iter().cycle();
        let mut left = total;
        while left > 0 {
            while wire.len() < ROOM
                && left > 0
                && let Some(&size) = sizes.next()
            {
                let part = pattern.next(usize::try_from(left).unwrap_or(size).min(size));
                left -= part.len() as u64;
                put_message(part, &mut wire);
            }
            writes.write_all(&wire)?;
            wire.clear();
        }
        Ok(())
    });
    let mut pattern = Pattern::new(PATTERNS[0]);
    let mut room = vec![0; ROOM];
    let mut got = 0;
    while got < total {
        let received = client.receive(&mut room, |payload| {
            got += payload.len() as u64;
            pattern.check(payload)
        });
        // Behind the last byte the target may close, and the relay say so.
        if let Err(error) = received
            && got < total
        {
            // What the target has seen may be why.
            let target = told.recv_timeout(GRACE);
            return Err(error.context(format!(
                "towards the browser, after {got} of {total} bytes; the target: {target:?}"
            )));
        }
    }
    match writer.join() {
        Ok(written) => written.context("from the browser")?,
        Err(_) => bail!("the client's writer is gone"),
    }
    told.recv_timeout(WITHIN)
        .context("the target is not done")??;
    Ok(vec![(Row::Checked, float(total) / 1e9)])
}
