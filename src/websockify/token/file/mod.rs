//! `TokenFile` and `ReadOnlyTokenFile`: lines of `token: host:port` in a file, or in the files of
//! a directory.

mod complaints;
mod kept;
mod lines;
mod stamps;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Mutex;

use self::kept::Kept;
use super::{LookupError, read};
use crate::runtime::Clock;
use crate::websockify::Target;

/// Most bytes of one token file.
const MAX_FILE: u64 = 16 << 20;
/// Most files of a directory of token files, and most bytes of all of them.
const MAX_FILES: usize = 10_000;
const MAX_BYTES: usize = 64 << 20;

/// A file of tokens, or a directory of such files.
pub(super) struct TokenFile {
    path: PathBuf,
    /// Whether it counts what the file said when the first visitor came.
    once: bool,
    clock: Clock,
    /// Whoever looks at the files holds the lock, so that one does at a time.
    kept: Arc<Mutex<Kept>>,
}

impl TokenFile {
    /// `TokenFile`: what the file says when somebody comes. A visit costs a stat(2) for each file,
    /// which are read only when they have changed.
    pub(super) fn read_each_time(path: &str) -> Self {
        Self {
            path: read::place(path),
            once: false,
            clock: Clock::System,
            kept: Arc::default(),
        }
    }

    /// `ReadOnlyTokenFile`: what the file said when the first visitor came.
    pub(super) fn read_once(path: &str) -> Self {
        Self {
            once: true,
            ..Self::read_each_time(path)
        }
    }

    pub(super) fn name(&self) -> &'static str {
        if self.once {
            "ReadOnlyTokenFile"
        } else {
            "TokenFile"
        }
    }

    pub(super) async fn lookup(&self, token: &str) -> Result<Option<Target>, LookupError> {
        let asked = self.clock.monotonic();
        let mut kept = Arc::clone(&self.kept).lock_owned().await;
        // Who waited here while somebody else looked has the answer that they got.
        let known = if self.once {
            kept.ever()
        } else {
            kept.since(asked)
        };
        if let Some(targets) = known {
            return Ok(targets.get(token).cloned());
        }
        let (path, token, now) = (self.path.clone(), token.to_owned(), self.clock.unix());
        // Holds the lock until it is done, even if nobody waits for it any more.
        let work = move || {
            let targets = kept.refresh(&path, now)?;
            Ok(targets.get(&token).cloned())
        };
        let found = read::aside(work, self.name()).await?;
        found.map_err(|error| LookupError::Unreadable {
            path: self.path.clone(),
            error,
        })
    }
}

#[cfg(test)]
mod tests;
