//! `deskway user add|passwd|remove|list`: local accounts.

use super::{Error, User};

/// # Errors
/// When the accounts cannot be read or written, or the request makes no sense.
pub fn run(args: &User) -> Result<(), Error> {
    _ = args;
    Err(Error::Missing("user"))
}
