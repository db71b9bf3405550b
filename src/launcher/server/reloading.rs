//! The configuration read again, and what the front is told of it.

use std::io;
use std::os::fd::OwnedFd;

use super::{Server, policy};
use crate::config::{Config, Logos, text_for_front};
use crate::launcher::pam_service::PamChoice;
use crate::launcher::place::Place;
use crate::launcher::protocol::FromLauncher;
use crate::runtime::seal;
use crate::templates::{Templates, Texts};

impl Server {
    /// A wrong configuration leaves the old one in force.
    pub(super) fn reload(&mut self, reload: &mut dyn FnMut() -> Result<(Config, String), String>) {
        let read = reload().and_then(|(config, text)| {
            let pam = pam(&config, &self.place, self.is_root).map_err(|error| error.to_string())?;
            let templates = sealed_templates(&config)?;
            let text = text_for_front(&text)?;
            Ok((config, text, pam, templates))
        });
        match read {
            Ok((config, text, pam, templates)) => {
                tracing::info!("the configuration was read again");
                let other_admins = self.config.admin != config.admin;
                let before = self.group_names();
                self.record_reload(Ok(&config));
                (self.config, self.pam) = (config, pam);
                policy::keep(&self.place, &self.config);
                if other_admins {
                    self.admins_anew();
                }
                if before != self.group_names() {
                    self.logins.groups_are_unknown();
                }
                // Others may be allowed now.
                self.recheck_anew();
                self.tell_logos();
                self.connections.tell_fronts(&FromLauncher::Config { text });
                self.connections
                    .tell_fronts_with(&FromLauncher::Templates, Some(&templates));
                self.configure_certificates();
            }
            Err(error) => {
                tracing::error!(%error, "the configuration is wrong; the old one stays");
                self.record_reload(Err(&error));
            }
        }
    }

    /// The front may read no file: it gets the logos before the configuration that names them.
    fn tell_logos(&mut self) {
        let (logos, errors) = Logos::read(&self.config);
        for error in errors {
            tracing::error!("{error}; it is left out");
        }
        let packed = postcard::to_allocvec(&logos).map_err(io::Error::other);
        match packed.and_then(|packed| seal("logos", &packed)) {
            Ok(sealed) => self
                .connections
                .tell_fronts_with(&FromLauncher::Logos, Some(&sealed)),
            Err(error) => tracing::error!(%error, "the logos cannot be passed on"),
        }
    }
}

/// What stands in `templates_dir`, looked at here, where an error can still keep the old ones.
fn sealed_templates(config: &Config) -> Result<OwnedFd, String> {
    let texts = Texts::read(config.paths.templates_dir.as_deref());
    let texts = texts.map_err(|error| error.to_string())?;
    let bytes = texts.to_bytes();
    Templates::new(texts).map_err(|error| error.to_string())?;
    seal("templates", &bytes).map_err(|error| format!("cannot send the templates: {error}"))
}

pub(super) fn pam(config: &Config, place: &Place, is_root: bool) -> io::Result<Option<PamChoice>> {
    is_root
        .then(|| PamChoice::new(&config.sign_in, place))
        .transpose()
}
