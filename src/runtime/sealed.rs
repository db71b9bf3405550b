//! Bytes that travel to another process as a descriptor: a memory file that nobody can change any
//! more (memfd_create(2), file seals in fcntl(2)).

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};

/// What keeps the file from changing in length or content, and from losing these very seals.
fn unchangeable() -> SealFlags {
    SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE
}

/// A memory file with those bytes. `name` shows in `/proc/PID/fd`.
///
/// # Errors
/// When there is no memory or no descriptor left.
pub fn seal(name: &str, bytes: &[u8]) -> io::Result<OwnedFd> {
    let file = sealable(name)?;
    fill(file.try_clone()?, bytes)?;
    Ok(file)
}

/// An empty memory file that somebody else is to [`fill`].
///
/// # Errors
/// When there is no memory or no descriptor left.
pub fn sealable(name: &str) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    Ok(memfd_create(name, flags)?)
}

/// Writes those bytes to an empty memory file and seals it.
///
/// # Errors
/// When there is no memory left, or it is sealed already.
pub fn fill(file: OwnedFd, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::from(file);
    file.write_all(bytes)?;
    Ok(fcntl_add_seals(&file, unchangeable())?)
}

/// The bytes of a sealed file, at most `max` of them.
///
/// # Errors
/// When it is not sealed, or longer.
pub fn unseal(file: OwnedFd, max: usize) -> io::Result<Vec<u8>> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what);
    let seals = fcntl_get_seals(&file).map_err(|_| invalid("it is no memory file"))?;
    if !seals.contains(unchangeable()) {
        return Err(invalid("it is not sealed"));
    }
    let file = File::from(file);
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    if length > max {
        return Err(invalid("it is longer than it may be"));
    }
    let mut bytes = vec![0; length];
    // Whoever else has the descriptor shares its place in the file, and may read at the same time.
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_comes_back_and_cannot_be_changed() {
        let sealed = seal("bytes", b"templates").unwrap();
        let mut other = File::from(sealed.try_clone().unwrap());
        assert!(other.write_all(b"more").is_err());
        assert!(other.set_len(0).is_err());
        assert_eq!(unseal(sealed, 9).unwrap(), b"templates");
    }

    #[test]
    fn what_is_too_long_or_not_sealed_is_refused() {
        let sealed = seal("bytes", b"templates").unwrap();
        assert!(unseal(sealed, 8).is_err());
        let open = memfd_create("open", MemfdFlags::ALLOW_SEALING).unwrap();
        assert!(unseal(open, 8).is_err());
        let file = tempfile::tempfile().unwrap();
        assert!(unseal(file.into(), 8).is_err());
    }
}
