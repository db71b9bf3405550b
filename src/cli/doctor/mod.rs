//! `deskway doctor`: checks what a start needs and says how to mend what is missing.

use super::{Doctor, Error};

/// Prints a line for each check. `Ok(false)` when a start would fail.
///
/// # Errors
/// When the answer cannot be printed.
pub fn run(args: &Doctor) -> Result<bool, Error> {
    _ = args;
    Err(Error::Missing("doctor"))
}
