//! The desktop's log: what its X server and session print, in a file that cannot grow without
//! end, and the last of it in a form that a page can show.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::fs::OFlags;
use rustix::pipe::{PipeFlags, pipe_with};

use super::protocol::MAX_LOG_TAIL;

/// When the file has this many bytes it becomes `log.old`, in place of the one before: both
/// together stay below 1 MiB.
const MAX_FILE: u64 = 500 * 1024;
/// Most bytes taken from the pipe in one turn of the loop, so that a program that prints without
/// end does not keep the agent from its other work.
const MAX_TURN: usize = 64 * 1024;
/// Bytes looked at for the tail: escape sequences are taken out of them.
const TAIL_SOURCE: u64 = 4 * MAX_LOG_TAIL as u64;

/// The log file and the pipe that leads to it.
pub(super) struct Log {
    path: PathBuf,
    file: File,
    written: u64,
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Log {
    /// Begins the file `path` anew, for its owner alone.
    ///
    /// # Errors
    /// When the file or the pipe cannot be made.
    pub(super) fn begin(path: PathBuf) -> io::Result<Self> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        rustix::fs::fcntl_setfl(&reader, OFlags::NONBLOCK)?;
        Ok(Self {
            file: new_file(&path)?,
            path,
            written: 0,
            reader,
            writer,
        })
    }

    /// A program's way into the log.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub(super) fn writer(&self) -> io::Result<Stdio> {
        Ok(self.writer.try_clone()?.into())
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }

    /// Writes down what has been printed, at most [`MAX_TURN`] bytes of it.
    pub(super) fn take(&mut self) {
        let mut bytes = [0; 8 * 1024];
        let mut taken = 0;
        while taken < MAX_TURN {
            match rustix::io::read(&self.reader, &mut bytes) {
                Ok(count @ 1..) => {
                    taken += count;
                    self.write(bytes.get(..count).unwrap_or_default());
                }
                _ => return,
            }
        }
    }

    /// Adds a line of the agent's own.
    pub(super) fn note(&mut self, line: &str) {
        self.write(format!("deskway: {line}\n").as_bytes());
    }

    /// The end of the log as a page can show it, at most [`MAX_LOG_TAIL`] bytes.
    pub(super) fn tail(&mut self) -> String {
        self.take();
        let mut bytes = Vec::new();
        if self.written < TAIL_SOURCE {
            bytes = end_of(&old(&self.path), TAIL_SOURCE - self.written).unwrap_or_default();
        }
        bytes.extend(end_of(&self.path, TAIL_SOURCE).unwrap_or_default());
        printable(&bytes, MAX_LOG_TAIL)
    }

    /// A full disk costs lines of the log and nothing else: there is nobody to tell.
    fn write(&mut self, bytes: &[u8]) {
        if self.written >= MAX_FILE
            && fs::rename(&self.path, old(&self.path)).is_ok()
            && let Ok(file) = new_file(&self.path)
        {
            self.file = file;
            self.written = 0;
        }
        if self.written < MAX_FILE && self.file.write_all(bytes).is_ok() {
            self.written += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        }
    }
}

fn new_file(path: &Path) -> io::Result<File> {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    fs::OpenOptions::new()
        .append(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn old(path: &Path) -> PathBuf {
    path.with_extension("old")
}

fn end_of(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The last whole lines of `bytes` that fit into `most` bytes, without escape sequences (ECMA-48
/// sections 5.4 and 8.3), control characters and marks that change the direction of writing.
fn printable(bytes: &[u8], most: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut clean = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => skip_escape(&mut rest),
            '\n' | '\t' => clean.push(c),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c if c.is_control() => {}
            c => clean.push(c),
        }
    }
    let mut start = clean.len().saturating_sub(most);
    while !clean.is_char_boundary(start) {
        start += 1;
    }
    let tail = clean.get(start..).unwrap_or_default();
    if start > 0
        && let Some((_cut, whole)) = tail.split_once('\n')
        && !whole.is_empty()
    {
        return whole.to_owned();
    }
    tail.to_owned()
}

/// Takes the rest of an escape sequence: `ESC [ … letter`, `ESC ] … BEL`, `ESC ] … ESC \`, or
/// one character.
fn skip_escape(rest: &mut std::str::Chars<'_>) {
    match rest.next() {
        Some('[') => {
            let _end = rest.find(|c| ('@'..='~').contains(c));
        }
        Some(']') => {
            let end = rest.find(|c| matches!(c, '\u{7}' | '\u{1b}' | '\n'));
            let _backslash = end
                .filter(|&c| c == '\u{1b}')
                .and_then(|_escape| rest.next());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_and_control_characters_are_taken_out() {
        let raw = b"\x1b[31mred\x1b[0m \x1b]0;title\x07a\x1b]8;;x\x1b\\b\x00\x08\r\n\ttab \xff \xe2\x80\xaeend";
        assert_eq!(printable(raw, 100), "red ab\n\ttab \u{fffd} end");
    }

    #[test]
    fn the_tail_keeps_whole_lines_and_whole_characters() {
        assert_eq!(printable(b"first\nsecond\nthird\n", 12), "third\n");
        assert_eq!(printable("öööö".as_bytes(), 3), "ö");
        let long = "\u{fffd}".repeat(MAX_LOG_TAIL);
        assert!(printable(long.as_bytes(), MAX_LOG_TAIL).len() <= MAX_LOG_TAIL);
    }

    #[test]
    fn a_program_that_prints_without_end_fills_no_disk() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::begin(dir.path().join("log")).unwrap();
        let line = vec![b'x'; 8 * 1024];
        for _ in 0..400 {
            rustix::io::write(&log.writer, &line).unwrap();
            log.take();
        }
        log.note("the last line");
        let sizes: u64 = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .sum();
        assert!(sizes < 1024 * 1024, "{sizes} bytes");
        assert!(log.tail().ends_with("deskway: the last line\n"));
    }
}
