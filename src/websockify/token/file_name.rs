//! `TokenFileName`: a directory of files that are named as the tokens and hold `host:port`.

use std::io::ErrorKind;
use std::path::PathBuf;

use super::read::{self, Turns};
use super::{LookupError, PluginError, target_text};
use crate::websockify::Target;

pub(super) const NAME: &str = "TokenFileName";
/// Most bytes of a file that holds one target.
const MAX_FILE: u64 = 64 << 10;

/// A directory of targets.
pub(super) struct TokenFileName {
    directory: PathBuf,
    turns: Turns,
}

impl TokenFileName {
    pub(super) fn new(source: &str) -> Result<Self, PluginError> {
        let directory = read::place(source);
        if !directory.is_dir() {
            return Err(PluginError::Source {
                plugin: NAME,
                fault: format!("{source} is not a directory"),
            });
        }
        Ok(Self {
            directory,
            turns: Turns::at_disk(),
        })
    }

    /// As in the original, what stands before the token's last slash does not count.
    pub(super) async fn lookup(&self, token: &str) -> Result<Option<Target>, LookupError> {
        let name = token.rsplit('/').next().unwrap_or_default();
        if matches!(name, "" | "." | "..") {
            return Ok(None);
        }
        let file = self.directory.join(name);
        let read = move || read::whole(&file, MAX_FILE);
        let bytes = match self.turns.aside(read, NAME).await? {
            Ok(bytes) => bytes,
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::NotFound | ErrorKind::InvalidFilename
                ) =>
            {
                return Ok(None);
            }
            // The file's name is the token, so it is left out.
            Err(error) => {
                let path = self.directory.join("…");
                return Err(LookupError::Unreadable { path, error });
            }
        };
        target_text::from_bytes(&bytes)
            .map(Some)
            .map_err(|fault| LookupError::Target {
                plugin: NAME,
                fault,
            })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::tempdir;

    use super::*;

    #[tokio::test]
    async fn a_token_is_a_file_of_the_directory_and_never_another() {
        let outside = tempdir().unwrap();
        let directory = outside.path().join("tokens");
        fs::create_dir_all(directory.join("deeper")).unwrap();
        fs::write(outside.path().join("out"), "evil:1").unwrap();
        fs::write(directory.join("vm1"), " h:5900\n").unwrap();
        fs::write(directory.join("bad"), "h").unwrap();
        let plugin = TokenFileName::new(directory.to_str().unwrap()).unwrap();

        let target = Target::Tcp {
            host: "h".to_owned(),
            port: 5900,
        };
        for token in ["vm1", "/vm1", "a/../vm1"] {
            assert_eq!(plugin.lookup(token).await.unwrap().as_ref(), Some(&target));
        }
        let long = "x".repeat(300);
        for token in ["none", ".", "..", "../out", "deeper/", long.as_str()] {
            assert_eq!(plugin.lookup(token).await.unwrap(), None, "{token}");
        }
        for token in ["bad", "deeper"] {
            let said = plugin.lookup(token).await.unwrap_err().to_string();
            assert!(!said.contains(token), "{said}");
        }
    }

    #[test]
    fn what_is_no_directory_is_refused_at_once() {
        let said = TokenFileName::new("/dev/null").err().unwrap().to_string();
        assert!(said.contains("/dev/null is not a directory"), "{said}");
    }
}
