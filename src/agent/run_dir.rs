//! The desktop's run directory: that it is the owner's alone, and that its sockets' paths fit.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Error;
use super::protocol::{AGENT_SOCKET, LOG, VNC_SOCKET};

/// The longest path of a unix socket, without its final zero (`sun_path` of `unix(7)`).
const MAX_SOCKET_PATH: usize = 107;
/// The X server's and its clients' cookie.
const COOKIE: &str = "Xauthority";
/// The session bus.
const BUS_SOCKET: &str = "bus";

/// Where each of the desktop's own files is.
pub(super) struct RunDir(PathBuf);

impl RunDir {
    /// # Errors
    /// [`Error::RunDir`] when it is not a directory that only this process's user can use, or
    /// its path is too long for the sockets in it.
    pub(super) fn check(path: &Path) -> Result<Self, Error> {
        let wrong = |problem: String| Error::RunDir {
            path: path.to_owned(),
            problem,
        };
        let meta = fs::symlink_metadata(path).map_err(|error| wrong(error.to_string()))?;
        let me = rustix::process::geteuid().as_raw();
        if !meta.is_dir() || !path.is_absolute() {
            return Err(wrong("it is not the absolute path of a directory".into()));
        }
        if meta.uid() != me {
            return Err(wrong(format!("user {} owns it, not {me}", meta.uid())));
        }
        if meta.mode() & 0o077 != 0 {
            let mode = meta.mode() & 0o7777;
            return Err(wrong(format!(
                "others can enter it (mode {mode:04o}): it must be 0700"
            )));
        }
        let dir = Self(path.to_owned());
        let longest = dir.agent_socket().as_os_str().len();
        if longest > MAX_SOCKET_PATH {
            return Err(wrong(format!(
                "its sockets' paths would have {longest} bytes, more than the {MAX_SOCKET_PATH} \
                 that the kernel allows: choose a shorter run directory"
            )));
        }
        Ok(dir)
    }

    pub(super) fn vnc_socket(&self) -> PathBuf {
        self.0.join(VNC_SOCKET)
    }

    pub(super) fn agent_socket(&self) -> PathBuf {
        self.0.join(AGENT_SOCKET)
    }

    pub(super) fn bus_socket(&self) -> PathBuf {
        self.0.join(BUS_SOCKET)
    }

    pub(super) fn cookie(&self) -> PathBuf {
        self.0.join(COOKIE)
    }

    pub(super) fn log(&self) -> PathBuf {
        self.0.join(LOG)
    }

    /// Removes what servers leave behind that were killed, and the cookie.
    pub(super) fn tidy(&self) {
        for path in [self.vnc_socket(), self.bus_socket(), self.cookie()] {
            drop(fs::remove_file(path));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn problem(path: &Path) -> String {
        RunDir::check(path).err().unwrap().to_string()
    }

    #[test]
    fn a_directory_that_others_can_enter_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o711)).unwrap();
        assert!(problem(dir.path()).contains("mode 0711"));
    }

    #[test]
    fn a_path_too_long_for_a_socket_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("x".repeat(100));
        fs::create_dir(&long).unwrap();
        fs::set_permissions(&long, Permissions::from_mode(0o700)).unwrap();
        assert!(problem(&long).contains("shorter run directory"));
    }

    #[test]
    fn a_link_to_a_directory_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/tmp", &link).unwrap();
        assert!(problem(&link).contains("not the absolute path of a directory"));
    }
}
