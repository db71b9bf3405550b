//! Whether the configuration is another than the launcher before this one had, without a word of
//! what stands in it.

use std::collections::BTreeMap;
use std::io::{self, Read as _};

use serde::{Deserialize, Serialize};

use crate::config::{Config, fingerprints};
use crate::launcher::place::{Place, hex, write_whole};

/// Most bytes of what is kept.
const MAX_KEPT: u64 = 64 * 1024;

/// Which keys have other values than when [`keep`] was called last; none when nobody knows.
pub(super) fn changed(place: &Place, config: &Config) -> Vec<String> {
    let known = Policy::read(place);
    known.map_or_else(Vec::new, |known| known.changed(&Policy::of(config)))
}

/// Writes down what the configuration is, for the launcher after this one.
pub(super) fn keep(place: &Place, config: &Config) {
    if let Err(error) = Policy::of(config).write(place) {
        tracing::warn!(%error, "what the configuration is cannot be kept for the audit log");
    }
}

/// A SHA-256 of each key's value, in hex.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Policy(BTreeMap<String, String>);

impl Policy {
    fn of(config: &Config) -> Self {
        let prints = fingerprints(config).into_iter();
        Self(
            prints
                .map(|(key, print)| (key.to_owned(), hex(&print)))
                .collect(),
        )
    }

    /// `None`: no launcher has written it, or not as this one does.
    fn read(place: &Place) -> Option<Self> {
        let file = std::fs::File::open(place.policy()).ok()?;
        let mut text = Vec::new();
        file.take(MAX_KEPT).read_to_end(&mut text).ok()?;
        serde_json::from_slice(&text).ok()
    }

    fn write(&self, place: &Place) -> io::Result<()> {
        if Self::read(place).as_ref() == Some(self) {
            return Ok(());
        }
        write_whole(&place.policy(), &serde_json::to_vec(self)?)
    }

    /// Keys that only one of them knows are another version's.
    fn changed(&self, now: &Self) -> Vec<String> {
        let before = self.0.iter();
        let changed = before.filter(|(key, text)| now.0.get(*key).is_some_and(|it| it != *text));
        changed.map(|(key, _)| key.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Paths;

    #[test]
    fn a_key_that_was_changed_meanwhile_is_named_and_its_value_is_kept_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths {
            run: folder.path().join("r"),
            state: folder.path().join("s"),
            templates_dir: None,
        };
        let place = Place::new(&paths);
        place.prepare().unwrap();
        let before = Config::default_for(0);
        assert_eq!(changed(&place, &before), [""; 0], "nobody knows");
        keep(&place, &before);
        assert_eq!(changed(&place, &before), [""; 0]);
        let mut after = before.clone();
        after.brand.name = "Quartz Lab".to_owned();
        assert_eq!(changed(&place, &after), ["brand"]);
        keep(&place, &after);
        assert_eq!(changed(&place, &after), [""; 0]);
        let kept = std::fs::read_to_string(place.policy()).unwrap();
        assert!(!kept.contains("Quartz"), "{kept}");
    }
}
