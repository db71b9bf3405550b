//! Opens what is below the root, and nothing else.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::walk::walk;

/// A directory that was opened once; paths are looked up from it.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) directory: OwnedFd,
    /// Whose links may lead out of it, as numbers of users; see [`walk`].
    pub(super) trusted: Vec<u32>,
}

impl Root {
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(dir, flags, Mode::empty())?;
        // Whether it may be entered is found out now, not with the first request.
        rustix::fs::statat(&directory, ".", rustix::fs::AtFlags::empty())?;
        Ok(Self {
            directory,
            trusted: vec![0, rustix::process::geteuid().as_raw()],
        })
    }

    /// Opens what `names` lead to. The kernel sees to it that nothing leads out of the root. Only
    /// when a link does, or where the kernel is older than Linux 5.6 or may not be asked, it is
    /// walked by name, which lets links out that may be trusted.
    pub(super) fn find(&self, names: &[OsString], flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let path = joined(names);
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let flags = flags | OFlags::CLOEXEC;
        match rustix::fs::openat2(&self.directory, &path, flags, Mode::empty(), resolve) {
            Err(Errno::XDEV | Errno::NOSYS | Errno::PERM | Errno::AGAIN) => {
                walk(self.directory.as_fd(), names, flags, &self.trusted)
            }
            found => found,
        }
    }
}

fn joined(names: &[OsString]) -> OsString {
    if names.is_empty() {
        ".".into()
    } else {
        names.join(OsStr::new("/"))
    }
}
