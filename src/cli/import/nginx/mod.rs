//! `nginx.conf`: the desktops that it passes on to websockify become attached ones, its addresses,
//! names and certificate Deskway's own.

mod links;
mod server;
mod tree;
mod words;

use std::path::Path;

use super::Error;
use super::found::Found;
use crate::model::UserName;

use server::Http;
use tree::Tree;

/// Words that no other of the files begins with.
const BEGINNINGS: &[&str] = &[
    "user",
    "daemon",
    "events",
    "http",
    "server",
    "location",
    "include",
    "upstream",
    "map",
    "pid",
    "worker_processes",
    "error_log",
    "load_module",
];

/// `owner`: whose a desktop is that no location names.
pub(super) fn read(path: &Path, owner: Option<&UserName>) -> Result<Found, Error> {
    let mut found = Found::default();
    let tree = Tree::read(path, &mut found)?;
    Http::of(&tree).carry(owner, &mut found);
    Ok(found)
}

/// Whether a text is of this kind.
pub(super) fn is_one(text: &str) -> bool {
    let first = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'));
    let word = first.and_then(|line| line.split([' ', '\t', '{', ';']).next());
    word.is_some_and(|word| BEGINNINGS.contains(&word)) && text.contains(['{', ';'])
}
