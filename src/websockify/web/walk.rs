//! A path walked name by name, following links only as far as they may be trusted.
//!
//! A link may lead out of the root when one of the trusted made it: root, or the user that this
//! server runs as. They can read what it points to without this server. Packages have such links,
//! and people make them. A link that anybody else made (who may write to the web directory, or to
//! one below it) stays inside, or they could read with the server's rights. Outside, no link but
//! a trusted one is followed at all.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::{Errno, Result};

/// Most links on one way, as in the kernel (path_resolution(7)).
const MAX_LINKS: u32 = 40;

const STEP: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opens what `names` lead to from `root`, with `flags`. Each step is from an open directory, so
/// that what is renamed meanwhile leads nowhere else. `trusted` are users, by number.
pub(super) fn walk(
    root: BorrowedFd<'_>,
    names: &[OsString],
    flags: OFlags,
    trusted: &[u32],
) -> Result<OwnedFd> {
    let mut place = Place::Inside(Vec::new());
    let mut steps: VecDeque<Step> = names.iter().map(|name| Step::asked(name)).collect();
    let mut links = 0;
    while let Some(step) = steps.pop_front() {
        if step.name == ".." {
            place.up(root, step.trusted)?;
            continue;
        }
        let entered = rustix::fs::openat(place.directory(root), &*step.name, STEP, Mode::empty())?;
        let found = rustix::fs::fstat(&entered)?;
        if FileType::from_raw_mode(found.st_mode) != FileType::Symlink {
            if steps.is_empty() {
                if flags.contains(OFlags::PATH) {
                    return Ok(entered);
                }
                let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let directory = place.directory(root);
                return rustix::fs::openat(directory, &*step.name, flags, Mode::empty());
            }
            place.enter(entered);
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(Errno::LOOP);
        }
        let trusted = trusted.contains(&found.st_uid);
        if !trusted && matches!(place, Place::Outside(_)) {
            return Err(Errno::XDEV);
        }
        let target = rustix::fs::readlinkat(&entered, "", Vec::new())?;
        let target = OsStr::from_bytes(target.as_bytes());
        if target.as_bytes().starts_with(b"/") {
            if !trusted {
                return Err(Errno::XDEV);
            }
            place = Place::Outside(rustix::fs::open("/", STEP, Mode::empty())?);
        }
        for name in target.as_bytes().split(|byte| *byte == b'/').rev() {
            if !matches!(name, b"" | b".") {
                let name = OsStr::from_bytes(name).to_owned();
                steps.push_front(Step { name, trusted });
            }
        }
    }
    let flags = flags | OFlags::CLOEXEC;
    rustix::fs::openat(place.directory(root), ".", flags, Mode::empty())
}

/// One name of a path.
struct Step {
    name: OsString,
    /// Whether it stands in a link that may lead out.
    trusted: bool,
}

impl Step {
    fn asked(name: &OsStr) -> Self {
        Self {
            name: name.to_owned(),
            trusted: false,
        }
    }
}

/// How far the way has come.
enum Place {
    /// The directories from the root down, without the root.
    Inside(Vec<OwnedFd>),
    Outside(OwnedFd),
}

impl Place {
    fn directory<'a>(&'a self, root: BorrowedFd<'a>) -> BorrowedFd<'a> {
        match self {
            Self::Inside(below) => below.last().map_or(root, AsFd::as_fd),
            Self::Outside(directory) => directory.as_fd(),
        }
    }

    fn enter(&mut self, entered: OwnedFd) {
        match self {
            Self::Inside(below) => below.push(entered),
            Self::Outside(directory) => *directory = entered,
        }
    }

    fn up(&mut self, root: BorrowedFd<'_>, trusted: bool) -> Result<()> {
        if let Self::Inside(below) = self
            && below.pop().is_some()
        {
            return Ok(());
        }
        if !trusted {
            return Err(Errno::XDEV);
        }
        let above = rustix::fs::openat(self.directory(root), "..", STEP, Mode::empty())?;
        *self = Self::Outside(above);
        Ok(())
    }
}
