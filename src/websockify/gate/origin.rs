//! `ExpectOrigin`: pages of these sites only.

use http::HeaderMap;
use http::header::ORIGIN;

use super::{Denied, PluginError};

/// The origins whose pages may connect, in lower case and without a slash at the end.
pub(super) struct ExpectOrigin(Vec<String>);

impl ExpectOrigin {
    /// `source` is origins (`https://desk.example:8443`) with white space between them.
    pub(super) fn new(source: &str) -> Result<Self, PluginError> {
        let origins: Vec<String> = source
            .split_whitespace()
            .map(|origin| origin.trim_end_matches('/').to_ascii_lowercase())
            .collect();
        if origins.is_empty() {
            return Err(PluginError::NoSource {
                plugin: "ExpectOrigin",
                what: "origins such as https://desk.example, with spaces between them",
            });
        }
        Ok(Self(origins))
    }

    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Denied> {
        let mut given = headers.get_all(ORIGIN).iter();
        let (Some(origin), None) = (given.next(), given.next()) else {
            return Err(Denied::forbidden("there is not exactly one Origin header"));
        };
        let expected = |known: &String| known.as_bytes().eq_ignore_ascii_case(origin.as_bytes());
        if self.0.iter().any(expected) {
            return Ok(());
        }
        Err(Denied::forbidden(format!(
            "the origin {origin:?} is none of {}",
            self.0.join(" ")
        )))
    }
}
