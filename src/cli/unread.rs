//! What is printed in the place of a command.

use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::websockify::Flags;

/// A command line that is no command: a question for help or the version, or wrong usage.
#[derive(Debug)]
pub struct Unread {
    error: clap::Error,
    /// The program that has errors of its own form, if it is that.
    program: Option<&'static str>,
}

impl Unread {
    pub(super) fn new(error: clap::Error, program: Option<&'static str>) -> Self {
        Self { error, program }
    }

    /// Prints it; what the process is to end with.
    pub fn print(self) -> ExitCode {
        let status = u8::try_from(self.error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        // When nobody listens there is nobody to tell.
        match self.program {
            Some(program) if self.error.use_stderr() => {
                let said = Flags::explain(self.error, program);
                _ = writeln!(io::stderr(), "{said}");
            }
            _ => _ = self.error.print(),
        }
        status
    }
}
