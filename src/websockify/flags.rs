//! The command line of websockify 0.13, option by option.

use clap::Args;

/// Carry WebSockets to TCP or unix sockets, as Python's websockify does
#[derive(Args, Clone, Debug, Default)]
pub struct Flags {}
