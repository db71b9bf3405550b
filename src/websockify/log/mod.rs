//! The log: standard error, a file, syslog.
//!
//! One event is one line in each of them, whatever was in it. A place that takes nothing loses
//! lines; it holds nobody up. Only standard error and the file are written to as they are, so
//! that a terminal that was stopped stops those that log.

mod line;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::runtime::{Facility, Syslog, SyslogError, SyslogFormat, SyslogServer};

/// What the log is named after; everything else is heard from when it warns.
const OWN_TARGETS: [&str; 2] = ["deskway", "websockify"];

/// What the lines to syslog are said to come from.
const APP_NAME: &str = "websockify";

/// Where the log goes, besides standard error.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogSettings {
    /// Tell more.
    pub(crate) verbose: bool,
    /// Lines are appended.
    pub(crate) file: Option<PathBuf>,
    pub(crate) syslog: Option<SyslogServer>,
    /// The BSD format instead of RFC 5424.
    pub(crate) legacy_syslog: bool,
    /// Whether this program goes into the background: what it tells syslog of itself.
    pub(crate) daemon: bool,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum LogError {
    #[error("the log file {} cannot be opened: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error(transparent)]
    Syslog(#[from] SyslogError),
    #[error("there is a log already")]
    Started,
}

/// Starts the log of this process.
///
/// # Errors
/// When the file cannot be opened or the name of the syslog server means nothing. A server that
/// is away is no error; the first line of the log says so.
pub(crate) fn start(settings: &LogSettings) -> Result<(), LogError> {
    let level = if settings.verbose {
        LevelFilter::DEBUG
    } else {
        LevelFilter::INFO
    };
    let levels = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_targets(OWN_TARGETS.map(|target| (target, level)));
    let lines = Lines::open(settings)?;
    let absence = lines.syslog.as_ref().and_then(Syslog::absence);
    let absence = absence.map(|(path, error)| (path.to_owned(), error));
    tracing_subscriber::registry()
        .with(lines.with_filter(levels))
        .try_init()
        .map_err(|_| LogError::Started)?;
    if let Some((path, error)) = absence {
        let path = path.display();
        warn!(
            "the syslog server {path} cannot be reached: {error}; it gets what is logged once it can"
        );
    }
    Ok(())
}

/// Writes each event to all places.
#[derive(Debug)]
struct Lines {
    /// `None` in tests.
    errors: Option<io::Stderr>,
    file: Option<File>,
    syslog: Option<Syslog>,
}

impl Lines {
    fn open(settings: &LogSettings) -> Result<Self, LogError> {
        let open = |path: &PathBuf| {
            let file = OpenOptions::new().append(true).create(true).open(path);
            file.map_err(|error| LogError::File {
                path: path.clone(),
                error,
            })
        };
        let connect = |server: &SyslogServer| {
            let facility = if settings.daemon {
                Facility::Daemon
            } else {
                Facility::User
            };
            let format = if settings.legacy_syslog {
                SyslogFormat::Bsd
            } else {
                SyslogFormat::Rfc5424
            };
            Syslog::new(server, APP_NAME, facility, format)
        };
        Ok(Self {
            errors: Some(io::stderr()),
            file: settings.file.as_ref().map(open).transpose()?,
            syslog: settings.syslog.as_ref().map(connect).transpose()?,
        })
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = line::of(event);
        if let Some(syslog) = &self.syslog {
            syslog.send(*event.metadata().level(), &line);
        }
        line.push('\n');
        // There is nobody left to tell when one of them fails, such as for want of disk space.
        if let Some(mut errors) = self.errors.as_ref() {
            _ = errors.write_all(line.as_bytes());
        }
        if let Some(mut file) = self.file.as_ref() {
            _ = file.write_all(line.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;
    use tracing::{info, subscriber};
    use tracing_subscriber::registry;

    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        let place = TempDir::new().unwrap();
        let file = place.path().join("log");
        fs::write(&file, "before\n").unwrap();
        let settings = LogSettings {
            file: Some(file.clone()),
            ..LogSettings::default()
        };
        let mut lines = Lines::open(&settings).unwrap();
        lines.errors = None;
        subscriber::with_default(registry().with(lines), || {
            info!("proxying from :6080 to localhost:5900");
            let path = "/\r\nforged \u{1b}[2J\u{7f}\u{85}\u{2028}\u{202e}";
            warn!(path, error = %"gone\n", "a file cannot be served");
            info!("{}", "\u{e4}".repeat(10_000));
        });
        let log = fs::read_to_string(file).unwrap();
        let lines: Vec<&str> = log.lines().collect();
        assert_eq!(
            lines[..3],
            [
                "before",
                "proxying from :6080 to localhost:5900",
                "a file cannot be served path=/\\r\\nforged \\u{1b}[2J\\u{7f}\\u{85}\\u{2028}\\u{202e} \
                 error=gone\\n",
            ]
        );
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[3].len(), 8192);
    }

    #[test]
    fn a_log_file_that_cannot_be_opened_is_named() {
        let settings = LogSettings {
            file: Some("/nothing/here".into()),
            ..LogSettings::default()
        };
        let error = Lines::open(&settings).unwrap_err();
        assert!(error.to_string().contains("/nothing/here"), "{error}");
    }
}
