//! argv → command → exit status.

use std::io::Write as _;
use std::process::ExitCode;

use deskway::cli::Command;
use deskway::config;
use deskway::runtime::{printable, words};

/// EX_CONFIG of sysexits.h: to try it again changes nothing, and the unit file says so to systemd.
const WRONG_CONFIGURATION: u8 = 78;

fn main() -> ExitCode {
    let argv: Vec<_> = std::env::args_os().collect();
    let command = match Command::read(&argv) {
        Ok(command) => command,
        Err(unread) => return unread.print(),
    };
    match deskway::app::run(command) {
        Ok(status) => status,
        Err(error) => {
            // What is quoted may be another's.
            let text = printable(&words(error.as_ref()));
            // When standard error is closed there is nobody to tell.
            _ = writeln!(std::io::stderr(), "deskway: {text}");
            if error.downcast_ref::<config::Error>().is_some() {
                ExitCode::from(WRONG_CONFIGURATION)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}
