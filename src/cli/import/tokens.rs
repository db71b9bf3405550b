//! Websockify's token files: `token: host:port`, or a directory of them.
//!
//! A token names no person. One that could be somebody's name is taken for it: `alice` is her main
//! desktop, `alice/work` another of hers.

use std::path::Path;
use std::sync::Arc;

use super::found::{Attached, Found, Place};
use super::{Error, text_file};
use crate::model::DesktopId;

/// Most files of a directory.
const MAX_FILES: usize = 1000;

pub(super) fn read(path: &Path) -> Result<Found, Error> {
    let mut found = Found::default();
    if path.is_dir() {
        let unreadable = |error| Error::unreadable(path, error);
        let entries = std::fs::read_dir(path).map_err(unreadable)?;
        let mut files = Vec::new();
        for entry in entries.take(MAX_FILES + 1) {
            files.push(entry.map_err(unreadable)?.path());
        }
        if files.len() > MAX_FILES {
            let error = std::io::Error::other(format!("it has more than {MAX_FILES} files"));
            return Err(unreadable(error));
        }
        files.sort();
        for file in files.iter().filter(|file| file.is_file()) {
            lines(file, &mut found)?;
        }
    } else {
        lines(path, &mut found)?;
    }
    found.remind(
        "each of these tokens was taken for the name of its owner: write another OWNER where it is \
         none",
    );
    found.remind("links with ?token=NAME become /novnc/NAME/vnc.html or /d/NAME/");
    Ok(found)
}

fn lines(path: &Path, found: &mut Found) -> Result<(), Error> {
    let text = text_file::read(path).map_err(|error| Error::unreadable(path, error))?;
    let file: Arc<Path> = path.into();
    for (number, line) in (1..).zip(text.lines()) {
        let file = Arc::clone(&file);
        let place = Place { file, line: number };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match pair(line) {
            Some((token, target)) if token.parse::<DesktopId>().is_ok() => {
                // As websockify has it, the last line counts.
                let desktop = Some(token.to_owned());
                if let Some(at) = found.attached.iter().position(|it| it.desktop == desktop) {
                    let earlier = found.attached.remove(at);
                    found.lost(
                        &earlier.place,
                        format!("`{token}` is named again in {place}"),
                    );
                }
                found.attached.push(Attached {
                    place,
                    desktop,
                    target: target_of(target),
                    ca_file: None,
                    password: None,
                });
            }
            // It may be a secret: whoever knows it gets in.
            Some(_) => found.lost(
                &place,
                "this token could be nobody's name: write an [[attach]] with its owner",
            ),
            None => found.lost(&place, "this line is no `token: host:port`"),
        }
    }
    Ok(())
}

/// The token, and the target behind a colon that white space follows.
fn pair(line: &str) -> Option<(&str, &str)> {
    let at = line
        .match_indices(':')
        .find(|(at, _)| {
            line.get(at + 1..)
                .is_some_and(|rest| rest.starts_with(char::is_whitespace))
        })?
        .0;
    let (token, rest) = line.split_at_checked(at)?;
    Some((token.trim(), rest.strip_prefix(':')?.trim()))
}

fn target_of(target: &str) -> String {
    match target.strip_prefix("unix_socket:") {
        Some(path) => format!("unix:{}", path.trim()),
        None => target.to_owned(),
    }
}

/// Whether a text is of this kind.
pub(super) fn is_one(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim);
    lines
        .find(|line| !line.is_empty() && !line.starts_with('#'))
        .is_some_and(|line| pair(line).is_some_and(|(_, target)| target.contains(':')))
}
