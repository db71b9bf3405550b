//! A `/tmp` of its own for one desktop: a mount namespace with a private directory over `/tmp`.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::mount::MountPropagationFlags;
use rustix::thread::UnshareFlags;

use crate::identity::{is_root, own_uid};

/// What everybody has.
const PUBLIC: &str = "/tmp";
/// Sockets and locks of X servers and session managers are found there by everybody.
const SOCKET_DIRECTORIES: [&str; 2] = [".X11-unix", ".ICE-unix"];

/// What is private.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrivateTmp {
    /// All of `/tmp` is `directory`, where those of `keep` that are below `/tmp` stay to be seen.
    Whole {
        directory: PathBuf,
        keep: Vec<PathBuf>,
    },
    /// Only the directories of X and ICE sockets are in `directory`.
    Sockets { directory: PathBuf },
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
    match private {
        PrivateTmp::Whole { directory, keep } => {
            make_sockets(directory, make_shared)?;
            std::fs::set_permissions(directory, Permissions::from_mode(0o1777))?;
            unshare()?;
            for kept in keep {
                keep_visible(kept, directory)?;
            }
            rustix::mount::mount_bind_recursive(directory, PUBLIC)?;
        }
        PrivateTmp::Sockets { directory } => {
            make_sockets(directory, make_shared)?;
            make_sockets(Path::new(PUBLIC), make_public)?;
            unshare()?;
            for name in SOCKET_DIRECTORIES {
                rustix::mount::mount_bind(directory.join(name), Path::new(PUBLIC).join(name))?;
            }
        }
    }
    Ok(())
}

/// Mounts what is below `/tmp` at the same place of the directory that will be `/tmp`.
fn keep_visible(kept: &Path, directory: &Path) -> io::Result<()> {
    let Ok(inside) = kept.strip_prefix(PUBLIC) else {
        return Ok(());
    };
    let place = directory.join(inside);
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(&place)?;
    Ok(rustix::mount::mount_bind_recursive(kept, &place)?)
}

fn make_sockets(parent: &Path, make: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    SOCKET_DIRECTORIES
        .iter()
        .try_for_each(|name| make(&parent.join(name)))
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

/// A mount namespace of its own, which sees what is mounted on the machine and not the reverse.
fn unshare() -> io::Result<()> {
    if is_root() {
        unshare_names(UnshareFlags::NEWNS)?;
    } else {
        let uid = own_uid();
        let gid = rustix::process::getegid().as_raw();
        unshare_names(UnshareFlags::NEWUSER | UnshareFlags::NEWNS)?;
        // user_namespaces(7): without privilege one's own number alone can be mapped, and the
        // gid only after setgroups is given up.
        std::fs::write("/proc/self/setgroups", "deny")?;
        std::fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
        std::fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))?;
    }
    Ok(rustix::mount::mount_change(
        "/",
        MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC,
    )?)
}

fn unshare_names(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: the flags name namespaces only; the descriptor table stays shared as it is.
    unsafe { rustix::thread::unshare_unsafe(flags) }?;
    Ok(())
}
