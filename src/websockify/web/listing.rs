//! The page that lists a directory.

use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, Dir, FileType};

use super::page::escape;
use super::request_path::encode;

/// Most entries of a directory that are listed.
const MAX_ENTRIES: usize = 10_000;

struct Entry {
    name: OsString,
    kind: FileType,
}

/// `path` is how people know the directory.
pub(super) fn page(directory: OwnedFd, path: &str) -> rustix::io::Result<String> {
    let (mut entries, more) = read(directory)?;
    entries.sort_by_cached_key(|entry| entry.name.to_string_lossy().to_lowercase());
    let title = format!("Directory listing for {}", escape(path));
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\
         <title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n<hr>\n<ul>\n"
    );
    for entry in &entries {
        let mut shown = entry.name.to_string_lossy().into_owned();
        let mut link = encode(&entry.name);
        match entry.kind {
            FileType::Directory => {
                shown.push('/');
                link.push('/');
            }
            FileType::Symlink => shown.push('@'),
            _ => {}
        }
        // Writing to a string does not fail.
        _ = writeln!(html, "<li><a href=\"{link}\">{}</a></li>", escape(&shown));
    }
    html.push_str("</ul>\n<hr>\n");
    if more {
        _ = writeln!(html, "<p>There are more than these {MAX_ENTRIES}.</p>");
    }
    html.push_str("</body>\n</html>\n");
    Ok(html)
}

/// The entries, and whether there are more.
fn read(directory: OwnedFd) -> rustix::io::Result<(Vec<Entry>, bool)> {
    let mut entries = Vec::new();
    let mut directory = Dir::new(directory)?;
    while let Some(found) = directory.read() {
        let found = found?;
        let name = OsStr::from_bytes(found.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        if entries.len() == MAX_ENTRIES {
            return Ok((entries, true));
        }
        entries.push(Entry {
            name: name.to_owned(),
            kind: match found.file_type() {
                // Some file systems do not tell.
                FileType::Unknown => kind(&directory, name),
                kind => kind,
            },
        });
    }
    Ok((entries, false))
}

fn kind(directory: &Dir, name: &OsStr) -> FileType {
    let found = directory
        .fd()
        .and_then(|fd| rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW));
    found.map_or(FileType::Unknown, |found| {
        FileType::from_raw_mode(found.st_mode)
    })
}
