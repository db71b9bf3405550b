//! Reads a whole file, but never more of it than a bound, and never waits for a pipe.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf, absolute};

use rustix::fs::OFlags;
use tokio::task::spawn_blocking;
use tracing::warn;

use super::LookupError;

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
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("it is larger than {limit} bytes")));
    }
    Ok(bytes)
}

/// Does what may wait for a disk away from the worker's own thread.
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

/// [`whole`], away from the worker's own thread.
pub(super) async fn whole_aside(
    path: PathBuf,
    limit: u64,
    plugin: &'static str,
) -> Result<io::Result<Vec<u8>>, LookupError> {
    aside(move || whole(&path, limit), plugin).await
}
