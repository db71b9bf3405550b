//! What stands in `templates_dir`: read by whoever may read it, and sent on as bytes to the front,
//! which may not.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::embedded;
use super::error::TemplateError;

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
    /// When a file cannot be read, is too long, could have been written by anybody (where root
    /// reads it), or is called as no template is.
    pub fn read(dir: Option<&Path>) -> Result<Self, TemplateError> {
        let Some(dir) = dir else {
            return Ok(Self::default());
        };
        let mut texts = Self {
            dir: dir.display().to_string(),
            files: BTreeMap::new(),
        };
        let mut seen = 0;
        texts.read_folder(dir, "", &mut seen)?;
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

    /// `prefix` is what the names of the folder's files begin with.
    fn read_folder(
        &mut self,
        folder: &Path,
        prefix: &str,
        seen: &mut usize,
    ) -> Result<(), TemplateError> {
        let unreadable = |source| unreadable(folder, source);
        not_writable_by_all(folder)?;
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            *seen += 1;
            if *seen > MAX_FILES {
                return Err(TemplateError::TooMany {
                    dir: PathBuf::from(&self.dir),
                    max: MAX_FILES,
                });
            }
            let file_name = path.file_name().unwrap_or_default().to_string_lossy();
            if file_name.starts_with('.') || file_name.ends_with('~') {
                continue;
            }
            let name = format!("{prefix}{file_name}");
            if name == embedded::FOLDER && path.is_dir() {
                self.read_folder(&path, &format!("{name}/"), seen)?;
                continue;
            }
            if !file_name.starts_with(OWN_PIECE) && embedded::names().all(|known| known != name) {
                return Err(unknown(path, name));
            }
            let text = read(&path)?;
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

fn read(path: &Path) -> Result<String, TemplateError> {
    let unreadable = |source| unreadable(path, source);
    not_writable_by_all(path)?;
    // Asked before it is opened: the other end of a pipe may never come.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(unreadable(io::Error::other("it is not a file")));
    }
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_FILE + 1).unwrap_or(u64::MAX);
    File::open(path)
        .and_then(|file| file.take(most).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() > MAX_FILE {
        return Err(TemplateError::TooLong {
            path: path.to_path_buf(),
            max: MAX_FILE,
        });
    }
    String::from_utf8(bytes).map_err(|_| unreadable(io::Error::other("it is not UTF-8 text")))
}

/// Root does not believe what anybody can write, as with the configuration.
fn not_writable_by_all(path: &Path) -> Result<(), TemplateError> {
    let metadata = fs::metadata(path).map_err(|source| unreadable(path, source))?;
    if rustix::process::geteuid().is_root() && metadata.permissions().mode() & 0o002 != 0 {
        return Err(TemplateError::WritableByAll {
            path: path.to_path_buf(),
        });
    }
    Ok(())
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
    use std::fs::Permissions;

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
    fn root_does_not_believe_what_anybody_can_write() {
        let dir = folder(&[("portal.html", "")]);
        let file = dir.path().join("portal.html");
        fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
        let read = Texts::read(Some(dir.path()));
        if rustix::process::geteuid().is_root() {
            assert!(read.unwrap_err().to_string().contains("chmod o-w"));
        } else {
            assert!(read.is_ok());
        }
    }
}
