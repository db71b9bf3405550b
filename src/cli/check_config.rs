//! `deskway check-config`: says what is wrong with a configuration file and the templates
//! that it names, and does nothing else.

use crate::config;
use crate::config::{Logos, Overrides};
use crate::templates::Templates;

use super::{CheckConfig, Error, out};

/// # Errors
/// Everything that is wrong with the file, or what is wrong with a template.
pub fn run(args: &CheckConfig) -> Result<(), Error> {
    let file = args.file.as_deref();
    let (config, _) = config::load(file, &Overrides::default())?;
    Templates::load(config.paths.templates_dir.as_deref())?;
    let (_, wrong) = Logos::read(&config);
    if let Some(wrong) = wrong.into_iter().next() {
        return Err(wrong.into());
    }
    match config::file(file) {
        Some(file) => out::print(&format!("{}: nothing is wrong\n", file.display())),
        None => out::print("there is no configuration file: the defaults hold\n"),
    }
}
