//! Who is signed in: handles that the launcher made, kept as their SHA-256.
//!
//! Each is also a file in RUN/logins, so that a sign-in survives the launcher, and not the
//! machine's next start.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::place::{hex, write_whole};
use super::protocol::{Account, Handle};
use crate::model::UserName;
use crate::runtime::random_bytes;

/// Most sign-ins at once, and of them by one person; beyond it the oldest ends.
const MAX_LOGINS: usize = 10_000;
const MAX_PER_ACCOUNT: usize = 50;
/// Most bytes of a login's file.
const MAX_FILE: u64 = 4096;

/// SHA-256 of a handle. Handles are looked up by it, so that no comparison takes longer the
/// more of a guess is right.
pub(crate) type HandleHash = [u8; 32];

/// A handle, whose it is, and the sign-ins that ended to make room for it.
pub(crate) type Minted = (Handle, Account, Vec<(HandleHash, Login)>);

/// One sign-in. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    pub(crate) account: UserName,
    pub(crate) full_name: String,
    /// The OS account that the desktops run as.
    pub(crate) os_name: String,
    pub(crate) uid: u32,
    /// The first of the configured groups that the OS account is in.
    #[serde(default)]
    pub(crate) group: Option<String>,
    /// Whether that is so by the groups of the configuration in use: this launcher has asked.
    #[serde(skip)]
    pub(crate) group_is_known: bool,
    #[serde(default)]
    pub(crate) is_admin: bool,
    pub(crate) peer: IpAddr,
    pub(crate) since: u64,
    pub(crate) until: u64,
}

