//! The account database: passwd and group through the C library, so that LDAP and the like work.

use std::ffi::{CStr, CString, OsStr, OsString, c_char};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// The uid and gid that stand for nobody.
pub const NOBODY: u32 = 65534;
/// Largest buffer for one entry of the account database, in bytes: a group of many members.
const MAX_ENTRY: usize = 1024 * 1024;
/// Most groups that one account may be in.
const MAX_GROUPS: usize = 65536;

/// One account of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    /// The first field of the account's comment; may be empty.
    pub full_name: String,
    pub home: PathBuf,
    pub shell: PathBuf,
}

impl Account {
    /// # Errors
    /// When the database cannot be asked; an account that is not there is `None`.
    pub fn by_name(name: &str) -> io::Result<Option<Self>> {
        let Ok(name) = CString::new(name) else {
            return Ok(None);
        };
        look_up(|entry, buffer, found| {
            // SAFETY: all pointers are valid for the call, and `buffer.len()` is its length.
            unsafe {
                libc::getpwnam_r(
                    name.as_ptr(),
                    entry,
                    buffer.as_mut_ptr(),
                    buffer.len(),
                    found,
                )
            }
        })
    }

    /// # Errors
    /// When the database cannot be asked; an account that is not there is `None`.
    pub fn by_uid(uid: u32) -> io::Result<Option<Self>> {
        look_up(|entry, buffer, found| {
            // SAFETY: all pointers are valid for the call, and `buffer.len()` is its length.
            unsafe { libc::getpwuid_r(uid, entry, buffer.as_mut_ptr(), buffer.len(), found) }
        })
    }

    /// Numbers of all groups that the account is in, its own first.
    ///
    /// # Errors
    /// When its name is none or it is in more groups than any account can be.
    pub fn groups(&self) -> io::Result<Vec<u32>> {
        let name = CString::new(self.name.as_str())?;
        let mut groups: Vec<libc::gid_t> = vec![0; 64];
        loop {
            let mut count = i32::try_from(groups.len()).map_err(io::Error::other)?;
            // SAFETY: `groups` has room for `count` numbers, and the name ends with a zero.
            let listed = unsafe {
                libc::getgrouplist(name.as_ptr(), self.gid, groups.as_mut_ptr(), &raw mut count)
            };
            if listed >= 0 {
                groups.truncate(usize::try_from(count).map_err(io::Error::other)?);
                return Ok(groups);
            }
            if groups.len() >= MAX_GROUPS {
                return Err(io::Error::other("the account is in too many groups"));
            }
            groups.resize(groups.len() * 4, 0);
        }
    }
}

/// Whether an account with these groups is in the group of that name. A group that is not there
/// has no members.
///
/// # Errors
/// When the database cannot be asked.
pub fn is_member(groups: &[u32], group: &str) -> io::Result<bool> {
    let id = group_id(group)?;
    Ok(id.is_some_and(|id| groups.contains(&id)))
}

/// The number of the group of that name, if there is one.
///
/// # Errors
/// When the database cannot be asked.
pub fn group_id(group: &str) -> io::Result<Option<u32>> {
    let Ok(name) = CString::new(group) else {
        return Ok(None);
    };
    let mut buffer: Vec<c_char> = vec![0; 4096];
    loop {
        // SAFETY: `group` is plain data for which all zeros is a valid value.
        let mut entry: libc::group = unsafe { std::mem::zeroed() };
        let mut found = std::ptr::null_mut();
        // SAFETY: all pointers are valid for the call, and `buffer.len()` is its length.
        let status = unsafe {
            libc::getgrnam_r(
                name.as_ptr(),
                &raw mut entry,
                buffer.as_mut_ptr(),
                buffer.len(),
                &raw mut found,
            )
        };
        match status {
            0 if found.is_null() => return Ok(None),
            0 => return Ok(Some(entry.gr_gid)),
            libc::ERANGE if buffer.len() < MAX_ENTRY => buffer.resize(buffer.len() * 4, 0),
            status => return not_there(status).map(|()| None),
        }
    }
}

