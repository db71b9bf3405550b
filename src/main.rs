//! argv → command → exit status.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use deskway::cli::Cli;

fn main() -> ExitCode {
    match deskway::app::run(Cli::parse().command) {
        Ok(status) => status,
        Err(error) => {
            // When standard error is closed there is nobody to tell.
            _ = writeln!(std::io::stderr(), "deskway: {error:#}");
            ExitCode::FAILURE
        }
    }
}
