//! `deskway backup` and `deskway restore`: what is kept, as one tar file.
//!
//! Databases are copied by SQLite itself, so that a copy is whole whatever is written meanwhile.
//! Who is signed in is not in it: sign-ins end with the machine.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, chown};
use std::path::{Path, PathBuf};

use deskway_osuser as osuser;
use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use rustix::process::{getegid, geteuid};
use serde::{Deserialize, Serialize};
use sqlx::{ConnectOptions as _, Connection as _};

use super::{Backup, Error, audit, out};
use crate::acme;
use crate::audit::{FILE as AUDIT_FILE, FOLDER as AUDIT_FOLDER, What};
use crate::runtime::Clock;
use crate::store::accounts;
use crate::store::database::{self, DatabaseError};

/// What a backup begins with, and the version of its form.
const MANIFEST: &str = "deskway-backup.json";
const VERSION: u32 = 1;
/// The system user whose the ordered certificates are.
const SERVICE_USER: &str = "deskway";
/// How long people's desktops have run today.
const USAGE: &str = "usage.json";
/// Most files in the directory of ordered certificates, of an archive, and bytes of one that is no
/// database.
const MAX_ORDERED: usize = 100;
const MAX_FILES: usize = MAX_ORDERED + 3;
const MAX_FILE: u64 = 1 << 20;
/// Most bytes of a database.
const MAX_DATABASE: u64 = 1 << 40;

/// Why nothing was copied or put back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{} is there already, and is not written over", .0.display())]
    Exists(PathBuf),
    #[error("there is nothing to copy at {}", .0.display())]
    Nothing(PathBuf),
    #[error("cannot write {}: {source}", path.display())]
    Unwritten { path: PathBuf, source: io::Error },
    #[error("cannot read {}: {source}", path.display())]
    Unread { path: PathBuf, source: io::Error },
    #[error("{} is no backup that this Deskway can read: {why}", path.display())]
    NotOne { path: PathBuf, why: String },
    #[error(
        "{} is not empty: stop Deskway and move the directory away first; nothing was put back",
        .0.display()
    )]
    NotEmpty(PathBuf),
    #[error(
        "{} holds more than {MAX_ORDERED} files: remove those that do not belong there, or there \
         would be a backup without some of them",
        .0.display()
    )]
    TooMany(PathBuf),
    #[error(
        "other accounts may change {}, and could get at the copies of secrets: choose a place where \
         only root and you may write, in directories of which that is true as well",
        .0.display()
    )]
    Shared(PathBuf),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("{} in the backup is damaged: {report}", path.display())]
    Broken { path: PathBuf, report: String },
}

/// The first file of a backup.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    version: u32,
    /// Which Deskway wrote it.
    deskway: String,
    /// Seconds since 1970.
    at: u64,
}

/// # Errors
/// When something cannot be copied; there is no file then.
pub fn backup(args: &Backup) -> Result<(), Error> {
    let config = args.place.load()?;
    let state = &config.paths.state;
    let copied = copy(state, &args.file)?;
    audit::record(state, What::Backup, &args.file.display().to_string())?;
    out::print(&format!(
        "{} holds {}\n",
        args.file.display(),
        copied.join(", ")
    ))
}

/// # Errors
/// When the file is no backup or the state directory is in use; it stays as it is then.
pub fn restore(args: &Backup) -> Result<(), Error> {
    let config = args.place.load()?;
    let state = &config.paths.state;
    let (manifest, restored) = put_back(&args.file, state)?;
    out::print(&format!(
        "{} holds what Deskway {} kept: {}\n",
        state.display(),
        manifest.deskway,
        restored.join(", ")
    ))
}

/// Writes a backup of `state` to `file`; the names of what is in it.
fn copy(state: &Path, file: &Path) -> Result<Vec<String>, BackupError> {
    let unwritten = |source| BackupError::Unwritten {
        path: file.to_path_buf(),
        source,
    };
    if fs::symlink_metadata(file).is_ok() {
        return Err(BackupError::Exists(file.to_path_buf()));
    }
    if !state.is_dir() {
        return Err(BackupError::Nothing(state.to_path_buf()));
    }
    let file = in_safe_place(file)?;
    let file = file.as_path();
    let work = Work::beside(file).map_err(unwritten)?;
    let half = work.0.join("backup.tar");
    let archive = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&half)
        .map_err(unwritten)?;
    let mut archive = tar::Builder::new(archive);
    let manifest = Manifest {
        version: VERSION,
        deskway: env!("CARGO_PKG_VERSION").to_owned(),
        at: Clock::System.unix(),
    };
    let text = serde_json::to_vec_pretty(&manifest).map_err(|error| unwritten(error.into()))?;
    add(
        &mut archive,
        MANIFEST,
        &mut text.as_slice(),
        text.len() as u64,
    )
    .map_err(unwritten)?;
    let mut copied = Vec::new();
    let audit_file = format!("{AUDIT_FOLDER}/{AUDIT_FILE}");
    for name in [accounts::FILE, &audit_file] {
        let database = state.join(name);
        if !database.exists() {
            continue;
        }
        let snapshot = work.0.join("snapshot.db");
        snapshot_of(&database, &snapshot)?;
        let mut file = File::open(&snapshot).map_err(unwritten)?;
        let length = file.metadata().map_err(unwritten)?.len();
        add(&mut archive, name, &mut file, length).map_err(unwritten)?;
        fs::remove_file(&snapshot).map_err(unwritten)?;
        copied.push(name.to_owned());
    }
    for name in small_files(state)? {
        if let Some(bytes) = read_own(&state.join(&name)) {
            let length = bytes.len() as u64;
            add(&mut archive, &name, &mut bytes.as_slice(), length).map_err(unwritten)?;
            copied.push(name);
        }
    }
    let mut archive = archive.into_inner().map_err(unwritten)?;
    archive
        .flush()
        .and_then(|()| archive.sync_all())
        .map_err(unwritten)?;
    // Not over one that was made meanwhile.
    renameat_with(CWD, &half, CWD, file, RenameFlags::NOREPLACE).map_err(|error| match error {
        rustix::io::Errno::EXIST => BackupError::Exists(file.to_path_buf()),
        error => unwritten(error.into()),
    })?;
    Ok(copied)
}

