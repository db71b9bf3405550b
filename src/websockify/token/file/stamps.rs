//! Which files of tokens there are and when they changed last, without a look inside.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::MAX_FILES;

/// Two changes within so many seconds may leave the same times: some file systems round them.
const GRAIN: u64 = 2;

/// A file, or the files of a directory in the order of their names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stamps {
    pub(super) is_directory: bool,
    /// Without a stamp: those that cannot be looked at.
    pub(super) files: Vec<(PathBuf, Option<Stamp>)>,
}

/// What changes when a file is written or replaced: the last two are times in seconds and
/// nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamps {
    /// # Errors
    /// When there is nothing at `path`, or a directory that is too large.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        if !found.is_dir() {
            return Ok(Self {
                is_directory: false,
                files: vec![(path.to_owned(), Some(Stamp::of(&found)))],
            });
        }
        let mut files = Vec::new();
        for entry in fs::read_dir(path)? {
            if files.len() == MAX_FILES {
                return Err(io::Error::other(format!("it holds over {MAX_FILES} files")));
            }
            let file = entry?.path();
            let stamp = fs::metadata(&file).ok().map(|found| Stamp::of(&found));
            files.push((file, stamp));
        }
        files.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(Self {
            is_directory: true,
            files,
        })
    }

    /// Whether any change from `now` on (seconds since 1970) will show.
    pub(super) fn settled(&self, now: u64) -> bool {
        let changed = |stamp: &Stamp| u64::try_from(stamp.changed.0).unwrap_or_default();
        let mut stamps = self.files.iter().filter_map(|(_, stamp)| stamp.as_ref());
        stamps.all(|stamp| now.abs_diff(changed(stamp)) > GRAIN)
    }
}

impl Stamp {
    fn of(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }
}
