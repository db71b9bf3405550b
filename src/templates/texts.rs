//! What stands in `templates_dir`: read by whoever may read it, and sent on as bytes to the front,
//! which may not.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Dir, Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::embedded;
use super::error::TemplateError;
use crate::config::distrust;

/// Most bytes of one file.
const MAX_FILE: usize = 256 * 1024;
/// Most files, those that are passed over included.
const MAX_FILES: usize = 200;
/// Most bytes of all files together.
const MAX_ALL: usize = 1024 * 1024;
/// Most bytes of [`Texts::to_bytes`]: the texts, their names and the directory's.
pub const MAX_BYTES: usize = MAX_ALL + 128 * 1024;
/// What a file's name begins with that is no template of ours but a piece for them to include.
const OWN_PIECE: char = '_';

/// The texts of the files in `templates_dir`, not yet looked at. Empty without one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Texts {
    dir: String,
    files: BTreeMap<String, String>,
}

impl Texts {
    /// Reads the directory, and the folder `proxy` in it. Files whose names begin with `.` or end
    /// with `~` are passed over.
    ///
    /// # Errors
    /// When a file cannot be read, is too long, is a link, could have been put there or written by
    /// others, or is called as no template is.
    pub fn read(dir: Option<&Path>) -> Result<Self, TemplateError> {
        let Some(dir) = dir else {
            return Ok(Self::default());
        };
        let mut texts = Self {
            dir: dir.display().to_string(),
            files: BTreeMap::new(),
        };
        let mut seen = 0;
        let (folder, found) = open(CWD, dir.as_os_str(), dir)?;
        if !found.is_dir() {
            let error = io::Error::other("it is not a directory");
            return Err(unreadable(dir, error));
        }
        texts.read_folder(&folder, dir, "", &mut seen)?;
        Ok(texts)
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        // Texts and names always can be written.
        postcard::to_allocvec(self).unwrap_or_default()
    }

    /// # Errors
    /// When they are not what [`Texts::to_bytes`] gives.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TemplateError> {
        postcard::from_bytes(bytes).map_err(|error| TemplateError::Garbled(error.to_string()))
    }

    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        let files = self.files.iter();
        files.map(|(name, text)| (name.as_str(), text.as_str()))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Where the template of that name is to be mended: a file, or `NAME (built in)`.
    pub(super) fn place(&self, name: &str) -> String {
        if self.has(name) {
            format!("{}/{name}", self.dir)
        } else {
            format!("{name} (built in)")
        }
    }

    /// `path` is where `folder` is, `prefix` what the names of its files begin with.
    fn read_folder(
        &mut self,
        folder: &File,
        path: &Path,
        prefix: &str,
        seen: &mut usize,
    ) -> Result<(), TemplateError> {
        let unreadable = |error: Errno| unreadable(path, error.into());
        for entry in Dir::read_from(folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let file_name = OsStr::from_bytes(entry.file_name().to_bytes());
            if file_name == "." || file_name == ".." {
                continue;
            }
            *seen += 1;
            if *seen > MAX_FILES {
                return Err(TemplateError::TooMany {
                    dir: PathBuf::from(&self.dir),
                    max: MAX_FILES,
                });
            }
            let (path, shown) = (path.join(file_name), file_name.to_string_lossy());
            if shown.starts_with('.') || shown.ends_with('~') {
                continue;
            }
            let name = format!("{prefix}{shown}");
            let is_folder = name == embedded::FOLDER;
            if !is_folder
                && !shown.starts_with(OWN_PIECE)
                && embedded::names().all(|known| known != name)
            {
                return Err(unknown(path, name));
            }
            let (file, found) = open(folder.as_fd(), file_name, &path)?;
            if is_folder && found.is_dir() {
                self.read_folder(&file, &path, &format!("{name}/"), seen)?;
                continue;
            }
            if is_folder {
                return Err(unknown(path, name));
            }
            let text = read(file, &found, &path)?;
            self.files.insert(name, text);
            if self.files.values().map(String::len).sum::<usize>() > MAX_ALL {
                return Err(TemplateError::TooMuch {
                    dir: PathBuf::from(&self.dir),
                    max: MAX_ALL,
                });
            }
        }
        Ok(())
    }
}

/// Opens what is called `name` in `folder`. No link is followed, which could lead to what only
/// root may read, and the other end of a pipe is not waited for.
fn open(
    folder: BorrowedFd<'_>,
    name: &OsStr,
    path: &Path,
) -> Result<(File, Metadata), TemplateError> {
    let unreadable = |source| unreadable(path, source);
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(folder, name, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::LOOP) => {
            let error = "it is a link: put what it leads to in its place";
            return Err(unreadable(io::Error::other(error)));
        }
        Err(error) => return Err(unreadable(error.into())),
    };
    let found = file.metadata().map_err(unreadable)?;
    match distrust(&found, path) {
        None => Ok((file, found)),
        Some(reason) => Err(TemplateError::NotBelieved {
            path: path.to_path_buf(),
            reason,
        }),
    }
}

fn read(file: File, found: &Metadata, path: &Path) -> Result<String, TemplateError> {
    let unreadable = |source| unreadable(path, source);
    if !found.is_file() {
        return Err(unreadable(io::Error::other("it is not a file")));
    }
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_FILE + 1).unwrap_or(u64::MAX);
    file.take(most)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() > MAX_FILE {
        return Err(TemplateError::TooLong {
            path: path.to_path_buf(),
            max: MAX_FILE,
        });
    }
    String::from_utf8(bytes).map_err(|_| unreadable(io::Error::other("it is not UTF-8 text")))
}

fn unreadable(path: &Path, source: io::Error) -> TemplateError {
    TemplateError::Unreadable {
        path: path.to_path_buf(),
        source,
    }
}

