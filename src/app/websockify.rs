//! `deskway websockify`, and the binary called as `websockify`.

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::websockify::Flags;

/// Runs until its time is over or it is told to stop.
pub(super) fn run(_flags: &Flags) -> Result<ExitCode> {
    bail!("not there yet")
}
