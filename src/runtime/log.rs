//! The log: to standard error, as text or as one JSON object a line.

use tracing_subscriber::EnvFilter;

/// Starts the log. `filter` is a `tracing` directive list such as `info,deskway::bridge=debug`.
///
/// # Errors
/// When `filter` is not one.
pub fn start_log(filter: &str, json: bool) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| error.to_string())?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    let started = if json {
        log.json().try_init()
    } else {
        log.try_init()
    };
    started.map_err(|error| error.to_string())
}
