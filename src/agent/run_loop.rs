//! The agent's loop: waits for all that can happen to its desktop, and takes it a step on.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Instant;

use rustix::process::{DumpableBehavior, Signal};

use super::desktop::Desktop;
use super::protocol::Spec;
use super::wait::wait;
use super::{Error, cannot};

pub(super) fn run(spec: Spec) -> Result<(), Error> {
    become_its_head()?;
    close_to_owner(&spec.run_dir)?;
    let mut desktop = Desktop::begin(spec)?;
    while !desktop.turn() {
        let now = Instant::now();
        let left = desktop
            .deadline(now)
            .map(|until| until.saturating_duration_since(now));
        wait(desktop.fds(), left).map_err(cannot("wait for the desktop"))?;
    }
    desktop
        .finish()
        .map_err(cannot("say how the desktop ended"))
}

/// Makes this process the one below which all of the desktop stays, and which ends it when the
/// one who started it dies.
fn become_its_head() -> Result<(), Error> {
    let parent = rustix::process::getppid();
    // Fails only when it is done already.
    let _done = rustix::process::setsid();
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(cannot("become the reaper of the desktop's processes"))?;
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM))
        .map_err(cannot("ask for a signal when the parent dies"))?;
    // It may have died before the signal was asked for.
    if rustix::process::getppid() == parent {
        Ok(())
    } else {
        Err(Error::Orphaned)
    }
}

/// Where root looks after desktops, and what it hears of this one from here counts, its owner's
/// other processes are not to trace this one or reach into it. What is run from here is open to them
/// as any program. An ordinary user's launcher has to see into `/proc` itself.
fn close_to_owner(run_dir: &Path) -> Result<(), Error> {
    let above = run_dir.parent().unwrap_or(run_dir);
    let whose = std::fs::metadata(above).map_err(cannot("see whose the run directory is"))?;
    if whose.uid() == deskway_osuser::own_uid() {
        return Ok(());
    }
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(cannot("close this process to others"))
}
