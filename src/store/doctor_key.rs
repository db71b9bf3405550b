//! The key with which `deskway doctor` shows the front that it may ask: a file that only the
//! front's own user and root can read, made anew at each start of the front. Only a front that is
//! tried beside another, for an upgrade, takes the key that is there: the other may stay.
//!
//! The key itself never travels. What does is a pass: the time, and its HMAC under the key, good
//! for a few minutes.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ring::hmac;
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::runtime::random_bytes;

/// The file's name in the front's own directory, `STATE/front`.
pub const DOCTOR_KEY_FILE: &str = "doctor-key";

/// How far the time in a pass may be from the front's, in seconds.
const PASS_IS_GOOD_FOR: u64 = 300;
/// The key, in bytes.
const KEY_LEN: usize = 32;
/// The key's text, in bytes: base64 without padding.
const TEXT_LEN: u64 = 43;

/// The key.
#[derive(Clone)]
pub struct DoctorKey(hmac::Key);

impl DoctorKey {
    /// A new key, which takes the place of the one in `front`, the front's own directory.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn make(front: &Path) -> io::Result<Self> {
        let bytes = Zeroizing::new(random_bytes::<KEY_LEN>()?);
        let half = front.join(format!("{DOCTOR_KEY_FILE}.new"));
        match fs::remove_file(&half) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&half)?;
        file.write_all(BASE64.encode(bytes.as_slice()).as_bytes())?;
        fs::rename(&half, front.join(DOCTOR_KEY_FILE))?;
        Ok(Self::of(bytes.as_slice()))
    }

    /// The key that is in `front` already, if nobody else can have seen it; else a new one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep(front: &Path) -> io::Result<Self> {
        let private = fs::symlink_metadata(front.join(DOCTOR_KEY_FILE))
            .is_ok_and(|found| found.is_file() && found.mode() & 0o777 == 0o600);
        match Self::read(front) {
            Ok(key) if private => Ok(key),
            _ => Self::make(front),
        }
    }

    /// The key of the front that runs with the directory `front`. What the front's user could
    /// have put there to have root read another file is refused.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn read(front: &Path) -> io::Result<Self> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = File::options()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(front.join(DOCTOR_KEY_FILE))?;
        let odd = || io::Error::new(io::ErrorKind::InvalidData, "it holds no key");
        let found = file.metadata()?;
        let own = found.is_file() && found.nlink() == 1 && found.len() == TEXT_LEN;
        if !own || found.uid() != fs::metadata(front)?.uid() {
            return Err(odd());
        }
        let mut text = Zeroizing::new(Vec::new());
        file.take(TEXT_LEN + 1).read_to_end(&mut text)?;
        let bytes = Zeroizing::new(BASE64.decode(&*text).map_err(|_| odd())?);
        if bytes.len() == KEY_LEN {
            Ok(Self::of(&bytes))
        } else {
            Err(odd())
        }
    }

    /// What to show the front. `now`: seconds since 1970.
    pub fn pass(&self, now: u64) -> String {
        let time = now.to_string();
        let tag = hmac::sign(&self.0, time.as_bytes());
        format!("{time}.{}", BASE64.encode(tag))
    }

    /// Whether `pass` was made with this key, not long from `now`. Takes the same time for every
    /// wrong one.
    pub fn admits(&self, pass: &str, now: u64) -> bool {
        let Some((time, tag)) = pass.split_once('.') else {
            return false;
        };
        let Ok(tag) = BASE64.decode(tag) else {
            return false;
        };
        let made = hmac::verify(&self.0, time.as_bytes(), &tag).is_ok();
        let fresh = time
            .parse()
            .is_ok_and(|time: u64| time.abs_diff(now) <= PASS_IS_GOOD_FOR);
        made && fresh
    }

    fn of(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }
}

impl fmt::Debug for DoctorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DoctorKey")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_pass_is_good_for_its_key_and_for_a_while() {
        let front = tempfile::tempdir().unwrap();
        let made = DoctorKey::make(front.path()).unwrap();
        let read = DoctorKey::read(front.path()).unwrap();
        let pass = read.pass(10_000);
        assert!(made.admits(&pass, 10_000));
        assert!(made.admits(&pass, 10_300) && made.admits(&pass, 9_700));
        assert!(!made.admits(&pass, 10_301) && !made.admits(&pass, 9_699));
        let (_, tag) = pass.split_once('.').unwrap();
        for wrong in ["", ".", "10000", "10000.", &format!("10001.{tag}"), tag] {
            assert!(!made.admits(wrong, 10_000), "{wrong}");
        }
        let next = DoctorKey::make(front.path()).unwrap();
        assert!(!next.admits(&pass, 10_000), "the key is new at each start");
    }

    #[test]
    fn a_key_is_kept_unless_others_could_read_it() {
        let front = tempfile::tempdir().unwrap();
        let pass = DoctorKey::keep(front.path()).unwrap().pass(10_000);
        let kept = DoctorKey::keep(front.path()).unwrap();
        assert!(kept.admits(&pass, 10_000));
        let file = front.path().join(DOCTOR_KEY_FILE);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let new = DoctorKey::keep(front.path()).unwrap();
        assert!(!new.admits(&pass, 10_000), "others could read it");
        fs::write(&file, "no key").unwrap();
        assert!(DoctorKey::keep(front.path()).is_ok());
    }

    #[test]
    fn the_file_is_private_and_nothing_else_is_read_in_its_place() {
        let front = tempfile::tempdir().unwrap();
        DoctorKey::make(front.path()).unwrap();
        let file = front.path().join(DOCTOR_KEY_FILE);
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let secret = front.path().join("secret");
        fs::rename(&file, &secret).unwrap();
        assert!(DoctorKey::read(front.path()).is_err(), "there is none");
        symlink(&secret, &file).unwrap();
        assert!(DoctorKey::read(front.path()).is_err(), "a link");
        fs::remove_file(&file).unwrap();
        fs::hard_link(&secret, &file).unwrap();
        assert!(DoctorKey::read(front.path()).is_err(), "another name");
        fs::remove_file(&file).unwrap();
        fs::write(&file, "root:x:0:0").unwrap();
        assert!(DoctorKey::read(front.path()).is_err(), "no key");
    }
}
