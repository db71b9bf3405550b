//! The environment of a session: what every one has, then PAM's, then the configuration's.

use std::collections::BTreeMap;
use std::path::Path;

use deskway_osuser::Account;

use crate::launcher::profiles::SYSTEM_PATH;

/// What kind of session it is (pam_systemd(8)).
pub(super) const SESSION: [(&str, &str); 2] =
    [("XDG_SESSION_TYPE", "x11"), ("XDG_SESSION_CLASS", "user")];

/// What every session has, before PAM and the configuration add to it.
fn base(owner: &Account, run_dir: &Path) -> BTreeMap<String, String> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let shell = if owner.shell.as_os_str().is_empty() {
        "/bin/sh".to_owned()
    } else {
        text(&owner.shell)
    };
    [
        ("HOME", text(&owner.home)),
        ("USER", owner.name.clone()),
        ("LOGNAME", owner.name.clone()),
        ("SHELL", shell),
        ("PATH", SYSTEM_PATH.to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
        ("XDG_RUNTIME_DIR", text(&run_dir.join("xdg"))),
    ]
    .into_iter()
    .chain(SESSION.map(|(name, value)| (name, value.to_owned())))
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// The whole of it. A name that is none is left out.
pub(super) fn whole(
    owner: &Account,
    run_dir: &Path,
    from_pam: Vec<(String, String)>,
    configured: &[(String, String)],
) -> Vec<(String, String)> {
    let mut env = base(owner, run_dir);
    env.extend(from_pam);
    env.extend(configured.iter().cloned());
    env.into_iter()
        .filter(|(name, value)| {
            !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0')
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_wins_over_pam_and_pam_over_the_rest() {
        let owner = Account {
            name: "alice".to_owned(),
            uid: 1000,
            gid: 1000,
            full_name: String::new(),
            home: "/home/alice".into(),
            shell: "".into(),
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let from_pam = vec![pair("LANG", "de"), pair("PATH", "/pam"), pair("A=B", "")];
        let env = whole(&owner, Path::new("/r"), from_pam, &[pair("PATH", "/own")]);
        let value = |name: &str| {
            let found = env.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(value("PATH"), Some("/own"));
        assert_eq!(value("LANG"), Some("de"));
        assert_eq!(value("SHELL"), Some("/bin/sh"));
        assert_eq!(value("XDG_RUNTIME_DIR"), Some("/r/xdg"));
        assert_eq!(value("A=B"), None);
    }
}
