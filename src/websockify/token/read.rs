//! Reads a whole file, but never more of it than a bound, and never waits for a pipe; and does so
//! aside, but never too many at once.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf, absolute};
use std::sync::Arc;

use rustix::fs::OFlags;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tracing::warn;

use super::LookupError;
use crate::runtime::processors;

/// How many lookups wait for the disk at once.
const MAX_AT_DISK: usize = 16;

/// The whole path of what `--token-source` names, whatever the working directory becomes. What is
/// not there is reported only: it may be made later.
pub(super) fn place(source: &str) -> PathBuf {
    let path = absolute(source).unwrap_or_else(|_| PathBuf::from(source));
    if !path.exists() {
        warn!(
            "{} is not there yet; until it is, no token counts",
            path.display()
        );
    }
    path
}

/// The bytes of a regular file of at most `limit` bytes.
pub(super) fn whole(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let too_large = || io::Error::other(format!("it is larger than {limit} bytes"));
    if found.len() > limit {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(too_large());
    }
    Ok(bytes)
}

/// So many lookups at once that may wait for a disk or compute, and no more; others wait. Each of
/// them has a thread, and what it reads in memory.
#[derive(Debug)]
pub(super) struct Turns(Arc<Semaphore>);

impl Turns {
    /// For what waits for a disk.
    pub(super) fn at_disk() -> Self {
        Self(Arc::new(Semaphore::new(MAX_AT_DISK)))
    }

    /// For what computes.
    pub(super) fn to_compute() -> Self {
        Self(Arc::new(Semaphore::new(processors())))
    }

    /// Does `work`, when it is its turn, away from the worker's own thread.
    pub(super) async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
        plugin: &'static str,
    ) -> Result<T, LookupError> {
        let turn = Arc::clone(&self.0).acquire_owned().await;
        let work = move || {
            let done = work();
            // Not before, even if nobody waits for it any more.
            drop(turn);
            done
        };
        aside(work, plugin).await
    }
}

/// Does `work` away from the worker's own thread; it goes on when nobody waits for it any more, so
/// `work` itself must hold what lets only so many of it go on at once.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
    plugin: &'static str,
) -> Result<T, LookupError> {
    spawn_blocking(work)
        .await
        .map_err(|error| LookupError::Failed {
            plugin,
            fault: error.to_string(),
        })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_turn_is_kept_for_as_long_as_the_work_goes_on_and_not_longer() {
        let turns = Turns(Arc::new(Semaphore::new(1)));
        let (started, starts) = oneshot::channel();
        let (end, ends) = mpsc::channel::<()>();
        let work = move || {
            started.send(()).unwrap();
            assert!(ends.recv().is_err());
        };
        tokio::select! {
            begun = starts => begun.unwrap(),
            _ = turns.aside(work, "none") => panic!("it does not end by itself"),
        }
        assert_eq!(
            turns.0.available_permits(),
            0,
            "nobody waits for it any more"
        );
        drop(end);
        assert_eq!(turns.aside(|| 1, "none").await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_turn_is_given_back_after_a_panic() {
        let turns = Turns::at_disk();
        for _ in 0..=MAX_AT_DISK {
            assert!(turns.aside(|| panic!("on purpose"), "none").await.is_err());
        }
        assert_eq!(turns.aside(|| 1, "none").await.unwrap(), 1);
    }
}
