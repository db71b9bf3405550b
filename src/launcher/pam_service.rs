//! Which PAM service file is used: the machine's, or one that the launcher writes from what the
//! distribution has.

use std::io;
use std::path::{Path, PathBuf};

use super::place::{Place, write_whole};
use crate::config::SignIn;

/// Where services are described, the stronger first (pam.conf(5)).
const SERVICES: [&str; 2] = ["/etc/pam.d", "/usr/lib/pam.d"];

/// A service, and the directory that is read for it when not the machine's.
#[derive(Clone, Debug)]
pub(crate) struct PamChoice {
    pub(crate) service: String,
    pub(crate) directory: Option<PathBuf>,
}

impl PamChoice {
    /// # Errors
    /// When the built-in service cannot be written.
    pub(crate) fn new(sign_in: &SignIn, place: &Place) -> io::Result<Self> {
        let service = sign_in.pam_service.clone();
        let there = |directory: &str| Path::new(directory).join(&service).is_file();
        let directory = if sign_in.pam_dir.is_some() {
            sign_in.pam_dir.clone()
        } else if SERVICES.iter().any(|directory| there(directory)) {
            None
        } else {
            let text = built_in(Path::new("/etc/pam.d"));
            write_whole(&place.pam_dir().join(&service), text.as_bytes())?;
            Some(place.pam_dir())
        };
        Ok(Self { service, directory })
    }
}

/// The service when the machine has none: what is common to all services there (Debian's
/// `common-*`, else Fedora's `system-auth`), else the passwords of /etc/shadow alone.
fn built_in(services: &Path) -> String {
    let mut text = String::from("# Written by Deskway at each start; /etc/pam.d wins over it.\n");
    for (kind, common) in [
        ("auth", "common-auth"),
        ("account", "common-account"),
        ("session", "common-session"),
    ] {
        match kind {
            "account" => text.push_str("account required pam_nologin.so\n"),
            "session" => text.push_str(
                "session optional pam_keyinit.so force revoke\n\
                 session required pam_limits.so\n\
                 session optional pam_env.so\n\
                 session optional pam_env.so envfile=/etc/default/locale\n",
            ),
            _ => {}
        }
        let found = [common, "system-auth"].map(|name| services.join(name));
        let line = match found.iter().find(|path| path.is_file()) {
            Some(path) => format!("{kind} include {}\n", path.display()),
            None => format!("{kind} required pam_unix.so\n"),
        };
        text.push_str(&line);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_service_includes_what_the_distribution_has() {
        let services = tempfile::tempdir().unwrap();
        let bare = built_in(services.path());
        assert!(bare.contains("auth required pam_unix.so"), "{bare}");
        std::fs::write(services.path().join("system-auth"), "").unwrap();
        let fedora = built_in(services.path());
        assert!(
            fedora.contains("/system-auth") && !fedora.contains("pam_unix"),
            "{fedora}"
        );
        std::fs::write(services.path().join("common-auth"), "").unwrap();
        assert!(built_in(services.path()).contains("/common-auth"));
    }
}
