//! Which OS accounts may have desktops: the launcher's own rule, beside PAM's.

use std::io;
use std::path::Path;

use deskway_osuser::{Account, NOBODY};

use crate::config::{Access, Admin};
use crate::model::UserName;

/// Why the account may not have a desktop, in words for the person; `None`: it may.
///
/// # Errors
/// When the account database cannot be asked.
pub(crate) fn refuse(account: &Account, access: &Access) -> io::Result<Option<String>> {
    if account.uid == 0 {
        return Ok(Some("root has no desktop here".to_owned()));
    }
    if account.uid < access.min_uid || account.uid == NOBODY {
        return Ok(Some("it is a system account".to_owned()));
    }
    if !can_log_in(&account.shell) {
        return Ok(Some("its shell lets nobody in".to_owned()));
    }
    if access.groups.is_empty() {
        return Ok(None);
    }
    let groups = account.groups()?;
    for group in &access.groups {
        if deskway_osuser::is_member(&groups, group)? {
            return Ok(None);
        }
    }
    Ok(Some("it is in none of the groups that may".to_owned()))
}

/// The first of `groups` that the account is in.
///
/// # Errors
/// When the account database cannot be asked.
pub(crate) fn first_group(account: &Account, groups: &[String]) -> io::Result<Option<usize>> {
    if groups.is_empty() {
        return Ok(None);
    }
    let own = account.groups()?;
    for (at, group) in groups.iter().enumerate() {
        if deskway_osuser::is_member(&own, group)? {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// Whether who signs in by that name is an admin. `account` is what their desktops run as: its
/// groups count; `None` where all run as one account, and groups tell nobody from anybody.
///
/// # Errors
/// When it hangs on the account database, which cannot be asked.
pub(crate) fn is_admin(
    name: &UserName,
    account: Option<&Account>,
    admin: &Admin,
) -> io::Result<bool> {
    match account {
        Some(account) if !is_admin_by_name(name, admin) => {
            Ok(first_group(account, &admin.groups)?.is_some())
        }
        _ => Ok(is_admin_by_name(name, admin)),
    }
}

/// Whether that is so whatever groups there are.
pub(crate) fn is_admin_by_name(name: &UserName, admin: &Admin) -> bool {
    admin.users.iter().any(|admin| admin == name.as_str())
}

/// Whether a shell is one that lets people in; an empty one stands for /bin/sh.
pub(crate) fn can_log_in(shell: &Path) -> bool {
    let name = shell.file_name().and_then(|name| name.to_str());
    !matches!(name, Some("nologin" | "false"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(uid: u32, shell: &str) -> Account {
        Account {
            name: "root".to_owned(),
            uid,
            gid: 0,
            full_name: String::new(),
            home: "/".into(),
            shell: shell.into(),
        }
    }

    fn may(account: &Account, groups: &[&str]) -> bool {
        let groups = groups.iter().map(|&group| group.to_owned()).collect();
        let min_uid = 1000;
        refuse(account, &Access { min_uid, groups })
            .unwrap()
            .is_none()
    }

    #[test]
    fn people_may_and_the_system_s_accounts_may_not() {
        assert!(may(&account(1000, "/bin/bash"), &[]));
        assert!(may(&account(1000, ""), &[]));
        for (uid, shell) in [
            (0, "/bin/bash"),
            (999, "/bin/bash"),
            (NOBODY, "/bin/bash"),
            (1000, "/usr/sbin/nologin"),
            (1000, "/bin/false"),
        ] {
            assert!(!may(&account(uid, shell), &[]), "{uid} {shell}");
        }
    }

    #[test]
    fn the_first_group_that_fits_counts() {
        let first = |groups: &[&str]| {
            let groups: Vec<String> = groups.iter().map(|&group| group.to_owned()).collect();
            first_group(&account(1000, ""), &groups).unwrap()
        };
        assert_eq!(first(&["no-such-group", "root", "root"]), Some(1));
        assert_eq!(first(&["no-such-group"]), None);
        assert_eq!(first(&[]), None);
    }

    #[test]
    fn who_cannot_be_asked_about_is_not_taken_for_one_in_no_group() {
        let unknown = Account {
            name: "no\0name".to_owned(),
            ..account(1000, "")
        };
        let root = ["root".to_owned()];
        assert!(first_group(&unknown, &root).is_err());
        assert!(first_group(&unknown, &[]).is_ok(), "nothing hangs on it");
        let admin = |users: &[&str]| Admin {
            users: users.iter().map(|&name| name.to_owned()).collect(),
            groups: root.to_vec(),
        };
        let name: UserName = "alice".parse().unwrap();
        assert!(is_admin(&name, Some(&unknown), &admin(&["bob"])).is_err());
        assert!(is_admin(&name, Some(&unknown), &admin(&["alice"])).unwrap());
    }

    #[test]
    fn admins_are_named_or_in_a_group_that_tells_something() {
        let admin = |users: &[&str], groups: &[&str]| Admin {
            users: users.iter().map(|&name| name.to_owned()).collect(),
            groups: groups.iter().map(|&name| name.to_owned()).collect(),
        };
        let name: UserName = "alice".parse().unwrap();
        // Its groups are those of root.
        let account = account(1000, "");
        let is = |account, admin: &Admin| is_admin(&name, account, admin).unwrap();
        assert!(!is(Some(&account), &Admin::default()));
        assert!(is(None, &admin(&["bob", "alice"], &[])));
        assert!(!is(
            Some(&account),
            &admin(&["alic", "Alice"], &["no-such-group"])
        ));
        assert!(is(Some(&account), &admin(&[], &["no-such-group", "root"])));
        assert!(!is(None, &admin(&[], &["root"])));
    }

    #[test]
    fn a_list_of_groups_lets_only_their_members_in() {
        // The account that is asked about has the name, and so the groups, of root.
        assert!(may(&account(1000, ""), &["no-such-group", "root"]));
        assert!(!may(&account(1000, ""), &["no-such-group"]));
    }
}
