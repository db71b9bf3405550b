//! Who a process is, and becoming somebody else for good.
//!
//! Credentials belong to threads on Linux, and these calls change the calling one: a process
//! does this while it has a single thread.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit};
use rustix::thread::CapabilitySet;

use rustix::fs::{Gid, Uid};

use crate::account::Account;

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The effective uid of this process.
pub fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Becomes the owner of a desktop: groups, gid, uid, with no way back.
///
/// # Errors
/// When a step fails or did not take; the process must end then.
pub fn become_user(account: &Account) -> io::Result<()> {
    take_groups(account)?;
    become_with_groups(account)
}

/// As [`become_user`], with the groups that this process has: those of [`take_groups`] and what
/// PAM added to them.
///
/// # Errors
/// As [`become_user`].
pub fn become_with_groups(account: &Account) -> io::Result<()> {
    change(account.uid, account.gid)
}

/// Takes the groups of an account without becoming it, as PAM wants it before credentials are
/// established (pam_setcred(3)): modules may add groups to them.
///
/// # Errors
/// When the groups cannot be found or set.
pub fn take_groups(account: &Account) -> io::Result<()> {
    let groups: Vec<Gid> = account.groups()?.into_iter().map(Gid::from_raw).collect();
    Ok(rustix::thread::set_thread_groups(&groups)?)
}

/// Becomes a service user that can never get anything back: no capability in any set, no new
/// privileges by exec, no core dump, not to be traced.
///
/// # Errors
/// When a step fails or did not take; the process must end then.
pub fn drop_to(uid: u32, gid: u32) -> io::Result<()> {
    if is_root() {
        for capability in CapabilitySet::all().iter() {
            match rustix::thread::remove_capability_from_bounding_set(capability) {
                // Capabilities that this kernel does not know.
                Ok(()) | Err(rustix::io::Errno::INVAL) => {}
                Err(error) => return Err(error.into()),
            }
        }
        rustix::thread::set_thread_groups(&[])?;
        change(uid, gid)?;
        let none = rustix::thread::capabilities(None)?;
        if !(none.effective | none.permitted | none.inheritable).is_empty() {
            return Err(io::Error::other("capabilities are left"));
        }
    }
    rustix::thread::set_no_new_privs(true)?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    rustix::process::setrlimit(Resource::Core, none)?;
    Ok(())
}

fn change(uid: u32, gid: u32) -> io::Result<()> {
    if uid == 0 || uid == u32::MAX || gid == u32::MAX {
        return Err(io::Error::other("this account is never to be used"));
    }
    let (user, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
    rustix::thread::set_thread_res_gid(group, group, group)?;
    rustix::thread::set_thread_res_uid(user, user, user)?;
    let took = rustix::process::getuid() == user
        && rustix::process::geteuid() == user
        && rustix::process::getgid() == group
        && rustix::process::getegid() == group;
    if !took {
        return Err(io::Error::other("the change of account did not take"));
    }
    if rustix::thread::set_thread_uid(Uid::ROOT).is_ok() {
        return Err(io::Error::other("the change of account can be undone"));
    }
    Ok(())
}
