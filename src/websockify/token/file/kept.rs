//! What was read of token files, and is read anew when they change.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Instant;

use super::complaints::Complaints;
use super::lines::{Targets, take_lines};
use super::stamps::Stamps;
use super::{MAX_BYTES, MAX_FILE};
use crate::websockify::token::read;

/// What the files said, from the first lookup on.
#[derive(Debug, Default)]
pub(super) struct Kept {
    read: Option<Read>,
    /// What the log was told last.
    told: Complaints,
}

#[derive(Debug)]
struct Read {
    targets: Targets,
    stamps: Stamps,
    /// Whether it counts for as long as the stamps are these.
    lasts: bool,
    /// It was right after this.
    checked: Instant,
}

impl Kept {
    /// What was read, however long ago.
    pub(super) fn ever(&self) -> Option<&Targets> {
        self.read.as_ref().map(|read| &read.targets)
    }

    /// What was read, or found unchanged, later than `asked`.
    pub(super) fn since(&self, asked: Instant) -> Option<&Targets> {
        let read = self.read.as_ref().filter(|read| read.checked >= asked)?;
        Some(&read.targets)
    }

    /// What the files say now (seconds since 1970).
    ///
    /// # Errors
    /// When there is nothing at `path`, or what is there cannot be read or is too large.
    pub(super) fn refresh(&mut self, path: &Path, now: u64) -> io::Result<&Targets> {
        let checked = Instant::now();
        // Before the files are read: a change in between is seen next time.
        let stamps = Stamps::of(path)?;
        // What is old goes before the new comes, so that memory holds one of them only.
        let old = self.read.take();
        let read = match old.filter(|old| old.lasts && old.stamps == stamps) {
            Some(old) => Read { checked, ..old },
            None => self.read_anew(stamps, now, checked)?,
        };
        Ok(&self.read.insert(read).targets)
    }

    fn read_anew(&mut self, stamps: Stamps, now: u64, checked: Instant) -> io::Result<Read> {
        let mut complaints = Complaints::default();
        let (targets, complete) = load(&stamps, &mut complaints)?;
        complaints.tell(&mut self.told);
        Ok(Read {
            targets,
            lasts: complete && stamps.settled(now),
            stamps,
            checked,
        })
    }
}

/// Reads the file, or each file of the directory in the order of their names. A later line about
/// the same token wins. In a directory, a file that cannot be read is complained of and left out;
/// `false` if that may pass without a change of the file.
fn load(stamps: &Stamps, complaints: &mut Complaints) -> io::Result<(Targets, bool)> {
    let (mut targets, mut complete, mut total) = (Targets::new(), true, 0);
    for (file, stamp) in &stamps.files {
        match read::whole(file, MAX_FILE) {
            Ok(bytes) => {
                total += bytes.len();
                if total > MAX_BYTES {
                    return Err(io::Error::other(format!(
                        "its files are larger than {MAX_BYTES} bytes together"
                    )));
                }
                take_lines(file, &bytes, &mut targets, complaints);
            }
            Err(error) if !stamps.is_directory => return Err(error),
            Err(error) => {
                complaints.add(|| format!("{} is left out: {error}", file.display()));
                // `Other` is what `whole` says of files of the wrong kind or size.
                let stays = matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::Other);
                complete &= stays || stamp.is_none();
            }
        }
    }
    Ok((targets, complete))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use tempfile::tempdir;

    use super::*;
    use crate::runtime::Clock;
    use crate::websockify::Target;

    #[test]
    fn files_that_nobody_touched_are_not_read_again() {
        let dir = tempdir().unwrap();
        let path = dir.path();
        fs::write(path.join("1"), "a: h:1").unwrap();
        symlink("/nowhere", path.join("2")).unwrap();
        let long_after = Clock::System.unix() + 1000;
        let mut kept = Kept::default();
        kept.refresh(path, long_after).unwrap();
        let mark = ("mark".to_owned(), Target::Unix("/in/memory/only".into()));
        kept.read.as_mut().unwrap().targets.extend([mark]);
        let targets = kept.refresh(path, long_after).unwrap();
        assert!(targets.contains_key("a") && targets.contains_key("mark"));

        fs::write(path.join("3"), "b: h:2").unwrap();
        let targets = kept.refresh(path, long_after).unwrap();
        assert!(targets.contains_key("b") && !targets.contains_key("mark"));
        fs::remove_file(path.join("1")).unwrap();
        let targets = kept.refresh(path, long_after).unwrap();
        assert!(!targets.contains_key("a"));
    }
}
