//! `deskway agent`: runs one desktop, whose specification comes on standard input; `deskway
//! notice`: what it shows inside it.

use anyhow::Context;

use crate::agent;

/// # Errors
/// When the desktop could not be taken up; how it ended otherwise is told on `agent.sock`.
pub(super) fn run() -> anyhow::Result<()> {
    let spec = agent::read_spec(std::io::stdin().lock())?;
    agent::run(spec).context("the desktop's agent")
}

/// # Errors
/// When it cannot be shown.
pub(super) fn notice() -> anyhow::Result<()> {
    agent::notice::run().map_err(|error| anyhow::anyhow!("a notice: {error}"))
}