impl Login {
    pub(crate) fn account(&self) -> Account {
        Account {
            name: self.account.clone(),
            full_name: self.full_name.clone(),
            group: self.group.clone(),
            is_admin: self.is_admin,
            until: self.until,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Logins {
    directory: PathBuf,
    logins: HashMap<HandleHash, Login>,
}

impl Logins {
    /// Those of `directory` that have not run out.
    ///
    /// # Errors
    /// When the directory cannot be read. A file that is no login is removed.
    pub(crate) fn load(directory: PathBuf, now: u64) -> io::Result<Self> {
        let mut logins = HashMap::new();
        for entry in std::fs::read_dir(&directory)? {
            let path = entry?.path();
            let hash = path.file_name().and_then(|name| unhex(name.to_str()?));
            let login = read(&path).filter(|login| login.until > now);
            match (hash, login) {
                (Some(hash), Some(login)) if logins.len() < MAX_LOGINS => {
                    logins.insert(hash, login);
                }
                _ => std::fs::remove_file(&path)?,
            }
        }
        Ok(Self { directory, logins })
    }

    /// Makes a handle for a sign-in that lasts `lifetime` from now, and says which others ended
    /// to make room.
    ///
    /// # Errors
    /// When the kernel gives no randomness or the file cannot be written.
    pub(crate) fn mint(&mut self, login: Login, lifetime: Duration) -> io::Result<Minted> {
        let handle = Handle::new(random_bytes()?);
        let hash = hash(&handle);
        let until = login.since.saturating_add(lifetime.as_secs());
        let login = Login { until, ..login };
        let account = login.account();
        let text = serde_json::to_vec(&login)?;
        write_whole(&self.directory.join(hex(&hash)), &text)?;
        let own = |login: &Login| login.account == account.name;
        // The name is another account's now.
        let mut ended = self.of(|other| own(other) && other.uid != login.uid);
        ended.extend(self.beyond(MAX_PER_ACCOUNT, own));
        ended.extend(self.beyond(MAX_LOGINS, |_| true));
        let ended = ended
            .into_iter()
            .filter_map(|hash| Some((hash, self.forget(&hash)?)))
            .collect();
        self.logins.insert(hash, login);
        Ok((handle, account, ended))
    }

    /// The sign-in of that handle, if it is one and has not run out.
    pub(crate) fn find(&self, handle: &Handle, now: u64) -> Option<(HandleHash, &Login)> {
        let hash = hash(handle);
        let login = self.logins.get(&hash)?;
        (login.until > now).then_some((hash, login))
    }

    /// The OS account that a person is signed in as, if they are anywhere. There is but one:
    /// [`Logins::mint`] ends the sign-ins of any other.
    pub(crate) fn uid(&self, account: &UserName) -> Option<u32> {
        let mut logins = self.logins.values();
        let found = logins.find(|login| login.account == *account);
        found.map(|login| login.uid)
    }

    pub(crate) fn count(&self) -> usize {
        self.logins.len()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Login> {
        self.logins.values()
    }

    /// The sign-ins that `wanted` picks.
    pub(crate) fn of(&self, wanted: impl Fn(&Login) -> bool) -> Vec<HandleHash> {
        let found = self.logins.iter().filter(|(_, login)| wanted(login));
        found.map(|(hash, _)| *hash).collect()
    }

    /// Notes which group the sign-ins that `wanted` picks belong to now; `true` when that is news.
    pub(crate) fn regroup(
        &mut self,
        wanted: impl Fn(&Login) -> bool,
        group: Option<&String>,
    ) -> bool {
        let mut news = false;
        for login in self.logins.values_mut().filter(|login| wanted(login)) {
            login.group_is_known = true;
            if login.group.as_ref() != group {
                login.group = group.cloned();
                news = true;
            }
        }
        news
    }

    /// The groups are others now: which one each belongs to is to be asked anew.
    pub(crate) fn groups_are_unknown(&mut self) {
        for login in self.logins.values_mut() {
            login.group_is_known = false;
        }
    }

    /// A sign-in of a desktop's owner of which it is known which group they belong to.
    pub(crate) fn with_known_group(&self, account: &UserName, uid: u32) -> Option<&Login> {
        let mut logins = self.logins.values();
        logins.find(|it| it.group_is_known && it.account == *account && it.uid == uid)
    }

    /// Notes whether the sign-ins that `wanted` picks are an admin's now; `true` when that is news.
    pub(crate) fn set_admin(&mut self, wanted: impl Fn(&Login) -> bool, is_admin: bool) -> bool {
        let mut news = false;
        for login in self.logins.values_mut().filter(|login| wanted(login)) {
            news |= login.is_admin != is_admin;
            login.is_admin = is_admin;
        }
        news
    }

    /// Ends a sign-in; `None` when there is none.
    pub(crate) fn forget(&mut self, hash: &HandleHash) -> Option<Login> {
        let known = self.logins.remove(hash)?;
        if let Err(error) = std::fs::remove_file(self.directory.join(hex(hash))) {
            tracing::warn!(%error, "a login's file cannot be removed");
        }
        Some(known)
    }

    /// The sign-ins that have run out.
    pub(crate) fn over(&self, now: u64) -> Vec<HandleHash> {
        self.of(|login| login.until <= now)
    }

    /// The oldest of those that `counted` picks, so many that one more fits into `most`.
    fn beyond(&self, most: usize, counted: impl Fn(&Login) -> bool) -> Vec<HandleHash> {
        let mut counted: Vec<(u64, HandleHash)> = self
            .logins
            .iter()
            .filter(|(_, login)| counted(login))
            .map(|(hash, login)| (login.since, *hash))
            .collect();
        let excess = (counted.len() + 1).saturating_sub(most);
        counted.sort_unstable();
        counted
            .into_iter()
            .take(excess)
            .map(|(_, hash)| hash)
            .collect()
    }
}

pub(crate) fn hash(handle: &Handle) -> HandleHash {
    Sha256::digest(handle.expose()).into()
}

fn read(path: &std::path::Path) -> Option<Login> {
    let size = std::fs::symlink_metadata(path).ok()?.len();
    let text = (size <= MAX_FILE).then(|| std::fs::read(path))?.ok()?;
    serde_json::from_slice(&text).ok()
}

fn unhex(text: &str) -> Option<HandleHash> {
    let mut hash = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn login(name: &str, since: u64) -> Login {
        Login {
            account: name.parse().unwrap(),
            full_name: String::new(),
            os_name: name.to_owned(),
            uid: 1000,
            group: None,
            group_is_known: false,
            is_admin: false,
            peer: IpAddr::from([192, 0, 2, 1]),
            since,
            until: 0,
        }
    }

    fn logins(directory: &tempfile::TempDir, now: u64) -> Logins {
        Logins::load(directory.path().to_owned(), now).unwrap()
    }

    #[test]
    fn a_handle_is_good_until_it_runs_out_and_survives_the_launcher() {
        let directory = tempfile::tempdir().unwrap();
        let (handle, account, _) = logins(&directory, 0)
            .mint(login("alice", 100), HOUR)
            .unwrap();
        assert_eq!(account.until, 3700);
        let again = logins(&directory, 3699);
        assert_eq!(
            again.find(&handle, 3699).unwrap().1.account.as_str(),
            "alice"
        );
        assert!(again.find(&handle, 3700).is_none());
        assert!(logins(&directory, 3700).find(&handle, 100).is_none());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_file_does_not_hold_the_handle() {
        let directory = tempfile::tempdir().unwrap();
        let (handle, ..) = logins(&directory, 0)
            .mint(login("alice", 100), HOUR)
            .unwrap();
        let file = std::fs::read_dir(directory.path())
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        let name = file.file_name().into_string().unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        let secret = hex(handle.expose());
        assert!(!name.contains(&secret) && !text.contains(&secret));
    }

    #[test]
    fn a_changed_or_forgotten_handle_is_nobody_s() {
        let directory = tempfile::tempdir().unwrap();
        let mut logins = logins(&directory, 0);
        let (handle, ..) = logins.mint(login("alice", 100), HOUR).unwrap();
        for bit in 0..256 {
            let mut bytes = *handle.expose();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(logins.find(&Handle::new(bytes), 100).is_none());
        }
        assert!(logins.forget(&hash(&handle)).is_some());
        assert!(logins.find(&handle, 100).is_none());
        assert!(logins.forget(&hash(&handle)).is_none());
    }

    #[test]
    fn the_oldest_sign_in_of_a_person_makes_room() {
        let directory = tempfile::tempdir().unwrap();
        let mut logins = logins(&directory, 0);
        let (first, ..) = logins.mint(login("alice", 1), HOUR).unwrap();
        let (bob, ..) = logins.mint(login("bob", 1), HOUR).unwrap();
        for since in 2..52 {
            logins.mint(login("alice", since), HOUR).unwrap();
        }
        assert!(logins.find(&first, 100).is_none());
        assert!(logins.find(&bob, 100).is_some());
    }

    #[test]
    fn a_name_that_has_become_another_account_ends_the_sign_ins_of_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let mut logins = logins(&directory, 0);
        let (first, ..) = logins.mint(login("alice", 1), HOUR).unwrap();
        let other = Login {
            uid: 1001,
            ..login("alice", 2)
        };
        let (second, _, ended) = logins.mint(other, HOUR).unwrap();
        let ended: Vec<HandleHash> = ended.into_iter().map(|(hash, _)| hash).collect();
        assert_eq!(ended, [hash(&first)]);
        assert!(logins.find(&first, 100).is_none());
        assert!(logins.find(&second, 100).is_some());
    }

    #[test]
    fn a_group_counts_once_it_was_asked_about_and_until_there_are_others() {
        let directory = tempfile::tempdir().unwrap();
        let mut logins = logins(&directory, 0);
        logins.mint(login("alice", 1), HOUR).unwrap();
        let alice: UserName = "alice".parse().unwrap();
        let group = |logins: &Logins, uid| {
            let login = logins.with_known_group(&alice, uid)?;
            Some(login.group.clone().unwrap_or_default())
        };
        assert_eq!(group(&logins, 1000), None);
        assert!(logins.regroup(|_| true, Some(&"physics".to_owned())));
        assert_eq!(group(&logins, 1000).as_deref(), Some("physics"));
        assert_eq!(group(&logins, 1001), None);
        assert!(logins.regroup(|_| true, None));
        assert_eq!(group(&logins, 1000).as_deref(), Some(""));
        logins.groups_are_unknown();
        assert_eq!(group(&logins, 1000), None);
    }

    #[test]
    fn rubbish_in_the_directory_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("00.new"), "x").unwrap();
        std::fs::write(directory.path().join("ab".repeat(32)), "{}").unwrap();
        assert!(logins(&directory, 0).logins.is_empty());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
