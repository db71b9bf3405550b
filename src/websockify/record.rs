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
