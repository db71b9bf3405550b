//! Where the launcher's files are, and the directories that must be there before it begins.

use std::fmt;
use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::config::Paths;
use crate::model::UserName;
use crate::runtime::random_bytes;

/// The launcher's files, below RUN and STATE of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    run: PathBuf,
    state: PathBuf,
}

/// Who is signed in, below RUN.
pub(crate) fn logins(run: &Path) -> PathBuf {
    run.join("logins")
}

impl Place {
    pub(crate) fn new(paths: &Paths) -> Self {
        Self {
            run: paths.run.clone(),
            state: paths.state.clone(),
        }
    }

    /// Where the front listens for the launcher.
    pub(crate) fn front_socket(&self) -> PathBuf {
        self.run.join("front.sock")
    }

    /// Where a front listens that is being replaced and finishes what it has begun.
    pub(crate) fn leaving_front_socket(&self) -> PathBuf {
        self.run.join("front-leaving.sock")
    }

    /// Where the launcher listens for this machine's users.
    pub(crate) fn launcher_socket(&self) -> PathBuf {
        self.run.join("launcher.sock")
    }

    /// Held locked for as long as a launcher runs.
    pub(crate) fn lock(&self) -> PathBuf {
        self.run.join("launcher.lock")
    }

    pub(crate) fn logins(&self) -> PathBuf {
        logins(&self.run)
    }

    pub(crate) fn records(&self) -> PathBuf {
        self.run.join("d")
    }

    pub(crate) fn record(&self, id: &RunId) -> PathBuf {
        self.records().join(format!("{id}.json"))
    }

    pub(crate) fn run_dirs(&self) -> PathBuf {
        self.run.join("s")
    }

    pub(crate) fn run_dir(&self, id: &RunId) -> PathBuf {
        self.run_dirs().join(id.to_string())
    }

    /// PAM services that the launcher writes itself.
    pub(crate) fn pam_dir(&self) -> PathBuf {
        self.run.join("pam.d")
    }

    /// SHA-256 of the token of the set-up link, while there is one.
    pub(crate) fn set_up(&self) -> PathBuf {
        self.run.join("set-up")
    }

    pub(crate) fn run(&self) -> &Path {
        &self.run
    }

    pub(crate) fn state(&self) -> &Path {
        &self.state
    }

    /// How long people's desktops have run today.
    pub(crate) fn hours(&self) -> PathBuf {
        self.state.join("usage.json")
    }

    /// What the configuration was when a launcher last read it, as fingerprints.
    pub(crate) fn policy(&self) -> PathBuf {
        self.state.join("policy.json")
    }

    pub(crate) fn private_tmps(&self) -> PathBuf {
        self.state.join("tmp")
    }

    /// What a desktop sees as `/tmp`.
    pub(crate) fn private_tmp(&self, id: &RunId) -> PathBuf {
        self.private_tmps().join(id.to_string())
    }

    /// A person's home where all desktops run as one account.
    pub(crate) fn home(&self, name: &UserName) -> PathBuf {
        self.state.join("homes").join(name.as_str())
    }

    /// Makes all directories, each with the mode that it needs.
    ///
    /// # Errors
    /// When one cannot be made or belongs to somebody else.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        for (directory, mode) in [
            (self.run.clone(), 0o711),
            (self.state.clone(), 0o711),
            (self.logins(), 0o700),
            (self.records(), 0o700),
            (self.run_dirs(), 0o711),
            (self.pam_dir(), 0o700),
            (self.private_tmps(), 0o700),
        ] {
            own_directory(&directory, mode).map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", directory.display()))
            })?;
        }
        Ok(())
    }
}

/// A directory of this account with this mode; those above it are made when they are missing.
///
/// # Errors
/// When it cannot be made, or something else of that name is there.
pub(crate) fn own_directory(directory: &Path, mode: u32) -> io::Result<()> {
    if let Some(parent) = directory.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(parent)?;
    }
    match DirBuilder::new().mode(mode).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let found = std::fs::symlink_metadata(directory)?;
    if !found.is_dir() || found.uid() != deskway_osuser::own_uid() {
        return Err(io::Error::other(
            "it is no directory of this account; remove it",
        ));
    }
    std::fs::set_permissions(directory, Permissions::from_mode(mode))
}

/// Writes a file that only this account can read, so that others see all of it or nothing.
///
/// # Errors
/// When the directory is full or not writable.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;

    let unfinished = path.with_extension("new");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(content)?;
    std::fs::rename(&unfinished, path)
}

/// Names one run of a desktop: 16 hex digits, never used again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct RunId(String);

impl RunId {
    /// # Errors
    /// When the kernel gives no randomness.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(hex(&random_bytes::<8>()?)))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RunId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == 16 && text.bytes().all(hex) {
            Ok(Self(text.to_owned()))
        } else {
            Err("no id of a desktop's run: 16 hex digits")
        }
    }
}

impl TryFrom<String> for RunId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.0
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    bytes
        .iter()
        .flat_map(|byte| {
            [
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ]
        })
        .collect()
}