/// The accounts that the database lists, the first `most` of them. A directory service may list
/// none although it knows some.
pub fn accounts(most: usize) -> Vec<Account> {
    // The position in the list is the process's: two must not read on in it by turns.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut accounts = Vec::new();
    // SAFETY: touches the C library's position in the list alone.
    unsafe { libc::setpwent() };
    while accounts.len() < most {
        // SAFETY: as above; nobody else asks for the next entry while the lock is held.
        let entry = unsafe { libc::getpwent() };
        // SAFETY: it is null or leads to an entry that is valid until the next call, which is
        // after it has been copied.
        let Some(entry) = (unsafe { entry.as_ref() }) else {
            break;
        };
        accounts.push(read(entry));
    }
    // SAFETY: as the first.
    unsafe { libc::endpwent() };
    accounts
}

/// `UID_MIN` of `/etc/login.defs`: the smallest uid of a person.
pub fn uid_min() -> Option<u32> {
    let text = std::fs::read_to_string("/etc/login.defs").ok()?;
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("UID_MIN")).then(|| words.next()?.parse().ok())?
    })
}

/// Asks with a growing buffer.
fn look_up(
    ask: impl Fn(*mut libc::passwd, &mut [c_char], *mut *mut libc::passwd) -> i32,
) -> io::Result<Option<Account>> {
    let mut buffer: Vec<c_char> = vec![0; 1024];
    loop {
        // SAFETY: `passwd` is plain data for which all zeros is a valid value.
        let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
        let mut found = std::ptr::null_mut();
        match ask(&raw mut entry, &mut buffer, &raw mut found) {
            0 if found.is_null() => return Ok(None),
            0 => return Ok(Some(read(&entry))),
            libc::ERANGE if buffer.len() < MAX_ENTRY => buffer.resize(buffer.len() * 4, 0),
            status => return not_there(status).map(|()| None),
        }
    }
}

/// Some databases say "not found" as an error number.
fn not_there(status: i32) -> io::Result<()> {
    match status {
        libc::ENOENT | libc::ESRCH => Ok(()),
        status => Err(io::Error::from_raw_os_error(status)),
    }
}

/// `entry`'s pointers lead into a buffer that is alive while this runs.
fn read(entry: &libc::passwd) -> Account {
    let comment = text(entry.pw_gecos);
    let full_name = comment.to_string_lossy();
    Account {
        name: text(entry.pw_name).to_string_lossy().into_owned(),
        uid: entry.pw_uid,
        gid: entry.pw_gid,
        full_name: full_name.split(',').next().unwrap_or("").trim().to_owned(),
        home: PathBuf::from(text(entry.pw_dir)),
        shell: PathBuf::from(text(entry.pw_shell)),
    }
}

fn text(field: *const c_char) -> OsString {
    if field.is_null() {
        return OsString::new();
    }
    // SAFETY: a field of an entry that the C library just filled in ends with a zero.
    let bytes = unsafe { CStr::from_ptr(field) }.to_bytes();
    OsString::from_vec(OsStr::from_bytes(bytes).as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_found_by_name_and_by_number() {
        let root = Account::by_name("root").unwrap().unwrap();
        assert_eq!(root.uid, 0);
        assert_eq!(Account::by_uid(0).unwrap().unwrap(), root);
        assert!(is_member(&root.groups().unwrap(), "root").unwrap());
    }

    #[test]
    fn the_list_of_accounts_has_root_in_it_and_an_end() {
        let all = accounts(100_000);
        assert!(all.iter().any(|account| account.uid == 0));
        assert_eq!(accounts(1).len(), 1);
        assert_eq!(accounts(100_000), all, "it begins anew");
    }

    #[test]
    fn who_is_not_there_is_not_found() {
        for name in ["no-such-account-x", "", "a\0b", "../root"] {
            assert_eq!(Account::by_name(name).unwrap(), None, "{name:?}");
        }
        assert!(!is_member(&[0], "no-such-group-x").unwrap());
    }
}