fn add(
    archive: &mut tar::Builder<File>,
    name: &str,
    from: &mut dyn Read,
    length: u64,
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(length);
    header.set_mode(0o600);
    header.set_mtime(Clock::System.unix());
    archive.append_data(&mut header, name, from)
}

/// A consistent copy, while others write.
fn snapshot_of(from: &Path, to: &Path) -> Result<(), BackupError> {
    // SQLite writes into an empty file, and would make one that others may read.
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .map_err(|source| BackupError::Unwritten {
            path: to.to_path_buf(),
            source,
        })?;
    let failed = |error| DatabaseError::of(from, error);
    let copied = database::block_on(async {
        let options = database::options(from, sqlx::sqlite::SqliteSynchronous::Normal);
        let mut connection = options.connect().await.map_err(failed)?;
        sqlx::query("VACUUM INTO ?")
            .bind(to.to_string_lossy().into_owned())
            .execute(&mut connection)
            .await
            .map_err(failed)?;
        connection.close().await.map_err(failed)
    });
    copied.map_err(|source| BackupError::Unread {
        path: from.to_path_buf(),
        source,
    })??;
    Ok(())
}

/// The names of the files that are no databases, below the state directory.
fn small_files(state: &Path) -> Result<Vec<String>, BackupError> {
    let mut names = vec![USAGE.to_owned()];
    let folder = state.join(acme::FOLDER);
    let entries = fs::read_dir(&folder).into_iter().flatten();
    let entries: Vec<_> = entries.take(MAX_ORDERED + 1).collect();
    if entries.len() > MAX_ORDERED {
        return Err(BackupError::TooMany(folder));
    }
    let entries = entries.into_iter();
    let files = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let files = files.map(|name| format!("{}/{name}", acme::FOLDER));
    names.extend(files.filter(|name| kind(name) == Some(Kind::Small)));
    names.sort();
    Ok(names)
}

/// What is in a directory of the service user's, who must not lead root to another file.
fn read_own(path: &Path) -> Option<Vec<u8>> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .ok()?;
    let found = file.metadata().ok()?;
    let folder = fs::metadata(path.parent()?).ok()?;
    let own = found.is_file() && found.nlink() == 1 && found.uid() == folder.uid();
    let mut bytes = Vec::new();
    if own && file.take(MAX_FILE + 1).read_to_end(&mut bytes).ok()? as u64 <= MAX_FILE {
        Some(bytes)
    } else {
        None
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Database,
    Small,
}

/// What a name in a backup is; `None`: nothing that belongs there.
fn kind(name: &str) -> Option<Kind> {
    if name == accounts::FILE || name == format!("{AUDIT_FOLDER}/{AUDIT_FILE}") {
        return Some(Kind::Database);
    }
    let ordered = name.split_once('/').is_some_and(|(folder, file)| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        folder == acme::FOLDER && !file.starts_with('.') && file.chars().all(plain)
    });
    (name == USAGE || ordered).then_some(Kind::Small)
}

