//! Puts the result where Deskway looks: whole or not at all, and never over something else
//! without being told to.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};

use super::Error;
use super::found::{Attached, Found};
use super::render::password_file;
use crate::runtime::random_bytes;

/// For everybody to read, as configurations in `/etc` are.
const OPEN: u32 = 0o644;
/// For what has a secret in it.
const SECRET: u32 = 0o600;

/// Writes the passwords of VNC servers into files of their own, then the configuration. With
/// `force`, what is there already is replaced.
pub(super) fn write(found: &Found, text: &str, path: &Path, force: bool) -> Result<(), Error> {
    let beside = path.parent().unwrap_or_else(|| Path::new("/"));
    fs::create_dir_all(beside).map_err(|source| failed(beside, source))?;
    // A query may be what lets people in.
    let has_query = |it: &Attached| it.target.contains('?');
    let mode = if found.attached.iter().any(has_query) {
        SECRET
    } else {
        OPEN
    };
    let mut files: Vec<(PathBuf, String, u32)> = Vec::new();
    for attached in &found.attached {
        if let (Some(file), Some(password)) = (password_file(attached, beside), &attached.password)
        {
            files.push((file, format!("{}\n", password.expose()), SECRET));
        }
    }
    files.push((path.to_owned(), text.to_owned(), mode));
    if !force {
        for (path, ..) in &files {
            if path.symlink_metadata().is_ok() {
                return Err(Error::Exists { path: path.clone() });
            }
        }
    }
    let mut placed = Vec::new();
    for (path, text, mode) in &files {
        if let Err(error) = one(path, text, *mode, force) {
            // As it was before; what was replaced stays.
            for path in placed.iter().filter(|_| !force) {
                _ = fs::remove_file(path);
            }
            return Err(error);
        }
        placed.push(path);
    }
    Ok(())
}

/// Whole under another name first, then in its place at once.
fn one(path: &Path, text: &str, mode: u32, force: bool) -> Result<(), Error> {
    let number = random_bytes().map_err(|source| failed(path, source))?;
    let number = u64::from_ne_bytes(number);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{number:016x}"));
    let new = path.with_file_name(name);
    let placed = fill(&new, text, mode).and_then(|()| {
        let flags = if force {
            RenameFlags::empty()
        } else {
            RenameFlags::NOREPLACE
        };
        Ok(rustix::fs::renameat_with(CWD, &new, CWD, path, flags)?)
    });
    placed.map_err(|source| {
        _ = fs::remove_file(&new);
        match source.kind() {
            io::ErrorKind::AlreadyExists => Error::Exists {
                path: path.to_owned(),
            },
            _ => failed(path, source),
        }
    })
}

fn fill(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::Write {
        path: path.to_owned(),
        source,
    }
}
