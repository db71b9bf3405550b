//! The ground that `deskway up` stands on: directories, the service user, the sockets.

use std::fs::{self, DirBuilder, File, Permissions};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown,
};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use deskway_osuser::{Account, drop_to, is_root, own_uid};

use crate::config::Config;
use crate::model::UPGRADE_SOCKET;

/// The system user that the front runs as when `up` is root.
pub(super) const SERVICE_USER: &str = "deskway";
/// Below the run directory: where the launcher finds the front.
pub(super) const FRONT_SOCKET: &str = "front.sock";
/// Below the run directory, during an upgrade: where the launcher finds the front that leaves.
pub(super) const LEAVING_SOCKET: &str = "front-leaving.sock";
/// Below the state directory: what the front may write.
pub(super) const FRONT_STATE: &str = "front";

/// Held for as long as this Deskway runs, so that no second one takes the same directories.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

impl AsFd for Lock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl From<OwnedFd> for Lock {
    /// One that is held already, by a descriptor that the program before left.
    fn from(held: OwnedFd) -> Self {
        Self { file: held.into() }
    }
}

/// The account that the front drops to: `None` for an ordinary user, who stays who they are.
pub(super) fn service_account() -> Result<Option<Account>> {
    if !is_root() {
        return Ok(None);
    }
    if let Some(account) = Account::by_name(SERVICE_USER)? {
        return Ok(Some(account));
    }
    tracing::info!(
        user = SERVICE_USER,
        "making the system user that the web server runs as"
    );
    let flags = [
        "--system",
        "--user-group",
        "--no-create-home",
        "--home-dir",
        "/nonexistent",
    ];
    let mut useradd = Command::new("useradd");
    useradd
        .args(flags)
        .args(["--shell", "/usr/sbin/nologin", SERVICE_USER]);
    let output = useradd.output().context("cannot run useradd")?;
    // Another Deskway that starts at the same moment may have been quicker: what counts is that
    // the account is there.
    match Account::by_name(SERVICE_USER)? {
        Some(account) => Ok(Some(account)),
        None => bail!(
            "cannot make the system user `{SERVICE_USER}`: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ),
    }
}

/// Becomes the service user for good; an ordinary user only gives up what could be gained.
pub(super) fn become_service(service: Option<&Account>) -> Result<()> {
    let own = || (own_uid(), rustix::process::getegid().as_raw());
    let (uid, gid) = service.map_or_else(own, |account| (account.uid, account.gid));
    drop_to(uid, gid).with_context(|| format!("cannot become `{SERVICE_USER}`"))
}

/// Makes the run and state directories with the right owners and modes.
pub(super) fn prepare(config: &Config, service: Option<&Account>) -> Result<()> {
    let (run, state) = (&config.paths.run, &config.paths.state);
    for folder in [run, state] {
        own_folder(folder, 0o711)?;
    }
    let front = state.join(FRONT_STATE);
    if !front.exists() {
        make_folder(&front, 0o700)?;
    }
    if let Some(service) = service {
        chown(&front, Some(service.uid), Some(service.gid))
            .with_context(|| format!("cannot give {} to {SERVICE_USER}", front.display()))?;
    }
    Ok(())
}

/// The socket where the launcher calls the front. One left by a Deskway that was killed goes.
pub(super) fn front_socket(run: &Path) -> Result<OwnedFd> {
    socket(&run.join(FRONT_SOCKET))
}

/// The socket where `deskway upgrade` asks.
pub(super) fn upgrade_socket(run: &Path) -> Result<OwnedFd> {
    socket(&run.join(UPGRADE_SOCKET))
}

/// A socket that only this user can connect to.
fn socket(path: &Path) -> Result<OwnedFd> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", path.display()));
        }
        _ => {}
    }
    let socket = deskway_osuser::listen(path).with_context(|| {
        format!(
            "cannot listen at {} (a path of 107 bytes at most)",
            path.display()
        )
    })?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(socket)
}

/// A directory that is this user's, and that nobody else can write to.
fn own_folder(folder: &Path, mode: u32) -> Result<()> {
    if !folder.exists() {
        make_folder(folder, mode)?;
    }
    let meta = fs::symlink_metadata(folder)
        .with_context(|| format!("cannot look at {}", folder.display()))?;
    if !meta.is_dir() {
        bail!("{} is not a directory", folder.display());
    }
    if meta.uid() != own_uid() || meta.mode() & 0o022 != 0 {
        bail!(
            "{} must belong to this user and be writable by nobody else: it is of uid {} with mode {:o}",
            folder.display(),
            meta.uid(),
            meta.mode() & 0o7777
        );
    }
    Ok(())
}

fn make_folder(folder: &Path, mode: u32) -> Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(mode);
    builder
        .create(folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    // The mode at creation is narrowed by the umask.
    fs::set_permissions(folder, Permissions::from_mode(mode))?;
    Ok(())
}

/// Takes the run directory for this Deskway.
pub(super) fn lock(run: &Path) -> Result<Lock> {
    let path = run.join("up.lock");
    // Whoever can open it can hold the lock, so that nobody else may.
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path);
    let file = file.with_context(|| format!("cannot write {}", path.display()))?;
    if file.try_lock().is_err() {
        bail!(
            "another Deskway runs with {}: stop it, or give another --run-dir",
            run.display()
        );
    }
    Ok(Lock { file })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_deskway_a_run_directory_and_a_lock_that_nobody_else_can_open() {
        let run = tempfile::tempdir().unwrap();
        let held = lock(run.path()).unwrap();
        let mode = fs::metadata(run.path().join("up.lock")).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
        let error = lock(run.path()).unwrap_err().to_string();
        assert!(error.contains("another Deskway"), "{error}");
        drop(held);
        assert!(lock(run.path()).is_ok());
    }

    #[test]
    fn a_folder_that_others_may_write_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("run");
        make_folder(&folder, 0o777).unwrap();
        let error = own_folder(&folder, 0o711).unwrap_err().to_string();
        assert!(error.contains("777"), "{error}");
    }
}
