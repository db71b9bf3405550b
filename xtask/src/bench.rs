//! `cargo xtask bench`: Deskway and what it replaces, side by side in one run.

use anyhow::{Result, bail};

/// From click to desktop.
pub(crate) fn start() -> Result<()> {
    bail!("not there yet")
}
