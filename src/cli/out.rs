//! Standard output, for every command that answers.

use std::io::{self, Write};

use super::Error;

/// Writes `text` to standard output. A reader that has gone (`deskway user list | head -1`) is
/// no error.
pub(super) fn print(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::Output(error)),
        _ => Ok(()),
    }
}
