//! The X cookie: 16 random bytes without which nobody opens the display, in the file where the
//! X server and its clients look for it.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::model::Secret;
use crate::runtime::random_bytes;

/// The name of the only way in (`Xsecurity(7)`).
const PROTOCOL: &[u8] = b"MIT-MAGIC-COOKIE-1";
/// Families of an Xauthority entry (`X11/Xauth.h`): this host by name, and any host.
const FAMILY_LOCAL: u16 = 256;
const FAMILY_WILD: u16 = 65535;

/// A display's cookie.
pub(super) struct Cookie(Secret<[u8; 16]>);

impl Cookie {
    /// # Errors
    /// When the kernel gives no randomness.
    pub(super) fn make() -> io::Result<Self> {
        Ok(Self(Secret::new(random_bytes()?)))
    }

    /// The authorization protocol's name and data, as an X client sends them.
    pub(super) fn authorization(&self) -> (Vec<u8>, Vec<u8>) {
        (PROTOCOL.to_vec(), self.0.expose().to_vec())
    }

    /// Writes the Xauthority file for `display` anew, readable by its owner alone.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn write(&self, path: &Path, display: u16) -> io::Result<()> {
        remove(path)?;
        let host = rustix::system::uname().nodename().to_bytes().to_vec();
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?
            .write_all(&xauthority(&host, display, self.0.expose()))
    }
}

/// Removes `path`; it is fine when it is not there.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The file's bytes (`XauWriteAuth` of libXau): for each entry a family, then address, display
/// number, name and data, each with its length before it; all numbers are 16 bits, high byte
/// first. The first entry is for those who look for this host's name, the second for all others
/// (a host may be renamed while a desktop runs).
fn xauthority(host: &[u8], display: u16, cookie: &[u8]) -> Vec<u8> {
    let display = display.to_string();
    let mut bytes = Vec::new();
    for (family, address) in [(FAMILY_LOCAL, host), (FAMILY_WILD, &[][..])] {
        bytes.extend(family.to_be_bytes());
        for field in [address, display.as_bytes(), PROTOCOL, cookie] {
            let length = u16::try_from(field.len()).unwrap_or(u16::MAX);
            bytes.extend(length.to_be_bytes());
            bytes.extend(field.iter().take(usize::from(length)));
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_what_libxau_writes() {
        // `xauth add host/unix:7 . 00…` wrote the first half.
        let expected = b"\x01\x00\x00\x04host\x00\x017\x00\x12MIT-MAGIC-COOKIE-1\x00\x02\xab\xcd\
            \xff\xff\x00\x00\x00\x017\x00\x12MIT-MAGIC-COOKIE-1\x00\x02\xab\xcd";
        assert_eq!(xauthority(b"host", 7, b"\xab\xcd"), expected);
    }
}
