//! The limits of single processes (getrlimit(2)), which all below the agent inherit. They are no
//! match for a control group: where there is none they hold for each program by itself, or for all
//! that the account runs anywhere.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::cgroup::Holds;
use crate::config::Limits;

/// In the child that becomes the agent, before it becomes the owner.
pub(super) fn set(limits: &Limits, holds: Holds) -> io::Result<()> {
    // What a crash leaves in a home is larger than most homes; a person may ask for it.
    lower(Resource::Core, Some(0), None)?;
    if !holds.memory
        && let Some(max) = limits.memory_max
    {
        lower(Resource::Data, Some(max), Some(max))?;
    }
    // It counts all processes of the account: those of all desktops together, and an ordinary
    // user's others too, who may have more than that already.
    if !holds.processes
        && deskway_osuser::is_root()
        && let Some(max) = limits.processes
    {
        let max = u64::from(max).saturating_mul(limits.desktops.unwrap_or(1).into());
        lower(Resource::Nproc, Some(max), Some(max))?;
    }
    Ok(())
}

/// Never raises: what root was given less of stays less.
fn lower(resource: Resource, soft: Option<u64>, hard: Option<u64>) -> io::Result<()> {
    let found = getrlimit(resource);
    let least = |found: Option<u64>, wanted: Option<u64>| match (found, wanted) {
        (Some(found), Some(wanted)) => Some(found.min(wanted)),
        (found, wanted) => found.or(wanted),
    };
    let limit = Rlimit {
        current: least(found.current, soft),
        maximum: least(found.maximum, hard),
    };
    Ok(setrlimit(resource, limit)?)
}
