//! `deskway desktop list|start|stop`: asks the launcher on this machine.

use super::{Desktop, Error};

/// # Errors
/// When the launcher cannot be asked or refuses.
pub fn run(args: &Desktop) -> Result<(), Error> {
    _ = args;
    Err(Error::Missing("desktop"))
}
