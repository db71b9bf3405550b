//! `[admin]`: who may see and stop everybody's desktops.

use super::access::group_name;
use super::place::{Fault, Field};
use crate::config::problems::Problems;
use crate::config::{Admin, raw};
use crate::model::UserName;

/// Most names of each kind.
const MAX_NAMES: usize = 100;

pub(super) fn admin(raw: raw::Admin, admin: &mut Admin, problems: &mut Problems<'_>) {
    let field = |key| Field::new("admin", key);
    admin.users = field("users").list(raw.users, MAX_NAMES, problems, user_name);
    admin.groups = field("groups").list(raw.groups, MAX_NAMES, problems, group_name);
}

/// A name that nobody can have would make nobody an admin, unnoticed.
fn user_name(name: &str) -> Result<String, Fault> {
    let name: UserName = name.parse().map_err(|_| Fault::Wants)?;
    Ok(name.to_string())
}
