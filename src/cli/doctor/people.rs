//! Can somebody sign in, and does the web server have an account of its own?

use std::path::Path;

use super::finding::Finding;
use crate::config::SignIn;

/// Which PAM service file will be used. `directories` are read by PAM, the stronger first; the
/// launcher gives its own service where neither has one.
pub(super) fn pam(sign_in: &SignIn, root: bool, directories: &[&Path]) -> Option<Finding> {
    const CHECK: &str = "PAM service";
    if !sign_in.pam {
        return None;
    }
    if !root {
        let found = "the machine's accounts cannot sign in: Deskway is started as an ordinary user";
        return Some(Finding::note(
            CHECK,
            found,
            "start it as root, or set `pam` to false in [sign_in]",
        ));
    }
    let service = &sign_in.pam_service;
    if let Some(directory) = &sign_in.pam_dir {
        let file = directory.join(service);
        return Some(if file.is_file() {
            Finding::fine(CHECK, file.display().to_string())
        } else {
            let found = format!("{} is not there", file.display());
            Finding::wrong(
                CHECK,
                found,
                "correct `pam_dir` or `pam_service` in [sign_in]",
            )
        });
    }
    let file = |name: &str| {
        let files = directories.iter().map(|directory| directory.join(name));
        files.into_iter().find(|file| file.is_file())
    };
    if let Some(file) = file(service) {
        return Some(Finding::fine(CHECK, file.display().to_string()));
    }
    Some(match file("common-auth").or_else(|| file("system-auth")) {
        Some(common) => Finding::fine(CHECK, format!("built in, with {}", common.display())),
        None => Finding::note(
            CHECK,
            "built in, for passwords of /etc/shadow alone",
            format!("write /etc/pam.d/{service} when this machine signs people in otherwise"),
        ),
    })
}

/// What is known of the accounts of this machine and of Deskway.
pub(super) struct Accounts {
    /// Names of the machine's accounts that may have desktops, when PAM is used.
    pub(super) machine: Option<Vec<String>>,
    /// Names of local accounts, when they are used, or why they cannot be read.
    pub(super) local: Option<Result<Vec<String>, String>>,
}

pub(super) fn accounts(accounts: &Accounts) -> Finding {
    const CHECK: &str = "accounts";
    let local = match &accounts.local {
        Some(Err(error)) => {
            return Finding::wrong(CHECK, error.clone(), "look at the file, or move it away");
        }
        Some(Ok(names)) => Some(names),
        None => None,
    };
    let mut found = Vec::new();
    for (kind, names) in [
        ("of the machine", accounts.machine.as_ref()),
        ("local", local),
    ] {
        if let Some(names) = names.filter(|names| !names.is_empty()) {
            found.push(format!("{} {kind} ({})", names.len(), some(names)));
        }
    }
    if !found.is_empty() {
        return Finding::fine(CHECK, found.join(", "));
    }
    match (local, accounts.machine.is_some()) {
        (Some(_), _) => Finding::note(
            CHECK,
            "nobody can sign in yet",
            "deskway user add NAME, or follow the link that `deskway up` prints",
        ),
        (None, true) => Finding::wrong(CHECK, "nobody can sign in", "adduser NAME"),
        (None, false) => Finding::wrong(
            CHECK,
            "nobody can sign in",
            "set `local` to true in [sign_in]",
        ),
    }
}

/// The first few names.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<_> = names.iter().take(SHOWN).map(String::as_str).collect();
    let more = if names.len() > SHOWN { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

/// The machine's own accounts from `min_uid` on that have a shell to sign in with, from the text
/// of `/etc/passwd`. Those of a directory service are not in it.
pub(super) fn machine_accounts(passwd: &str, min_uid: u32) -> Vec<String> {
    let person = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid: u32 = fields.nth(1)?.parse().ok()?;
        let shell = fields.nth(3)?;
        let closed = shell.ends_with("/nologin") || shell.ends_with("/false");
        (uid >= min_uid && uid != deskway_osuser::NOBODY && !closed).then(|| name.to_owned())
    };
    passwd.lines().filter_map(person).collect()
}

/// The account that the web server runs as; `uid` is what the machine says of it.
pub(super) fn service_user(name: &str, uid: Option<u32>) -> Finding {
    const CHECK: &str = "service user";
    match uid {
        None => Finding::fine(CHECK, format!("{name} will be made")),
        Some(0) => Finding::wrong(CHECK, format!("{name} is root"), format!("deluser {name}")),
        Some(uid) => Finding::fine(CHECK, format!("{name}, uid {uid}")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::super::finding::State;
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_service_that_is_there_is_used_and_else_a_built_in_one() {
        let services = TempDir::new().unwrap();
        let sign_in = Config::default_for(0).sign_in;
        let found = || pam(&sign_in, true, &[services.path()]).unwrap();
        assert_eq!(found().state, State::Note);
        fs::write(services.path().join("common-auth"), "").unwrap();
        assert!(found().found.starts_with("built in, with"), "{}", found());
        fs::write(services.path().join("deskway"), "").unwrap();
        assert!(found().found.ends_with("/deskway"), "{}", found());
    }

    #[test]
    fn a_pam_directory_without_the_service_is_wrong() {
        let services = TempDir::new().unwrap();
        let mut sign_in = Config::default_for(0).sign_in;
        sign_in.pam_dir = Some(services.path().to_path_buf());
        assert_eq!(pam(&sign_in, true, &[]).unwrap().state, State::Wrong);
        assert_eq!(pam(&sign_in, false, &[]).unwrap().state, State::Note);
        sign_in.pam = false;
        assert_eq!(pam(&sign_in, true, &[]), None);
    }

    #[test]
    fn somebody_must_be_able_to_sign_in() {
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        let state = |machine, local| accounts(&Accounts { machine, local }).state;
        assert_eq!(state(Some(names(&["alice"])), None), State::Fine);
        assert_eq!(state(None, Some(Ok(names(&["bob"])))), State::Fine);
        assert_eq!(state(Some(names(&[])), Some(Ok(names(&[])))), State::Note);
        assert_eq!(state(Some(names(&[])), None), State::Wrong);
        assert_eq!(
            state(Some(names(&["alice"])), Some(Err("broken".to_owned()))),
            State::Wrong
        );
    }

    #[test]
    fn people_are_told_from_system_accounts() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\n\
                      alice:x:1000:1000:Alice:/home/alice:/bin/bash\n\
                      mail:x:1001:1001::/:/usr/sbin/nologin\n\
                      nobody:x:65534:65534::/:/bin/sh\n\
                      broken\n";
        assert_eq!(machine_accounts(passwd, 1000), ["alice"]);
    }

    #[test]
    fn a_service_user_that_is_root_is_wrong() {
        assert_eq!(service_user("deskway", Some(0)).state, State::Wrong);
        assert_eq!(service_user("deskway", Some(999)).state, State::Fine);
        assert_eq!(service_user("deskway", None).state, State::Fine);
    }
}
