//! The first account of a machine that has nobody who could sign in: a token that `up` prints as
//! a link, good once and for an hour.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::access;
use super::place::{Place, hex, own_directory, write_whole};
use crate::config::Config;
use crate::model::{Secret, UserName};
use crate::runtime::{Clock, random_bytes};
use crate::store::accounts::{self, NewAccount};

/// How long a token is good.
const LIFETIME: Duration = Duration::from_hours(1);
/// How long making the account may take.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);
/// The shell of a new OS account.
const SHELL: &str = "/bin/bash";
/// Fewest characters of the first password.
const MIN_PASSWORD: usize = 8;

/// Why no token can be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the set-up token cannot be kept: {0}")]
    Files(#[from] io::Error),
    #[error("the local accounts cannot be read: {0}")]
    Accounts(#[from] accounts::Error),
}

/// The file of a token.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Offer {
    /// SHA-256 of the token, as hex digits.
    hash: String,
    until: u64,
}

/// What the child that makes the account says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Word {
    Done,
    /// In words for the person.
    Failed(String),
}

/// A new token when this machine has nobody who could sign in, for the link that `up` prints; it
/// takes the place of an earlier one. `None`: there is somebody.
///
/// # Errors
/// See [`Error`].
pub fn offer(config: &Config, clock: &Clock) -> Result<Option<Secret<String>>, Error> {
    let place = Place::new(&config.paths);
    if somebody_can_sign_in(config)? {
        withdraw(&place)?;
        return Ok(None);
    }
    let token = URL_SAFE_NO_PAD.encode(random_bytes::<32>()?);
    let offer = Offer {
        hash: hash(&token),
        until: clock.unix() + LIFETIME.as_secs(),
    };
    own_directory(&config.paths.run, 0o711)?;
    let text = serde_json::to_vec(&offer).map_err(io::Error::from)?;
    write_whole(&place.set_up(), &text)?;
    Ok(Some(Secret::new(token)))
}

/// Whether this is the token, and it is still good.
pub(crate) fn check(place: &Place, token: &Secret<String>, now: u64) -> bool {
    let offer: Option<Offer> = fs::read(place.set_up())
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok());
    let given = hash(token.expose());
    offer.is_some_and(|offer| {
        let same: bool = offer.hash.as_bytes().ct_eq(given.as_bytes()).into();
        same && now < offer.until
    })
}

/// Makes the token worthless.
///
/// # Errors
/// When its file is there and cannot be removed.
pub(crate) fn withdraw(place: &Place) -> io::Result<()> {
    match fs::remove_file(place.set_up()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Runs in the child: an OS account with a home as root, else a local account.
pub(crate) fn make(state: &Path, name: &UserName, password: &Secret<String>) -> Word {
    if password.expose().chars().count() < MIN_PASSWORD {
        return Word::Failed(format!("the password needs {MIN_PASSWORD} characters"));
    }
    let made = if deskway_osuser::is_root() {
        make_os(name, password)
    } else {
        let account = NewAccount {
            name,
            os_user: None,
            full_name: None,
            password,
        };
        accounts::add(state, &account, &Clock::System).map_err(|error| error.to_string())
    };
    match made {
        Ok(()) => Word::Done,
        Err(reason) => Word::Failed(reason),
    }
}

/// Local accounts count only where they may be used, and so do the machine's.
fn somebody_can_sign_in(config: &Config) -> Result<bool, Error> {
    if config.sign_in.local && accounts::any(&config.paths.state)? {
        return Ok(true);
    }
    if !deskway_osuser::is_root() || !config.sign_in.pam {
        return Ok(false);
    }
    Ok(has_person(
        &fs::read_to_string("/etc/passwd")?,
        config.access.min_uid,
    ))
}

/// Whether a passwd(5) file has an account that a person could sign in with.
fn has_person(passwd: &str, min_uid: u32) -> bool {
    passwd.lines().any(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [_, _, uid, _, _, _, shell] = fields.as_slice() else {
            return false;
        };
        let person = |uid: u32| uid >= min_uid && uid != deskway_osuser::NOBODY;
        uid.parse().is_ok_and(person) && access::can_log_in(Path::new(shell))
    })
}

fn make_os(name: &UserName, password: &Secret<String>) -> Result<(), String> {
    if password.expose().contains(['\n', '\0']) {
        return Err("the password must be one line".to_owned());
    }
    let mut useradd = Command::new("useradd");
    useradd.args(["--create-home", "--shell", SHELL, "--", name.as_str()]);
    run(&mut useradd, None)?;
    let line = Secret::new(format!("{name}:{}\n", password.expose()));
    let set = run(&mut Command::new("chpasswd"), Some(&line));
    if set.is_err() {
        let mut userdel = Command::new("userdel");
        userdel.args(["--remove", "--", name.as_str()]);
        run(&mut userdel, None)?;
    }
    set
}

/// Runs a tool of the system to its end, with `input` on its standard input.
fn run(command: &mut Command, input: Option<&Secret<String>>) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |error: io::Error| format!("{program}: {error}");
    let mut child = command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take()
        && let Some(input) = input
    {
        stdin.write_all(input.expose().as_bytes()).map_err(failed)?;
    }
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().next().unwrap_or("it failed").to_owned();
    Err(said.chars().filter(|c| !c.is_control()).take(300).collect())
}

fn hash(token: &str) -> String {
    hex(&Sha256::digest(token))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Paths;

    #[test]
    fn people_are_told_from_the_system_s_accounts() {
        let system = "root:x:0:0:root:/root:/bin/bash\n\
                      nobody:x:65534:65534:nobody:/:/bin/sh\n\
                      svc:x:1001:1001::/:/usr/sbin/nologin\nbroken line\n";
        assert!(!has_person(system, 1000));
        let person = format!("{system}ann:x:1000:1000:Ann:/home/ann:/bin/bash\n");
        assert!(has_person(&person, 1000));
    }

    #[test]
    fn a_token_is_good_for_its_hour_and_no_other_is() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::new(&Paths {
            run: directory.path().to_owned(),
            state: directory.path().to_owned(),
            templates_dir: None,
        });
        let token = |text: &str| Secret::new(text.to_owned());
        assert!(!check(&place, &token("good"), 0));
        let offer = Offer {
            hash: hash("good"),
            until: 100,
        };
        write_whole(&place.set_up(), &serde_json::to_vec(&offer).unwrap()).unwrap();
        assert!(check(&place, &token("good"), 99));
        assert!(!check(&place, &token("good"), 100));
        assert!(!check(&place, &token("wrong"), 99));
        assert!(!check(&place, &token(""), 99));
        withdraw(&place).unwrap();
        assert!(!check(&place, &token("good"), 99));
    }
}
