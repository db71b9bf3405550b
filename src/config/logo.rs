//! Logos: read once by whoever may read the file, looked at, and kept as bytes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::Config;
use super::check::MAX_GROUPS;
use super::trust::distrust;

/// Most bytes of a logo.
const MAX_LOGO: usize = 256 * 1024;
/// Most bytes of all of them on their way to another process: one for each group and the place's
/// own, with some room for their names.
pub const MAX_LOGOS_PACKED: usize = (MAX_GROUPS + 1) * (MAX_LOGO + 8 * 1024);
/// How far into an SVG file its element is looked for: XML lets declarations, comments and a
/// document type come first.
const SVG_HEAD: usize = 8 * 1024;

/// The picture that stands for a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logo {
    pub kind: LogoKind,
    pub bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogoKind {
    Svg,
    Png,
    Webp,
}

/// Why a file is no logo. The admin's to mend.
#[derive(Debug, thiserror::Error)]
pub enum LogoError {
    #[error(
        "the logo {path} cannot be read: {error}; put the picture there, or correct the path",
        path = path.display()
    )]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("the logo {path} is not shown, since {reason}", path = path.display())]
    NotBelieved { path: PathBuf, reason: String },
    #[error(
        "the logo {path} is larger than {max} kB: write a smaller one",
        path = path.display(),
        max = MAX_LOGO / 1024
    )]
    TooLarge { path: PathBuf },
    #[error(
        "the logo {path} is neither an SVG, a PNG nor a WebP picture: write one of these",
        path = path.display()
    )]
    NoPicture { path: PathBuf },
}

/// The logos of a configuration, by the path that stands there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logos(BTreeMap<PathBuf, Logo>);

impl LogoError {
    /// The file that is at fault.
    pub fn path(&self) -> &Path {
        match self {
            Self::Unreadable { path, .. }
            | Self::NotBelieved { path, .. }
            | Self::TooLarge { path }
            | Self::NoPicture { path } => path,
        }
    }
}

impl Logo {
    /// # Errors
    /// See [`LogoError`].
    pub fn read(path: &Path) -> Result<Self, LogoError> {
        let unreadable = |error| LogoError::Unreadable {
            path: path.to_owned(),
            error,
        };
        let open = |more: OFlags| {
            // A pipe that nobody writes to must hold nobody up.
            let flags = (OFlags::NONBLOCK | more).bits().cast_signed();
            File::options().read(true).custom_flags(flags).open(path)
        };
        let linked = |error: &io::Error| error.raw_os_error() == Some(Errno::LOOP.raw_os_error());
        let (file, is_linked) = match open(OFlags::NOFOLLOW) {
            Err(error) if linked(&error) => (open(OFlags::empty()), true),
            opened => (opened, false),
        };
        let file = file.map_err(unreadable)?;
        let found = file.metadata().map_err(unreadable)?;
        if !found.is_file() {
            return Err(unreadable(io::Error::other("it is not a file")));
        }
        let mut reason = distrust(&found, path);
        // Whoever made the link may not be who owns the file.
        if is_linked && found.mode() & 0o004 == 0 {
            reason = reason.or_else(|| {
                let path = path.display();
                Some(format!(
                    "it is a link to a file that not everybody may read: run `chmod a+r {path}`"
                ))
            });
        }
        if let Some(reason) = reason {
            let path = path.to_owned();
            return Err(LogoError::NotBelieved { path, reason });
        }
        let mut bytes = Vec::new();
        let most = u64::try_from(MAX_LOGO + 1).unwrap_or(u64::MAX);
        file.take(most)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        if bytes.len() > MAX_LOGO {
            let path = path.to_owned();
            return Err(LogoError::TooLarge { path });
        }
        let kind = kind(&bytes).ok_or_else(|| LogoError::NoPicture {
            path: path.to_owned(),
        })?;
        Ok(Self { kind, bytes })
    }
}

