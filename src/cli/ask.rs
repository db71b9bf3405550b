//! Asks for a password: at the terminal without showing it, or from standard input.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write as _};

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use zeroize::Zeroizing;

use super::Error;
use crate::model::Secret;
use crate::store::accounts::MAX_PASSWORD;

/// A password that nobody has typed twice: the first line of standard input.
pub(super) fn from_stdin() -> Result<Secret<String>, Error> {
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_PASSWORD + 2));
    let mut stdin = io::stdin().lock();
    for _ in 0..MAX_PASSWORD + 2 {
        match next_byte(&mut stdin)? {
            None | Some(b'\n') => break,
            Some(byte) => line.push(byte),
        }
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    text(&line)
}

/// Asks twice at the terminal of this process.
pub(super) fn at_terminal() -> Result<Secret<String>, Error> {
    let mut terminal = Terminal::open().map_err(Error::NoTerminal)?;
    let first = terminal.ask("Password: ")?;
    let again = terminal.ask("The same again: ")?;
    if first.expose() == again.expose() {
        Ok(first)
    } else {
        Err(Error::PasswordsDiffer)
    }
}

/// The terminal, which shows nothing that is typed until this is dropped.
struct Terminal {
    file: File,
    before: Termios,
}

impl Terminal {
    fn open() -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        let before = tcgetattr(&file)?;
        let mut silent = before.clone();
        // Ctrl-C comes as a key too, so that the terminal is put back before this process ends.
        silent.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        silent.special_codes[SpecialCodeIndex::VMIN] = 1;
        silent.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&file, OptionalActions::Flush, &silent)?;
        Ok(Self { file, before })
    }

    fn ask(&mut self, question: &str) -> Result<Secret<String>, Error> {
        self.file
            .write_all(question.as_bytes())
            .map_err(Error::NoTerminal)?;
        let typed = read_keys(&mut self.file);
        self.file.write_all(b"\n").map_err(Error::NoTerminal)?;
        typed
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A terminal that has gone needs no putting back.
        _ = tcsetattr(&self.file, OptionalActions::Drain, &self.before);
    }
}

/// One line of keys, with those that correct it.
fn read_keys(keys: &mut impl Read) -> Result<Secret<String>, Error> {
    const CTRL_C: u8 = 0x03;
    const CTRL_D: u8 = 0x04;
    const CTRL_U: u8 = 0x15;
    const BACKSPACE: [u8; 2] = [0x08, 0x7f];
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_PASSWORD + 1));
    loop {
        match next_byte(keys)? {
            Some(b'\r' | b'\n') => return text(&line),
            None | Some(CTRL_C | CTRL_D) => return Err(Error::NoPassword),
            Some(CTRL_U) => line.clear(),
            Some(key) if BACKSPACE.contains(&key) => {
                // The whole character, which may be several bytes of UTF-8.
                while line
                    .pop()
                    .is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000)
                {}
            }
            Some(key) if line.len() <= MAX_PASSWORD => line.push(key),
            Some(_) => {}
        }
    }
}

fn next_byte(from: &mut impl Read) -> Result<Option<u8>, Error> {
    let mut byte = Zeroizing::new([0]);
    loop {
        return match from.read(byte.as_mut()) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(byte[0])),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(Error::NoTerminal(error)),
        };
    }
}

fn text(line: &[u8]) -> Result<Secret<String>, Error> {
    if line.is_empty() {
        return Err(Error::NoPassword);
    }
    let text = std::str::from_utf8(line).map_err(|_| Error::PasswordNotText)?;
    Ok(Secret::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &str) -> Option<String> {
        let read = read_keys(&mut keys.as_bytes()).ok()?;
        Some(read.expose().clone())
    }

    #[test]
    fn keys_that_correct_the_line_do() {
        assert_eq!(typed("secret\r").unwrap(), "secret");
        assert_eq!(typed("sä\u{7f}ecret\n").unwrap(), "secret");
        assert_eq!(typed("wrong\u{15}secret\r").unwrap(), "secret");
        assert_eq!(typed("\u{8}\u{8}x\r").unwrap(), "x");
    }

    #[test]
    fn nothing_and_ctrl_c_are_no_password() {
        for keys in ["", "\r", "secret", "secret\u{3}\r", "secret\u{4}"] {
            assert_eq!(typed(keys), None, "{keys:?}");
        }
    }

    #[test]
    fn a_line_without_end_is_not_kept() {
        let long = typed(&("x".repeat(10_000) + "\r")).unwrap();
        assert_eq!(long.len(), MAX_PASSWORD + 1);
    }
}
