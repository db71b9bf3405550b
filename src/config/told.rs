//! What the front is told of a configuration: not where attached desktops are, since the address
//! of a WebSocket may hold a secret, nor comments, which may hold an old one.

use super::Config;

/// The section that the front has no use for.
const KEPT_BACK: &str = "attach";

impl Config {
    /// What the front may know of it.
    #[must_use]
    pub fn for_front(mut self) -> Self {
        self.attach = Vec::new();
        self
    }
}

/// The text of a sound file without what the front may not know. Comments and the places of keys
/// are lost.
///
/// # Errors
/// When it is no TOML.
pub fn text_for_front(text: &str) -> Result<String, String> {
    let mut document: toml::Table = text.parse().map_err(|error| format!("{error}"))?;
    document.remove(KEPT_BACK);
    toml::to_string(&document).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Overrides, from_text};

    const TARGETS: [&str; 2] = [
        "# was token=Sesame1\n\
         [[attach]]\ndesktop = \"alice/lab\"\n\
         target = \"wss://vnc.example.org/?token=Sesame2\" # or Sesame3\n\
         [[attach]]\ndesktop = \"bob/lab\"\ntarget = 'ws://10.0.0.1/Sesame4'\n",
        "attach = [{ desktop = \"alice/lab\", target = \"wss://h/?t=Sesame5\" }]\n\
         [log]\njson = true\n",
    ];

    #[test]
    fn targets_are_kept_back_and_the_rest_means_the_same() {
        let everything = include_str!("../../tests/config/valid/everything.toml");
        for text in [TARGETS[0], TARGETS[1], everything] {
            let sent = text_for_front(text).unwrap();
            assert!(!sent.contains("Sesame"), "{sent}");
            let whole = from_text(text, "", &Overrides::default()).unwrap();
            let read = from_text(&sent, "", &Overrides::default()).unwrap();
            assert_eq!(read, whole.for_front());
        }
    }

    #[test]
    fn what_the_front_keeps_holds_no_target() {
        let config = from_text(TARGETS[0], "", &Overrides::default()).unwrap();
        assert_eq!(config.attach.len(), 2);
        assert!(!format!("{:?}", config.for_front()).contains("Sesame"));
    }
}
