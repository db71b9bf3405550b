//! How to see that a file is another one.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

/// What changes when a file is written or replaced: device, inode, size, and both times with
/// their nanoseconds.
pub type Stamp = [i64; 7];

/// One for each file; `None` where there is none.
pub fn stamps(files: &[PathBuf]) -> Vec<Option<Stamp>> {
    files.iter().map(|file| stamp(fs::metadata(file))).collect()
}

/// As [`stamps`], in a directory of somebody else's, who must not have us look elsewhere.
pub fn foreign_stamps(files: &[PathBuf]) -> Vec<Option<Stamp>> {
    let stamp = |file| stamp(fs::symlink_metadata(file));
    files.iter().map(stamp).collect()
}

fn stamp(found: io::Result<Metadata>) -> Option<Stamp> {
    let found = found.ok().filter(Metadata::is_file)?;
    Some([
        found.dev().cast_signed(),
        found.ino().cast_signed(),
        found.size().cast_signed(),
        found.mtime(),
        found.mtime_nsec(),
        found.ctime(),
        found.ctime_nsec(),
    ])
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_count_where_the_directory_is_our_own_and_nothing_but_files_does() {
        let dir = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| dir.path().join(name));
        fs::write(&file, "one").unwrap();
        symlink(&file, &link).unwrap();
        let files = [file, link, dir.path().to_owned()];
        let [own, linked, folder] = stamps(&files).try_into().unwrap();
        assert!(own.is_some() && own == linked && folder.is_none());
        let foreign = foreign_stamps(&files);
        assert_eq!(foreign, [own, None, None]);
    }
}
