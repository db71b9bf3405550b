//! `[access]`: who may have desktops.

use super::place::{Fault, Field, number};
use crate::config::problems::Problems;
use crate::config::{Access, raw};

pub(super) fn access(raw: raw::Access, access: &mut Access, problems: &mut Problems<'_>) {
    let field = |key| Field::new("access", key);
    // The largest uid stands for "no user" in the kernel.
    field("min_uid").set(raw.min_uid, &mut access.min_uid, problems, |uid| {
        number(*uid, 1..=u32::MAX - 1)
    });
    access.groups = field("groups").list(raw.groups, 100, problems, group_name);
}

/// The name of a group of the machine.
pub(super) fn group_name(name: &str) -> Result<String, Fault> {
    let fits = (1..=64).contains(&name.len())
        && !name.starts_with('-')
        && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == ':');
    if fits {
        Ok(name.to_owned())
    } else {
        Err(Fault::Wants)
    }
}
