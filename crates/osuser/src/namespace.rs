//! A `/tmp` of its own for one desktop: a mount namespace with a private directory over `/tmp`.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::mount::MountPropagationFlags;
use rustix::thread::UnshareFlags;

use crate::identity::{is_root, own_uid};

/// Sockets and locks of X servers and session managers are found there by everybody.
const SOCKET_DIRECTORIES: [&str; 2] = [".X11-unix", ".ICE-unix"];

/// What is private.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrivateTmp {
    /// All of `/tmp` is this directory.
    Whole(PathBuf),
    /// Only the directories of X and ICE sockets are in this directory.
    Sockets(PathBuf),
}

/// Moves this process (of one thread) into a mount namespace where `/tmp`, or the socket
/// directories in it, are below the private directory, which exists and is empty. What is
/// mounted on the machine later is seen there; what is mounted there is seen nowhere else.
///
/// Without root the namespace belongs to a user namespace in which this user is the only one.
///
/// # Errors
/// When the kernel does not allow it or a directory cannot be made.
pub fn enter_private_tmp(private: &PrivateTmp) -> io::Result<()> {
    let directory = match private {
        PrivateTmp::Whole(directory) | PrivateTmp::Sockets(directory) => directory,
    };
    for name in SOCKET_DIRECTORIES {
        make_shared(&directory.join(name))?;
    }
    let public = Path::new("/tmp");
    if matches!(private, PrivateTmp::Whole(_)) {
        std::fs::set_permissions(directory, Permissions::from_mode(0o1777))?;
    } else {
        for name in SOCKET_DIRECTORIES {
            make_public(&public.join(name))?;
        }
    }
    unshare()?;
    rustix::mount::mount_change(
        "/",
        MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC,
    )?;
    if matches!(private, PrivateTmp::Whole(_)) {
        rustix::mount::mount_bind(directory, public)?;
    } else {
        for name in SOCKET_DIRECTORIES {
            rustix::mount::mount_bind(directory.join(name), public.join(name))?;
        }
    }
    Ok(())
}

fn make_shared(directory: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    std::fs::set_permissions(directory, Permissions::from_mode(0o1777))
}

/// A directory in the machine's `/tmp`, where anybody may have put something else of that name.
fn make_public(directory: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Ok(()) => return std::fs::set_permissions(directory, Permissions::from_mode(0o1777)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let found = std::fs::symlink_metadata(directory)?;
    if found.is_dir() && (found.uid() == 0 || found.uid() == own_uid()) {
        Ok(())
    } else {
        Err(io::Error::other(format!(
            "{} is not a directory of root's",
            directory.display()
        )))
    }
}

fn unshare() -> io::Result<()> {
    if is_root() {
        return unshare_unsafe(UnshareFlags::NEWNS);
    }
    let uid = own_uid();
    let gid = rustix::process::getegid().as_raw();
    unshare_unsafe(UnshareFlags::NEWUSER | UnshareFlags::NEWNS)?;
    // user_namespaces(7): without privilege one's own number alone can be mapped, and the gid
    // only after setgroups is given up.
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))
}

fn unshare_unsafe(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: the flags name namespaces only; the descriptor table stays shared as it is.
    unsafe { rustix::thread::unshare_unsafe(flags) }?;
    Ok(())
}