/// Puts what is in `file` to `state`, which is not there or empty: all of it or nothing.
fn put_back(file: &Path, state: &Path) -> Result<(Manifest, Vec<String>), BackupError> {
    let not_one = |why: &str| BackupError::NotOne {
        path: file.to_path_buf(),
        why: why.to_owned(),
    };
    let unread = |source| BackupError::Unread {
        path: file.to_path_buf(),
        source,
    };
    let unwritten = |source| BackupError::Unwritten {
        path: state.to_path_buf(),
        source,
    };
    if let Ok(mut entries) = fs::read_dir(state)
        && entries.next().is_some()
    {
        return Err(BackupError::NotEmpty(state.to_path_buf()));
    }
    let parent = state.parent().unwrap_or_else(|| Path::new("/"));
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(parent)
        .map_err(unwritten)?;
    let state = in_safe_place(state)?;
    let state = state.as_path();
    let work = Work::beside(state).map_err(unwritten)?;
    let mut archive = tar::Archive::new(File::open(file).map_err(unread)?);
    let mut entries = archive.entries().map_err(unread)?;
    let manifest = entries.next().ok_or_else(|| not_one("it is empty"))?;
    let manifest = manifest.map_err(|_| not_one("it is no tar file"))?;
    if manifest.path_bytes().as_ref() != MANIFEST.as_bytes() {
        return Err(not_one("it was not written by `deskway backup`"));
    }
    let manifest: Manifest = serde_json::from_reader(manifest.take(MAX_FILE))
        .map_err(|_| not_one("its first file is garbled"))?;
    if manifest.version > VERSION {
        let writer = format!(
            "it was written by Deskway {}, which is newer",
            manifest.deskway
        );
        return Err(not_one(&writer));
    }
    let service = service_owner();
    let mut restored = Vec::new();
    for (number, entry) in entries.enumerate() {
        if number >= MAX_FILES {
            return Err(not_one(&format!("it holds more than {MAX_FILES} files")));
        }
        let mut entry = entry.map_err(unread)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = kind(&name).filter(|_| entry.header().entry_type().is_file());
        let kind = kind.ok_or_else(|| not_one(&format!("`{name}` does not belong there")))?;
        let is_ordered = name.starts_with(acme::FOLDER);
        if is_ordered && osuser::is_root() && service.is_none() {
            // Nobody is there yet who could use it: it is ordered again.
            continue;
        }
        let to = work.0.join(&name);
        let owner = service.filter(|_| is_ordered);
        unpack(&mut entry, kind, &to, owner).map_err(unwritten)?;
        if kind == Kind::Database {
            check(&name, &to)?;
        }
        restored.push(name);
    }
    let mode = if osuser::is_root() { 0o711 } else { 0o700 };
    fs::set_permissions(&work.0, std::os::unix::fs::PermissionsExt::from_mode(mode))
        .map_err(unwritten)?;
    // Takes the place of an empty directory, and of no other.
    fs::rename(&work.0, state).map_err(|error| match error.kind() {
        io::ErrorKind::DirectoryNotEmpty => BackupError::NotEmpty(state.to_path_buf()),
        _ => unwritten(error),
    })?;
    Ok((manifest, restored))
}

fn service_owner() -> Option<(u32, u32)> {
    let account = osuser::Account::by_name(SERVICE_USER).ok().flatten();
    let account = account.filter(|_| osuser::is_root())?;
    Some((account.uid, account.gid))
}

fn unpack(
    from: &mut impl Read,
    kind: Kind,
    to: &Path,
    owner: Option<(u32, u32)>,
) -> io::Result<()> {
    let folder = to.parent().unwrap_or_else(|| Path::new("/"));
    if !folder.exists() {
        DirBuilder::new().mode(0o700).create(folder)?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)?;
    let most = match kind {
        Kind::Database => MAX_DATABASE,
        Kind::Small => MAX_FILE,
    };
    io::copy(&mut from.take(most), &mut file)?;
    file.sync_all()?;
    if let Some((uid, gid)) = owner {
        chown(folder, Some(uid), Some(gid))?;
        chown(to, Some(uid), Some(gid))?;
    }
    Ok(())
}

/// Whether a database is whole, and of no newer version.
fn check(name: &str, path: &Path) -> Result<(), BackupError> {
    match database::integrity(path)?.as_str() {
        "ok" if name == accounts::FILE => Ok(accounts::refuse_newer(path)?),
        "ok" => Ok(crate::audit::refuse_newer(path)?),
        report => Err(BackupError::Broken {
            path: path.to_path_buf(),
            report: report.to_owned(),
        }),
    }
}

/// `path` without links in its directory, which only root and this user may change, as all above
/// it: whoever may could lead what is written there to where they can read it.
fn in_safe_place(path: &Path) -> Result<PathBuf, BackupError> {
    let unread = |source| BackupError::Unread {
        path: path.to_path_buf(),
        source,
    };
    let parent = path.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = fs::canonicalize(parent.unwrap_or_else(|| Path::new("."))).map_err(unread)?;
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    for above in folder.ancestors() {
        let found = fs::metadata(above).map_err(unread)?;
        let others = if [0, group].contains(&found.gid()) {
            0o002
        } else {
            0o022
        };
        let is_sticky = found.mode() & 0o1000 != 0;
        let is_shared = found.mode() & others != 0 && !is_sticky;
        if is_shared || ![0, user].contains(&found.uid()) {
            return Err(BackupError::Shared(above.to_path_buf()));
        }
    }
    let name = path
        .file_name()
        .ok_or_else(|| io::ErrorKind::InvalidInput.into());
    Ok(folder.join(name.map_err(unread)?))
}

/// A directory for half-done things, gone when this is.
struct Work(PathBuf);

impl Work {
    /// In the directory of `path`, so that what is done can be renamed to it.
    fn beside(path: &Path) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let name = format!(".{}.{}", name.to_string_lossy(), std::process::id());
        let folder = path.with_file_name(name);
        DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // After a success it has another name.
        _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests;
