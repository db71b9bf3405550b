//! What is kept: below `STATE/acme`, which is the service user's.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, chown};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::record::Record;
use crate::config::{Acme, TlsFiles};

/// Below the state directory.
pub const FOLDER: &str = "acme";
const RECORD: &str = "state.json";
pub(super) const ACCOUNT: &str = "account.json";
/// Most bytes of the files with JSON.
const MAX_JSON: u64 = 64 * 1024;
/// Most bytes of a file with authorities: a whole machine's have two hundred thousand.
const MAX_AUTHORITIES: u64 = 1024 * 1024;

/// The certificate that was ordered last.
pub fn files(state: &Path) -> TlsFiles {
    let folder = state.join(FOLDER);
    TlsFiles {
        cert: folder.join("certificate.pem"),
        key: folder.join("key.pem"),
    }
}

/// Makes the folder, for `owner` (uid and gid) where it is somebody else.
///
/// # Errors
/// When it cannot be made.
pub fn prepare(state: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    let folder = state.join(FOLDER);
    if !folder.exists() {
        DirBuilder::new().mode(0o700).create(&folder)?;
    }
    if let Some((uid, gid)) = owner {
        chown(&folder, Some(uid), Some(gid))?;
    }
    Ok(())
}

/// What is remembered of earlier orders; nothing when there is none that can be read.
pub fn load(state: &Path) -> Record {
    let text = read(&state.join(FOLDER).join(RECORD)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// The text of `ca_file`, which the service user need not be able to read.
///
/// # Errors
/// In words, when it cannot be read.
pub fn authorities(acme: &Acme) -> Result<Option<Vec<u8>>, String> {
    let read = |path: &PathBuf| {
        let mut text = Vec::new();
        let file = File::options()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path);
        file.and_then(|file| file.take(MAX_AUTHORITIES).read_to_end(&mut text))
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(text)
    };
    acme.ca_file.as_ref().map(read).transpose()
}

pub(super) fn save(folder: &Path, record: &Record) -> io::Result<()> {
    write(folder, RECORD, &serde_json::to_vec_pretty(record)?)
}

/// The key goes first: with the old certificate it is no pair, which nobody takes up.
pub(super) fn save_pair(folder: &Path, chain: &str, key: &str) -> io::Result<()> {
    write(folder, "key.pem", key.as_bytes())?;
    write(folder, "certificate.pem", chain.as_bytes())
}

/// Reads a file of a directory that may be another user's, who must not lead us elsewhere.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    let mut text = Vec::new();
    file.take(MAX_JSON).read_to_end(&mut text)?;
    Ok(text)
}

/// Writes a file that only we can read, whole or not at all.
pub(super) fn write(folder: &Path, name: &str, text: &[u8]) -> io::Result<()> {
    let half = folder.join(format!("{name}.new"));
    match fs::remove_file(&half) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut out = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&half)?;
    out.write_all(text)?;
    out.sync_all()?;
    fs::rename(&half, folder.join(name))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_kept_is_private_and_comes_back() {
        let state = tempfile::tempdir().unwrap();
        prepare(state.path(), None).unwrap();
        prepare(state.path(), None).unwrap();
        assert_eq!(load(state.path()), Record::default());
        let record = Record {
            failures: 3,
            ..Record::default()
        };
        let folder = state.path().join(FOLDER);
        save(&folder, &record).unwrap();
        save_pair(&folder, "chain", "key").unwrap();
        assert_eq!(load(state.path()), record);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        let files = files(state.path());
        for file in [files.cert, files.key, folder.join(RECORD)] {
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
    }
}
