//! Entries as lines to this machine's syslog.

use std::path::PathBuf;

use tracing::Level;

use super::entry::{Entry, Outcome};
use crate::runtime::{Facility, Syslog, SyslogFormat, SyslogServer};

/// Where a machine's syslog listens.
const SOCKET: &str = "/dev/log";
const APP_NAME: &str = "deskway-audit";

/// What is lost because nobody listens is in the database.
#[derive(Debug)]
pub(super) struct ToSyslog(Syslog);

impl ToSyslog {
    /// `None`: there can be none, which is logged.
    pub(super) fn open() -> Option<Self> {
        let server = SyslogServer::Unix(PathBuf::from(SOCKET));
        Syslog::new(&server, APP_NAME, Facility::AuthPriv, SyslogFormat::Bsd)
            .inspect_err(|error| tracing::error!(%error, "no audit entries go to syslog"))
            .ok()
            .map(Self)
    }

    pub(super) fn send(&self, entry: &Entry) {
        let level = match entry.outcome {
            Outcome::Ok => Level::INFO,
            Outcome::Refused => Level::WARN,
            Outcome::Failed => Level::ERROR,
        };
        self.0.send(level, &entry.line());
    }
}
