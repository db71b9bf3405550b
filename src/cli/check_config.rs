//! `deskway check-config`: says what is wrong with a configuration file and the templates,
//! certificates and logos that it names, and does nothing else.

use std::path::Path;

use crate::certificates::{PairError, configured};
use crate::config::{self, Config, Logos, Overrides};
use crate::runtime::Clock;
use crate::templates::Templates;

use super::{CheckConfig, Error, out};

/// # Errors
/// Everything that is wrong with the file, or with what it names.
pub fn run(args: &CheckConfig) -> Result<(), Error> {
    let file = args.file.as_deref();
    let (config, _) = config::load(file, &Overrides::default())?;
    let mut wrong = Vec::new();
    if let Err(error) = Templates::load(config.paths.templates_dir.as_deref()) {
        wrong.push(error.to_string());
    }
    wrong.extend(wrong_certificates(&config, Clock::System.unix()));
    let (_, logos) = Logos::read(&config);
    for error in logos {
        wrong.push(format!("{}: {error}", logo_key(&config, error.path())));
    }
    if !wrong.is_empty() {
        return Err(Error::WrongFiles(wrong));
    }
    match config::file(file) {
        Some(file) => out::print(&format!("{}: nothing is wrong\n", file.display())),
        None => out::print("there is no configuration file: the defaults hold\n"),
    }
}

/// Those that `up` would refuse, and those that browsers would.
fn wrong_certificates(config: &Config, now: u64) -> Vec<String> {
    let mut wrong = Vec::new();
    for it in configured(config) {
        let key = it.key;
        match it.pair {
            Ok(pair) => {
                let cert = it.files.cert.display();
                let fault = pair.out_of_time(now);
                wrong.extend(fault.map(|it| format!("{key}: the certificate {cert} {it}")));
            }
            Err(error @ PairError::Unreadable { .. }) => wrong.push(format!(
                "{key}: {error}; put the file there, or correct the path"
            )),
            Err(error) => wrong.push(format!("{key}: {error}")),
        }
    }
    wrong
}

/// Where the logo stands in the file.
fn logo_key(config: &Config, path: &Path) -> String {
    if config.brand.logo.as_deref() == Some(path) {
        return "`logo` in [brand]".to_owned();
    }
    let mut groups = config.groups.iter();
    let group = groups.find(|group| group.brand.logo.as_deref() == Some(path));
    let name = group.map_or_else(String::new, |group| format!(" of `{}`", group.name));
    format!("`logo` in [[group]]{name}")
}
