//! `deskway agent`: runs one desktop, whose specification comes on standard input.

use anyhow::Context;

use crate::agent;

/// # Errors
/// When the desktop could not be taken up; how it ended otherwise is told on `agent.sock`.
pub(super) fn run() -> anyhow::Result<()> {
    let spec = agent::read_spec(std::io::stdin().lock())?;
    agent::run(spec).context("the desktop's agent")
}
