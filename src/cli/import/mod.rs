//! `deskway import`: another program's configuration → the `deskway.toml` that does the same, and
//! what it could not carry over.
//!
//! A module for each kind of file makes [`found::Found`] of it; `render` writes that down, `place`
//! puts it where Deskway looks.

mod found;
mod nginx;
mod place;
mod render;
mod text_file;
mod tokens;
mod user_mapping;
mod vncserver_users;

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use deskway_osuser::Account;

use self::found::{Found, Place};
use super::{Import, Source, out};
use crate::config::{self, Overrides};

/// Why nothing is imported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read {path}: {source}", path = path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{place}: {reason}")]
    Syntax { place: SyntaxPlace, reason: String },
    #[error(
        "{path} is none of the files that can be imported; if it is, say which with --from nginx, tokens, vncserver-users or user-mapping",
        path = path.display()
    )]
    Unknown { path: PathBuf },
    #[error("what was made of it is no sound configuration, which should not be: {0}")]
    Unsound(config::Error),
    #[error(
        "what becomes of it has {0} bytes, and a configuration file may have {max}: import it in parts",
        max = config::MAX_FILE
    )]
    TooLong(usize),
    #[error(
        "{path} is there already: move it away, write elsewhere with --write PATH, or replace it with --force",
        path = path.display()
    )]
    Exists { path: PathBuf },
    #[error("there is no usual place for the configuration: name one with --write PATH")]
    NoPlace,
    #[error("cannot write {path}: {source}", path = path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// Where a file is not what it should be.
#[derive(Debug)]
pub struct SyntaxPlace(Place);

impl std::fmt::Display for SyntaxPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Error {
    fn unreadable(path: &Path, source: io::Error) -> Self {
        Self::Unreadable {
            path: path.to_owned(),
            source,
        }
    }

    fn syntax(place: Place, reason: String) -> Self {
        Self::Syntax {
            place: SyntaxPlace(place),
            reason,
        }
    }
}

/// Prints the configuration or writes it; what was not carried over goes to standard error.
///
/// # Errors
/// When the file cannot be read or understood, or the result not be written.
pub fn run(args: &Import) -> Result<(), super::Error> {
    let mut found = read(args)?;
    found.settle();
    name_strangers(&mut found);
    let path = match &args.write {
        Some(Some(path)) => Some(path.clone()),
        Some(None) => Some(config::usual_file().ok_or(Error::NoPlace)?),
        None => config::usual_file(),
    };
    // Password files are named from `/` on.
    let path = path.map(|path| std::path::absolute(&path).unwrap_or(path));
    let beside = path
        .as_deref()
        .and_then(Path::parent)
        .unwrap_or_else(|| Path::new("/"));
    let written = args.write.is_some();
    if !written {
        for attached in &found.attached.clone() {
            if let Some(file) = render::password_file(attached, beside) {
                let text = format!("--write puts the password into {}", file.display());
                found.lost(&attached.place, text);
            }
        }
    }
    let text = render::file(&found, &args.file, beside);
    check(&text)?;
    tell(&found);
    match path.filter(|_| written) {
        None => out::print(&text),
        Some(path) => {
            place::write(&found, &text, &path, args.force)?;
            let desktops = found
                .attached
                .iter()
                .filter(|it| it.desktop.is_some())
                .count();
            let path = path.display();
            out::print(&format!(
                "{path}: written, with {desktops} attached desktops\n"
            ))
        }
    }
}

/// What Deskway would refuse is never printed.
fn check(text: &str) -> Result<(), Error> {
    if text.len() as u64 > config::MAX_FILE {
        return Err(Error::TooLong(text.len()));
    }
    config::from_text(text, "the result", &Overrides::default()).map_err(Error::Unsound)?;
    Ok(())
}

fn read(args: &Import) -> Result<Found, Error> {
    let file = &args.file;
    let source = match args.from {
        Some(source) => source,
        None if file.is_dir() => Source::Tokens,
        None => {
            let text = text_file::read(file).map_err(|error| Error::unreadable(file, error))?;
            recognise(&text).ok_or_else(|| Error::Unknown { path: file.clone() })?
        }
    };
    match source {
        Source::Nginx => nginx::read(file, args.owner.as_ref()),
        Source::Tokens => tokens::read(file),
        Source::VncserverUsers => vncserver_users::read(file, args.attach),
        Source::UserMapping => user_mapping::read(file),
    }
}

fn recognise(text: &str) -> Option<Source> {
    if user_mapping::is_one(text) {
        Some(Source::UserMapping)
    } else if vncserver_users::is_one(text) {
        Some(Source::VncserverUsers)
    } else if tokens::is_one(text) {
        Some(Source::Tokens)
    } else if nginx::is_one(text) {
        Some(Source::Nginx)
    } else {
        None
    }
}

/// Says which owners of desktops have no account on this machine.
fn name_strangers(found: &mut Found) {
    let owners = found.attached.iter().filter_map(|it| it.desktop.as_deref());
    let owners: BTreeSet<String> = owners
        .map(|desktop| desktop.split('/').next().unwrap_or_default().to_owned())
        .filter(|owner| matches!(Account::by_name(owner), Ok(None)))
        .collect();
    if !owners.is_empty() {
        let owners: Vec<_> = owners.into_iter().collect();
        let names = owners.join(", ");
        found.remind(format!(
            "this machine has no account for {names}: make them (deskway user add, or adduser), or \
             write who the owners are"
        ));
    }
}

/// Everything that the admin should know, on standard error.
fn tell(found: &Found) {
    let mut err = io::stderr().lock();
    for (title, notes) in [
        ("not carried over", &found.not_carried),
        ("to do", &found.to_do),
    ] {
        for note in notes {
            // When standard error is closed there is nobody to tell.
            _ = writeln!(err, "{title}: {note}");
        }
    }
}

#[cfg(test)]
mod tests;
