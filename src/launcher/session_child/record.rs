//! What is written down about a running desktop, so that a launcher that starts later finds it.

use std::io;

use deskway_osuser::ProcessId;
use serde::{Deserialize, Serialize};

use crate::launcher::place::{Place, RunId, write_whole};
use crate::model::{DesktopId, ProfileId};

/// Most bytes of a record.
const MAX_FILE: u64 = 8 * 1024;

/// One desktop in `RUN/d/<id>.json`, written and removed by its session child.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) desktop: DesktopId,
    pub(crate) profile: ProfileId,
    pub(crate) os_name: String,
    pub(crate) uid: u32,
    pub(crate) display: u16,
    /// Seconds since 1970.
    pub(crate) since: u64,
    /// The session child; set when it writes the record.
    pub(crate) pid: i32,
    pub(crate) start: u64,
    /// Bytes, of which less may not be free where the home is before its owner is told.
    #[serde(default)]
    pub(crate) disk_warning: Option<u64>,
    /// Which [`LEVEL`](crate::agent::protocol::LEVEL) of commands its agent knows.
    #[serde(default)]
    pub(crate) speaks: u32,
    /// Seconds that the owner's desktops may run in a day.
    #[serde(default)]
    pub(crate) hours: Option<u64>,
    /// When it could first be used, and since when it stands still: written by the launcher, as is
    /// what follows.
    #[serde(default)]
    pub(crate) ready: Option<u64>,
    #[serde(default)]
    pub(crate) frozen: Option<u64>,
    /// Programs that the kernel had ended, of which the owner has been told.
    #[serde(default)]
    pub(crate) killed: Option<u64>,
}

impl Record {
    pub(crate) fn process(&self) -> ProcessId {
        ProcessId {
            pid: self.pid,
            start: self.start,
        }
    }

    /// Writes the record of a desktop whose session child is this process.
    ///
    /// # Errors
    /// When the directory is full or not writable.
    pub(super) fn write(&self, place: &Place, id: &RunId) -> io::Result<()> {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        let record = Self {
            pid,
            start: deskway_osuser::start_time(pid)?,
            ..self.clone()
        };
        write_whole(&place.record(id), &serde_json::to_vec(&record)?)
    }

    /// Writes it anew, with what has happened since.
    ///
    /// # Errors
    /// As [`Record::write`].
    pub(crate) fn rewrite(&self, place: &Place, id: &RunId) -> io::Result<()> {
        write_whole(&place.record(id), &serde_json::to_vec(self)?)
    }

    /// # Errors
    /// When it cannot be read or is none.
    pub(crate) fn read(place: &Place, id: &RunId) -> io::Result<Self> {
        let path = place.record(id);
        if std::fs::symlink_metadata(&path)?.len() > MAX_FILE {
            return Err(io::Error::other("it is too long to be a record"));
        }
        Ok(serde_json::from_slice(&std::fs::read(path)?)?)
    }
}

/// Removes the run directory, the private `/tmp` and, last, the record of a desktop that is over.
/// No link in them is followed. What is gone already is fine.
///
/// # Errors
/// When something cannot be removed; all else is.
pub(crate) fn remove_files(place: &Place, id: &RunId) -> io::Result<()> {
    let results = [
        std::fs::remove_dir_all(place.run_dir(id)),
        std::fs::remove_dir_all(place.private_tmp(id)),
        std::fs::remove_file(place.record(id)),
    ];
    results
        .into_iter()
        .filter(|result| !matches!(result, Err(error) if error.kind() == io::ErrorKind::NotFound))
        .collect()
}
