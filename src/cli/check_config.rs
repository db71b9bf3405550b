//! `deskway check-config`: says what is wrong with a configuration file, and does nothing else.

use crate::config;
use crate::config::Overrides;

use super::{CheckConfig, Error, out};

/// # Errors
/// Everything that is wrong with the file.
pub fn run(args: &CheckConfig) -> Result<(), Error> {
    let file = args.file.as_deref();
    config::load(file, &Overrides::default())?;
    match config::file(file) {
        Some(file) => out::print(&format!("{}: nothing is wrong\n", file.display())),
        None => out::print("there is no configuration file: the defaults hold\n"),
    }
}
