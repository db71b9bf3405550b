//! `ClientCertCNAuth`: holders of client certificates with these common names.

use super::{Denied, PluginError};

pub(super) struct ClientNames(Vec<String>);

impl ClientNames {
    /// `source` is common names with white space between them.
    pub(super) fn new(source: &str) -> Result<Self, PluginError> {
        let names: Vec<String> = source.split_whitespace().map(str::to_owned).collect();
        if names.is_empty() {
            return Err(PluginError::NoSource {
                plugin: "ClientCertCNAuth",
                what: "common names of client certificates, with spaces between them",
            });
        }
        Ok(Self(names))
    }

    pub(super) fn check(&self, client_name: Option<&str>) -> Result<(), Denied> {
        match client_name {
            None => Err(Denied::forbidden(
                "no client certificate with a common name was shown",
            )),
            Some(name) if self.0.iter().any(|known| known == name) => Ok(()),
            Some(name) => Err(Denied::forbidden(format!(
                "the client certificate's common name {name:?} is not listed"
            ))),
        }
    }
}
