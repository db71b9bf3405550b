//! What a connection costs that is open and silent after it has been used.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Result;

use super::{Extent, Row, float};
use crate::process;
use crate::relay::Relay;
use crate::target::{Role, Target};

/// How long a relay may take to come to rest.
const REST_WITHIN: Duration = Duration::from_secs(20);

/// kB per connection.
pub(super) fn measure(relay: &Relay, target: &Target, extent: &Extent) -> Result<Vec<(Row, f64)>> {
    target.play(Role::Echo);
    let count = if relay.kind.forks() {
        extent.idle_forked
    } else {
        extent.idle
    };
    process::wait_until_still(&relay.roots(), REST_WITHIN)?;
    let before = process::memory(&relay.processes()?)?;
    let mut open = Vec::with_capacity(count);
    let mut room = [0; 256];
    for _ in 0..count {
        let mut client = relay.door.open()?;
        client.expect_greeting()?;
        let wire = client.wire(b"0123456789");
        client.link().write_all(&wire)?;
        client.expect(10, &mut room)?;
        open.push(client);
    }
    process::wait_until_still(&relay.roots(), REST_WITHIN)?;
    let after = process::memory(&relay.processes()?)?;
    drop(open);
    let each = float(after.saturating_sub(before)) / float(count as u64);
    Ok(vec![(Row::Idle, each / 1024.0)])
}
