//! Whether a program file is root's alone: what root runs, nobody else may be able to exchange.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// Most symbolic links on the way to a file, as the kernel has it.
const MAX_LINKS: usize = 40;
const WRITABLE_BY_GROUP: u32 = 0o020;
const WRITABLE_BY_ALL: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Refuses a file that anybody but root could write or put another in the place of: itself, and
/// every directory and symbolic link on the way to it, must be root's and writable by nobody else.
/// A directory where everybody may write but take away only their own (`/var/tmp`) may be on the
/// way to another directory, not hold a link or the program itself.
///
/// `path` is absolute. What was found sound, only root can change afterwards.
pub(super) fn only_roots(path: &Path) -> Result<()> {
    let mut way: VecDeque<OsString> = parts(path).collect();
    let mut folder = PathBuf::from("/");
    let mut folder_is = look(&folder)?;
    belongs_to_root(&folder, &folder_is)?;
    let mut links = 0;
    while let Some(part) = way.pop_front() {
        let next = folder.join(&part);
        let next_is = look(&next)?;
        belongs_to_root(&next, &next_is)?;
        is_not_open(&folder, &folder_is, next_is.is_dir())?;
        if next_is.is_symlink() {
            links += 1;
            if links > MAX_LINKS {
                bail!("{}: too many symbolic links", path.display());
            }
            let target = std::fs::read_link(&next)
                .with_context(|| format!("cannot read {}", next.display()))?;
            if target.is_absolute() {
                folder = PathBuf::from("/");
            }
            for part in parts(&target).rev() {
                way.push_front(part);
            }
        } else {
            // `..` of a directory whose links are all followed is the one above.
            folder = if part == ".." {
                folder.parent().unwrap_or(&folder).to_owned()
            } else {
                next
            };
        }
        folder_is = look(&folder)?;
    }
    is_not_open(&folder, &folder_is, false)
}

fn parts(path: &Path) -> impl DoubleEndedIterator<Item = OsString> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

fn look(path: &Path) -> Result<Metadata> {
    std::fs::symlink_metadata(path).with_context(|| format!("cannot look at {}", path.display()))
}

fn belongs_to_root(path: &Path, it: &Metadata) -> Result<()> {
    if it.uid() != 0 {
        bail!(
            "root runs no program that others could exchange: {} belongs to uid {}; {ADVICE}",
            path.display(),
            it.uid()
        );
    }
    Ok(())
}

/// Whether others may put something in the place of what is in a directory, or into a file.
fn is_not_open(path: &Path, it: &Metadata, holds_folder: bool) -> Result<()> {
    // Who is in the group 0 is as good as root.
    let by_group = it.mode() & WRITABLE_BY_GROUP != 0 && it.gid() != 0;
    let by_others = by_group || it.mode() & WRITABLE_BY_ALL != 0;
    let is_sticky = it.is_dir() && it.mode() & STICKY != 0;
    if by_others && !(is_sticky && holds_folder) {
        bail!(
            "root runs no program that others could exchange: {} is writable by them (mode {:o}); \
             {ADVICE}",
            path.display(),
            it.mode() & 0o7777
        );
    }
    Ok(())
}

const ADVICE: &str = "have `deskway up` run from a place of root's alone, such as /usr/local/bin";

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn refused(path: &Path) -> String {
        format!("{:#}", only_roots(path).unwrap_err())
    }

    #[test]
    fn what_others_could_exchange_is_refused() {
        // Sticky above it.
        let base = tempfile::tempdir_in("/var/tmp").unwrap();
        let folder = base.path().join("bin");
        fs::create_dir(&folder).unwrap();
        let file = folder.join("deskway");
        fs::write(&file, "").unwrap();
        for (path, good) in [(base.path(), 0o700), (&folder, 0o755), (&file, 0o755)] {
            mode(path, good);
        }
        if !deskway_osuser::is_root() {
            return assert!(refused(&file).contains("belongs to uid"));
        }
        only_roots(&file).unwrap();
        only_roots(&folder.join("../bin/deskway")).unwrap();

        for (path, good) in [(base.path(), 0o700), (&folder, 0o755), (&file, 0o755)] {
            mode(path, 0o757);
            assert!(refused(&file).contains(&format!("{} is writable", path.display())));
            mode(path, 0o775);
            only_roots(&file).unwrap();
            chown(path, None, Some(4242)).unwrap();
            assert!(refused(&file).contains(&format!("{} is writable", path.display())));
            mode(path, good);
            only_roots(&file).unwrap();
            chown(path, Some(4242), Some(0)).unwrap();
            assert!(refused(&file).contains("belongs to uid 4242"));
            chown(path, Some(0), None).unwrap();
        }
        // Sticky: nobody could exchange it now, but anybody while it is away for a moment.
        mode(&folder, 0o1777);
        assert!(refused(&file).contains("mode 1777"));
        mode(&folder, 0o755);
        assert!(refused(&folder.join("gone")).contains("No such file"));
    }

    #[test]
    fn links_are_followed_and_looked_at() {
        let base = tempfile::tempdir_in("/var/tmp").unwrap();
        let [safe, open] = ["safe", "open"].map(|name| base.path().join(name));
        for folder in [&safe, &open] {
            fs::create_dir(folder).unwrap();
        }
        mode(&safe, 0o755);
        mode(&open, 0o777);
        for folder in [&safe, &open] {
            fs::write(folder.join("deskway"), "").unwrap();
            mode(&folder.join("deskway"), 0o755);
        }
        symlink("../safe/deskway", safe.join("good")).unwrap();
        if !deskway_osuser::is_root() {
            return assert!(refused(&safe.join("good")).contains("belongs to uid"));
        }
        only_roots(&safe.join("good")).unwrap();
        symlink(safe.join("deskway"), safe.join("whole")).unwrap();
        only_roots(&safe.join("whole")).unwrap();
        symlink("../open/deskway", safe.join("to-open")).unwrap();
        assert!(refused(&safe.join("to-open")).contains("open is writable"));
        symlink("../safe/deskway", open.join("from-open")).unwrap();
        assert!(refused(&open.join("from-open")).contains("open is writable"));
        symlink("round", safe.join("round")).unwrap();
        assert!(refused(&safe.join("round")).contains("too many"));
    }
}
