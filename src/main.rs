//! argv → command → exit status.

use std::io::Write as _;
use std::process::ExitCode;

use deskway::cli::Command;

fn main() -> ExitCode {
    let argv: Vec<_> = std::env::args_os().collect();
    let command = match Command::read(&argv) {
        Ok(command) => command,
        Err(unread) => return unread.print(),
    };
    match deskway::app::run(command) {
        Ok(status) => status,
        Err(error) => {
            // When standard error is closed there is nobody to tell.
            _ = writeln!(std::io::stderr(), "deskway: {error:#}");
            ExitCode::FAILURE
        }
    }
}
