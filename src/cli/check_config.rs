//! `deskway check-config`: says what is wrong with a configuration file, and does nothing else.

use crate::config;
use crate::config::Overrides;

use super::{CheckConfig, Error, out};

/// # Errors
/// Everything that is wrong with the file.
pub fn run(args: &CheckConfig) -> Result<(), Error> {
    config::load(args.file.as_deref(), &Overrides::default())?;
    out::print("the configuration is sound\n")
}