fn unknown(path: PathBuf, name: String) -> TemplateError {
    let hint = nearest(&name).map_or_else(
        || ": `deskway render --list` names all; your own pieces begin with `_`".to_owned(),
        |meant| format!(": did you mean `{meant}`?"),
    );
    TemplateError::Unknown { path, name, hint }
}

/// The template that was probably meant by `written`.
pub(super) fn nearest(written: &str) -> Option<&'static str> {
    const TYPOS: usize = 3;
    embedded::names()
        .map(|name| (strsim::damerau_levenshtein(written, name), name))
        .filter(|(distance, _)| *distance <= TYPOS)
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("proxy")).unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        dir
    }

    fn refused(dir: &tempfile::TempDir) -> String {
        Texts::read(Some(dir.path())).unwrap_err().to_string()
    }

    #[test]
    fn files_are_read_by_name_and_what_editors_leave_is_passed_over() {
        let dir = folder(&[
            ("sign-in.html", "a"),
            ("_footer.html", "b"),
            ("proxy/nginx.conf", "c"),
            ("sign-in.html~", "d"),
            (".sign-in.html.swp", "e"),
        ]);
        let texts = Texts::read(Some(dir.path())).unwrap();
        let names: Vec<_> = texts.files().collect();
        let expected = [
            ("_footer.html", "b"),
            ("proxy/nginx.conf", "c"),
            ("sign-in.html", "a"),
        ];
        assert_eq!(names, expected);
        assert_eq!(Texts::from_bytes(&texts.to_bytes()).unwrap(), texts);
        assert_eq!(Texts::read(None).unwrap(), Texts::default());
    }

    #[test]
    fn a_file_that_is_no_template_is_named_with_what_was_meant() {
        let said = refused(&folder(&[("signin.html", "")]));
        assert!(said.contains("signin.html: no template"), "{said}");
        assert!(said.contains("did you mean `sign-in.html`?"), "{said}");
        let said = refused(&folder(&[("notes-of-the-admin.txt", "")]));
        assert!(said.contains("deskway render --list"), "{said}");
        let said = refused(&folder(&[("proxy/nginx.cnf", "")]));
        assert!(said.contains("did you mean `proxy/nginx.conf`?"), "{said}");
    }

    #[test]
    fn what_is_too_long_too_many_or_no_text_is_refused() {
        let long = "x".repeat(MAX_FILE + 1);
        let said = refused(&folder(&[("portal.html", &long)]));
        assert!(said.contains("portal.html is longer than 262144"), "{said}");
        let full = "x".repeat(MAX_FILE);
        let files = ["_1", "_2", "_3", "_4", "_5"].map(|name| (name, full.as_str()));
        let said = refused(&folder(&files));
        assert!(
            said.contains("longer than 1048576 bytes together"),
            "{said}"
        );
        let dir = folder(&[]);
        for number in 0..MAX_FILES {
            fs::write(dir.path().join(format!("_{number}")), "").unwrap();
        }
        assert!(refused(&dir).contains("more than 200 files"));
        let dir = folder(&[]);
        fs::write(dir.path().join("portal.html"), [0xff]).unwrap();
        assert!(refused(&dir).contains("not UTF-8"));
        let dir = folder(&[]);
        fs::create_dir(dir.path().join("portal.html")).unwrap();
        assert!(refused(&dir).contains("it is not a file"));
        let gone = Texts::read(Some(Path::new("/no/such/dir"))).unwrap_err();
        assert!(gone.to_string().contains("/no/such/dir"), "{gone}");
    }

    #[test]
    fn what_others_can_write_or_own_is_not_believed() {
        let dir = folder(&[("portal.html", "")]);
        let file = dir.path().join("portal.html");
        for (path, name) in [(&file, "portal.html"), (&dir.path().to_owned(), "")] {
            let mode = fs::metadata(path).unwrap().permissions();
            for wrong in [0o770, 0o707] {
                fs::set_permissions(path, Permissions::from_mode(wrong)).unwrap();
                let said = refused(&dir);
                assert!(said.contains("chmod go-w"), "{said}");
                assert!(said.contains(name), "{said}");
            }
            fs::set_permissions(path, mode).unwrap();
        }
        assert!(Texts::read(Some(dir.path())).is_ok());
        if rustix::process::geteuid().is_root() {
            for path in [&file, &dir.path().to_owned()] {
                chown(path, Some(12_345), None).unwrap();
                let said = refused(&dir);
                assert!(said.contains("chown 0 "), "{said}");
                chown(path, Some(0), None).unwrap();
            }
        }
    }

    #[test]
    fn no_link_is_followed_and_no_pipe_waited_for() {
        let secret = tempfile::NamedTempFile::new().unwrap();
        fs::write(secret.path(), "root alone may read this").unwrap();
        let dir = folder(&[("sign-in.html", "{% include '_s.html' %}")]);
        symlink(secret.path(), dir.path().join("_s.html")).unwrap();
        let said = refused(&dir);
        assert!(said.contains("_s.html: it is a link"), "{said}");

        let dir = tempfile::tempdir().unwrap();
        let elsewhere = folder(&[]);
        symlink(elsewhere.path(), dir.path().join("proxy")).unwrap();
        let said = refused(&dir);
        assert!(said.contains("proxy: it is a link"), "{said}");
        let link = dir.path().join("link");
        symlink(elsewhere.path(), &link).unwrap();
        let said = Texts::read(Some(&link)).unwrap_err().to_string();
        assert!(said.contains("link: it is a link"), "{said}");

        let dir = folder(&[]);
        let pipe = dir.path().join("portal.html");
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::mknodat(CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert!(refused(&dir).contains("it is not a file"));
    }
}