impl Logos {
    /// Reads what `config` names. A logo that cannot be had is told and left out: no place is
    /// closed for want of it.
    pub fn read(config: &Config) -> (Self, Vec<LogoError>) {
        let (mut logos, mut errors) = (BTreeMap::new(), Vec::new());
        for path in config.logos() {
            match Logo::read(path) {
                Ok(logo) => drop(logos.insert(path.to_owned(), logo)),
                Err(error) => errors.push(error),
            }
        }
        (Self(logos), errors)
    }

    pub fn get(&self, path: &Path) -> Option<&Logo> {
        self.0.get(path)
    }
}

/// By what the file holds, whatever its name.
fn kind(bytes: &[u8]) -> Option<LogoKind> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Some(LogoKind::Png);
    }
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        return Some(LogoKind::Webp);
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let head = text.get(..text.floor_char_boundary(SVG_HEAD))?;
    let markup = head.trim_start_matches('\u{feff}').trim_start();
    (markup.starts_with('<') && markup.contains("<svg")).then_some(LogoKind::Svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    #[test]
    fn a_logo_is_known_by_what_it_holds() {
        let kind = |bytes: &[u8]| Logo::read(file(bytes).path()).unwrap().kind;
        assert_eq!(kind(b"\x89PNG\r\n\x1a\n...."), LogoKind::Png);
        assert_eq!(kind(b"RIFF\0\0\0\0WEBPVP8 "), LogoKind::Webp);
        let svg = b"<?xml version='1.0'?>\n<!-- ours --><svg xmlns='http://www.w3.org/2000/svg'/>";
        assert_eq!(kind(svg), LogoKind::Svg);
    }

    #[test]
    fn what_is_no_picture_or_too_large_is_refused_with_its_path() {
        for bytes in [
            &b""[..],
            b"GIF89a",
            b"<html></html>",
            b"svg <svg",
            b"\xff<svg",
        ] {
            let error = Logo::read(file(bytes).path()).unwrap_err();
            assert!(matches!(error, LogoError::NoPicture { .. }), "{error}");
        }
        let error = Logo::read(file(&vec![b' '; MAX_LOGO + 1]).path())
            .unwrap_err()
            .to_string();
        assert!(
            error.ends_with("is larger than 256 kB: write a smaller one"),
            "{error}"
        );
        let error = Logo::read(Path::new("/no/such")).unwrap_err().to_string();
        assert!(
            error.starts_with("the logo /no/such cannot be read"),
            "{error}"
        );
        let error = Logo::read(Path::new("/")).unwrap_err().to_string();
        assert!(error.contains("it is not a file"), "{error}");
    }

    #[test]
    fn only_files_of_the_administrator_s_are_shown() {
        use std::fs::{Permissions, set_permissions};
        use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

        let dir = tempfile::tempdir().unwrap();
        let (logo, link) = (dir.path().join("logo.svg"), dir.path().join("link.svg"));
        std::fs::write(&logo, "<svg/>").unwrap();
        symlink(&logo, &link).unwrap();
        let mode = |mode| set_permissions(&logo, Permissions::from_mode(mode)).unwrap();
        let said = |path: &Path| Logo::read(path).unwrap_err().to_string();
        mode(0o644);
        assert!(Logo::read(&logo).is_ok() && Logo::read(&link).is_ok());
        mode(0o600);
        assert!(Logo::read(&logo).is_ok());
        assert!(said(&link).contains("chmod a+r"), "{}", said(&link));
        mode(0o664);
        assert!(said(&logo).contains("chmod go-w"), "{}", said(&logo));
        mode(0o644);
        if rustix::process::geteuid().is_root() {
            chown(&logo, Some(12_345), None).unwrap();
            assert!(said(&logo).contains("chown 0 "), "{}", said(&logo));
        }
        let pipe = dir.path().join("pipe.svg");
        let kind = rustix::fs::FileType::Fifo;
        let mode = rustix::fs::Mode::RUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, mode, 0).unwrap();
        assert!(said(&pipe).contains("it is not a file"));
    }
}
