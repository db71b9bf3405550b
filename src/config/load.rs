//! Finds and reads the file.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::check::check;
use super::defaults::Place;
use super::parse::parse;
use super::problems::Problems;
use super::{Config, Error, Overrides};

/// Most bytes of a file. The launcher sends it to the front in one message.
pub const MAX_FILE: u64 = 64 * 1024;

/// Reads the configuration: the file at `path`, else the one in its usual place, else none; then
/// `overrides`. Also gives the file's text (empty without a file), for [`from_text`] in another
/// process.
///
/// # Errors
/// When the file cannot be read (an explicit `path` must exist) or anything in it is wrong.
pub fn load(path: Option<&Path>, overrides: &Overrides) -> Result<(Config, String), Error> {
    let Some(path) = file(path) else {
        return Ok((from_text("", "", overrides)?, String::new()));
    };
    let text = read(&path)?;
    let config = from_text(&text, &path.display().to_string(), overrides)?;
    Ok((config, text))
}

/// Reads the configuration from the text of a file; `origin` is the file's name in errors.
///
/// # Errors
/// When anything in it is wrong.
pub fn from_text(text: &str, origin: &str, overrides: &Overrides) -> Result<Config, Error> {
    over(
        Config::default_for(effective_uid()),
        text,
        origin,
        overrides,
    )
}

/// As [`from_text`], over defaults that are at hand: for a process that has given up the uid, and
/// perhaps the sight of `/etc`, with which the first configuration was read.
///
/// # Errors
/// When anything in it is wrong.
pub fn over(
    defaults: Config,
    text: &str,
    origin: &str,
    overrides: &Overrides,
) -> Result<Config, Error> {
    let mut config = defaults;
    let mut problems = Problems::new(text);
    let raw = parse(text, &mut problems);
    check(raw, &mut config, &mut problems);
    if !problems.is_empty() {
        return Err(Error::Wrong {
            origin: origin.to_owned(),
            problems: problems.into_sorted(),
        });
    }
    overrides.apply(&mut config);
    Ok(config)
}

/// The file that [`load`] reads: `path`, else the one in its usual place if there is one, which
/// is `/etc/deskway/deskway.toml` for root and `$XDG_CONFIG_HOME/deskway/deskway.toml` for an
/// ordinary user.
pub fn file(path: Option<&Path>) -> Option<PathBuf> {
    if let Some(path) = path {
        return Some(path.to_path_buf());
    }
    usual_file().filter(|path| path.exists())
}

/// Where [`load`] looks when it is told no file; it need not be there. `None`: this user has no home.
pub fn usual_file() -> Option<PathBuf> {
    with_place(effective_uid(), |place| {
        if place.is_root() {
            Some(PathBuf::from("/etc/deskway/deskway.toml"))
        } else {
            let folder = place.xdg("XDG_CONFIG_HOME", ".config")?;
            Some(folder.join("deskway/deskway.toml"))
        }
    })
}

/// Calls `made` with this machine's [`Place`].
pub(super) fn with_place<T>(uid: u32, made: impl FnOnce(&Place<'_>) -> T) -> T {
    let login_defs = std::fs::read_to_string("/etc/login.defs").unwrap_or_default();
    made(&Place {
        uid,
        env: &|name| std::env::var_os(name),
        login_defs: &login_defs,
    })
}

fn effective_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn read(path: &Path) -> Result<String, Error> {
    let unreadable = |source| Error::Unreadable {
        path: path.to_path_buf(),
        source,
    };
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(unreadable(io::Error::other("it is not a file")));
    }
    if effective_uid() == 0 && metadata.permissions().mode() & 0o002 != 0 {
        return Err(Error::WritableByAll {
            path: path.to_path_buf(),
        });
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_FILE) {
        return Err(Error::TooLong {
            path: path.to_path_buf(),
            max: MAX_FILE,
        });
    }
    String::from_utf8(bytes).map_err(|_| unreadable(io::Error::other("it is not UTF-8 text")))
}
