//! The audit log: who did what, from where, when, and how it went.
//!
//! The launcher keeps a [`Journal`], which never waits for a disk: a child of its own, the
//! recorder, writes the entries into a database and says which of them are safe. The command line
//! writes its own entries with [`append`] and reads all of them with [`read`].

mod confine;
mod entry;
mod flood;
mod journal;
mod recorder;
mod shares;
mod store;
mod syslog;

use std::path::{Path, PathBuf};

pub use entry::{Entry, Outcome, What};
pub use flood::Flood;
pub use journal::{Journal, Number};
pub use store::{Found, Reader, Wanted, append, read, refuse_newer};

/// Below the state directory: the database, and nothing else.
pub const FOLDER: &str = "audit";
/// The database in it.
pub const FILE: &str = "audit.db";

/// Where the database is.
pub fn file(state: &Path) -> PathBuf {
    state.join(FOLDER).join(FILE)
}

/// Why the audit log cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error("the audit log at {} cannot be opened: {source}", path.display())]
    Unopened {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the audit log: {0}")]
    Database(#[from] crate::store::database::DatabaseError),
    #[error("the audit log cannot be worked on: {0}")]
    Runtime(std::io::Error),
}
