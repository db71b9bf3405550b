//! What there is at a path.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use http::HeaderValue;
use rustix::fs::{FileType, OFlags, Stat};
use rustix::io::Errno;

use super::beneath::Root;
use super::request_path::RequestPath;
use super::{content_type, listing};

/// What is served for a directory, the first that there is.
const INDEXES: [&str; 2] = ["index.html", "index.htm"];

#[derive(Debug)]
pub(super) enum Found {
    Nothing,
    /// A directory that was asked for without the slash.
    Directory,
    /// The page that lists a directory.
    Listing(String),
    File(Regular),
}

/// An ordinary file, open.
#[derive(Debug)]
pub(super) struct Regular {
    pub(super) open: File,
    /// In bytes.
    pub(super) length: u64,
    /// Seconds since 1970, and nanoseconds.
    pub(super) modified: (i64, u64),
    pub(super) content_type: HeaderValue,
}

/// Blocks on the disk. What may not be read is not there, as for Python's server.
///
/// # Errors
/// When the machine lacks something.
pub(super) fn look(root: &Root, path: &RequestPath, list: bool) -> io::Result<Found> {
    let found = look_at(root, path, list);
    match found {
        Err(error) if is_about_the_path(error) => Ok(Found::Nothing),
        found => Ok(found?),
    }
}

fn look_at(root: &Root, path: &RequestPath, list: bool) -> rustix::io::Result<Found> {
    // Only looked at: to open a pipe or a device would do something.
    let found = root.find(path.names(), OFlags::PATH)?;
    match kind(&rustix::fs::fstat(&found)?) {
        FileType::Directory if path.has_slash() => look_in(root, path, list),
        FileType::Directory => Ok(Found::Directory),
        FileType::RegularFile if !path.has_slash() => open(root, path.names()),
        _ => Ok(Found::Nothing),
    }
}

fn look_in(root: &Root, path: &RequestPath, list: bool) -> rustix::io::Result<Found> {
    for index in INDEXES {
        let mut names = path.names().to_vec();
        names.push(index.into());
        let found = root.find(&names, OFlags::PATH);
        let is_file = found
            .and_then(rustix::fs::fstat)
            .is_ok_and(|stat| kind(&stat) == FileType::RegularFile);
        if is_file {
            return open(root, &names);
        }
    }
    if !list {
        return Ok(Found::Nothing);
    }
    let directory = root.find(path.names(), OFlags::RDONLY | OFlags::DIRECTORY)?;
    listing::page(directory, &path.display()).map(Found::Listing)
}

fn open(root: &Root, names: &[OsString]) -> rustix::io::Result<Found> {
    // Whatever may have been put there meanwhile, it holds nobody up.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let open: OwnedFd = root.find(names, flags)?;
    let stat = rustix::fs::fstat(&open)?;
    if kind(&stat) != FileType::RegularFile {
        return Ok(Found::Nothing);
    }
    let name = names.last().map(OsString::as_os_str).unwrap_or_default();
    Ok(Found::File(Regular {
        open: open.into(),
        length: u64::try_from(stat.st_size).unwrap_or_default(),
        modified: (stat.st_mtime, stat.st_mtime_nsec),
        content_type: content_type::of(name),
    }))
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

fn is_about_the_path(error: Errno) -> bool {
    matches!(
        error,
        Errno::NOENT
            | Errno::NOTDIR
            | Errno::ACCESS
            | Errno::PERM
            | Errno::LOOP
            | Errno::XDEV
            | Errno::NAMETOOLONG
            | Errno::NXIO
    )
}
