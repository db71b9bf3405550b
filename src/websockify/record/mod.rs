//! Recordings that noVNC's playback page plays.
//!
//! A recording is a JavaScript array of strings, one for each piece of data: `{` or `}` (from the
//! desktop, from the browser), milliseconds since the start, the same sign again, and the bytes,
//! with what a string literal cannot hold escaped.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use tracing::warn;

use crate::bridge::{Event, Tap};

/// Bytes that wait until they are written.
const BUFFER: usize = 64 * 1024;

/// One session's recording. It ends well-formed when it is dropped; when it cannot be written it
/// ends there, the log says so, and the session goes on.
#[derive(Debug)]
pub(super) struct Record {
    path: PathBuf,
    start: Instant,
    /// `None` from when it could not be written.
    out: Option<BufWriter<File>>,
}

impl Record {
    /// Where the recording of a session goes when `base` was asked for.
    pub(super) fn numbered(base: &Path, session: u64) -> PathBuf {
        let mut path = base.as_os_str().to_owned();
        path.push(format!(".{session}"));
        path.into()
    }

    /// Starts a recording, in place of what `path` holds. It has what people type, passwords too,
    /// so that nobody else may read it.
    ///
    /// # Errors
    /// When the file cannot be written, or is a link, another user's, or no ordinary file.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .mode(0o600)
            // A pipe of somebody's would hold this thread up.
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(path)?;
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::Error::other("not an ordinary file"));
        }
        if found.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::Error::other("the file belongs to another user"));
        }
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.set_len(0)?;
        let mut out = BufWriter::with_capacity(BUFFER, file);
        out.write_all(b"var VNC_frame_data = [\n")?;
        Ok(Self {
            path: path.to_owned(),
            start: Instant::now(),
            out: Some(out),
        })
    }

    fn write(&mut self, sign: char, bytes: &[u8]) {
        let since = self.start.elapsed().as_millis();
        if let Some(out) = &mut self.out
            && let Err(error) = line(out, sign, since, bytes)
        {
            self.give_up(&error);
        }
    }

    fn give_up(&mut self, error: &io::Error) {
        warn!(path = %self.path.display(), %error, "the recording ends here");
        if let Some(out) = self.out.take() {
            // Else dropping it would try to write the rest.
            let (_file, _rest) = out.into_parts();
        }
    }
}

impl Tap for Record {
    fn saw(&mut self, event: Event<'_>) {
        match event {
            Event::FromBrowser(bytes) => self.write('}', bytes),
            Event::FromDesktop(bytes) => self.write('{', bytes),
            Event::ToDesktop { .. } | Event::ToBrowser { .. } => {}
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if let Some(out) = &mut self.out {
            let ended = out.write_all(b"'EOF'];\n").and_then(|()| out.flush());
            if let Err(error) = ended {
                self.give_up(&error);
            }
        }
    }
}

fn line(out: &mut impl Write, sign: char, milliseconds: u128, bytes: &[u8]) -> io::Result<()> {
    write!(out, "'{sign}{milliseconds}{sign}")?;
    for &byte in bytes {
        match byte {
            b'\t' => out.write_all(b"\\t")?,
            b'\n' => out.write_all(b"\\n")?,
            b'\r' => out.write_all(b"\\r")?,
            b'\\' => out.write_all(b"\\\\")?,
            b'\'' => out.write_all(b"\\'")?,
            b' '..=b'~' => out.write_all(&[byte])?,
            _ => write!(out, "\\x{byte:02x}")?,
        }
    }
    out.write_all(b"',\n")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    /// What websockify 0.13 with Python 3.11 records of every byte once each way, at 0 ms.
    const EVERY_BYTE: &str = include_str!("every_byte.js");

    fn record_every_byte(path: &Path) {
        let every: Vec<u8> = (0..=255).collect();
        let mut record = Record::create(path).unwrap();
        record.saw(Event::FromDesktop(&every));
        record.saw(Event::ToBrowser { whole: true });
        record.saw(Event::FromBrowser(&every));
        record.saw(Event::ToDesktop { whole: true });
    }

    /// With 0 for the milliseconds, which stand between the first two signs of a line.
    fn at_zero(recording: &str) -> String {
        let line = |line: &str| {
            let Some((sign, rest)) = line
                .strip_prefix('\'')
                .and_then(|it| it.split_at_checked(1))
            else {
                return line.to_owned();
            };
            match rest.split_once(sign) {
                Some((_, bytes)) if "{}".contains(sign) => format!("'{sign}0{sign}{bytes}"),
                _ => line.to_owned(),
            }
        };
        recording
            .split('\n')
            .map(line)
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn a_recording_is_websockifys_byte_for_byte() {
        let place = TempDir::new().unwrap();
        let path = Record::numbered(&place.path().join("session"), 12);
        assert!(path.ends_with("session.12"));
        record_every_byte(&path);
        assert_eq!(at_zero(&fs::read_to_string(path).unwrap()), EVERY_BYTE);
    }

    #[test]
    fn nobody_else_may_read_it_and_what_was_there_is_gone() {
        let place = TempDir::new().unwrap();
        let path = place.path().join("session.1");
        fs::write(&path, "x".repeat(100_000)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        record_every_byte(&path);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(at_zero(&fs::read_to_string(path).unwrap()), EVERY_BYTE);
    }

    #[test]
    fn nothing_is_recorded_through_a_link_or_into_a_pipe() {
        let place = TempDir::new().unwrap();
        let (link, pipe) = (place.path().join("link"), place.path().join("pipe"));
        fs::write(place.path().join("precious"), "kept").unwrap();
        std::os::unix::fs::symlink("precious", &link).unwrap();
        let mode = rustix::fs::Mode::RWXU;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert!(Record::create(&link).is_err());
        assert!(Record::create(&pipe).is_err());
        assert_eq!(fs::read(link).unwrap(), b"kept");
    }

    #[test]
    fn a_full_disk_ends_the_recording_alone() {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut record = Record {
            path: "/dev/full".into(),
            start: Instant::now(),
            out: Some(BufWriter::with_capacity(BUFFER, full)),
        };
        let bytes = vec![0; BUFFER];
        record.saw(Event::FromDesktop(&bytes));
        assert!(record.out.is_none());
        record.saw(Event::FromDesktop(&bytes));
    }
}
