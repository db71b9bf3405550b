//! `TokenFile` and `ReadOnlyTokenFile`: lines of `token: host:port` in a file, or in the files of
//! a directory.

mod complaints;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use self::complaints::Complaints;
use super::target_text::{self, BadTarget};
use super::{LookupError, read};
use crate::websockify::Target;

/// Most bytes of one token file.
const MAX_FILE: u64 = 16 << 20;
/// Most files of a directory of token files, and most bytes of all of them.
const MAX_FILES: usize = 10_000;
const MAX_BYTES: usize = 64 << 20;

type Targets = HashMap<String, Target>;

/// A file of tokens, or a directory of such files.
pub(super) struct TokenFile {
    path: PathBuf,
    /// What was read, when it is read once only.
    once: Option<OnceCell<Targets>>,
    /// What the log was told last.
    told: Arc<Mutex<Complaints>>,
}

/// Why a line names no token and target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum LineFault {
    #[error("it is not of the form 'token: host:port', with one colon that white space follows")]
    Syntax,
    #[error("{0}")]
    Target(BadTarget),
    #[error("it is not UTF-8")]
    Encoding,
}

impl TokenFile {
    /// `TokenFile`: what the file says when somebody comes.
    pub(super) fn read_each_time(path: &str) -> Self {
        Self {
            path: read::place(path),
            once: None,
            told: Arc::default(),
        }
    }

    /// `ReadOnlyTokenFile`: what the file said when the first visitor came.
    pub(super) fn read_once(path: &str) -> Self {
        Self {
            once: Some(OnceCell::new()),
            ..Self::read_each_time(path)
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self.once {
            None => "TokenFile",
            Some(_) => "ReadOnlyTokenFile",
        }
    }

    pub(super) async fn lookup(&self, token: &str) -> Result<Option<Target>, LookupError> {
        match &self.once {
            None => Ok(self.load().await?.remove(token)),
            Some(once) => {
                let targets = once.get_or_try_init(|| self.load()).await?;
                Ok(targets.get(token).cloned())
            }
        }
    }

    async fn load(&self) -> Result<Targets, LookupError> {
        let (path, told) = (self.path.clone(), Arc::clone(&self.told));
        let work = move || {
            let mut complaints = Complaints::default();
            let targets = load(&path, &mut complaints)?;
            complaints.tell(&mut told.lock().unwrap_or_else(PoisonError::into_inner));
            Ok(targets)
        };
        let loaded = read::aside(work, self.name()).await?;
        loaded.map_err(|error| LookupError::Unreadable {
            path: self.path.clone(),
            error,
        })
    }
}

/// Reads the file, or each file of the directory in the order of their names. A later line about
/// the same token wins. In a directory, a file that cannot be read is complained of and left out.
fn load(path: &Path, complaints: &mut Complaints) -> io::Result<Targets> {
    let mut targets = Targets::new();
    if !path.is_dir() {
        let bytes = read::whole(path, MAX_FILE)?;
        take_lines(path, &bytes, &mut targets, complaints);
        return Ok(targets);
    }
    let mut total = 0;
    for file in files_in(path)? {
        match read::whole(&file, MAX_FILE) {
            Ok(bytes) => {
                total += bytes.len();
                if total > MAX_BYTES {
                    return Err(io::Error::other(format!(
                        "its files are larger than {MAX_BYTES} bytes together"
                    )));
                }
                take_lines(&file, &bytes, &mut targets, complaints);
            }
            Err(error) => complaints.add(|| format!("{} is left out: {error}", file.display())),
        }
    }
    Ok(targets)
}

fn files_in(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        if files.len() == MAX_FILES {
            return Err(io::Error::other(format!("it holds over {MAX_FILES} files")));
        }
        files.push(entry?.path());
    }
    files.sort();
    Ok(files)
}

/// Adds what the lines say; complains of each that says nothing.
fn take_lines(path: &Path, bytes: &[u8], targets: &mut Targets, complaints: &mut Complaints) {
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        match parse_line(line) {
            Ok(Some((token, target))) => {
                targets.insert(token.to_owned(), target);
            }
            Ok(None) => {}
            Err(fault) => {
                let line = || format!("{} line {number} is left out: {fault}", path.display());
                complaints.add(line);
            }
        }
    }
}

/// The token and the target; `None` for an empty line and a comment.
fn parse_line(line: &[u8]) -> Result<Option<(&str, Target)>, LineFault> {
    let line = str::from_utf8(line)
        .map_err(|_| LineFault::Encoding)?
        .trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let mut colons = line
        .match_indices(':')
        .map(|(at, _)| line.split_at(at))
        .filter(|(_, rest)| rest.chars().nth(1).is_some_and(char::is_whitespace));
    let (Some((token, rest)), None) = (colons.next(), colons.next()) else {
        return Err(LineFault::Syntax);
    };
    let target = rest.strip_prefix(':').unwrap_or(rest);
    let target = target_text::parse(target).map_err(LineFault::Target)?;
    Ok(Some((token, target)))
}

#[cfg(test)]
mod tests;
