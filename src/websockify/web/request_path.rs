//! The path of a URL → the names that lead to a file.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

/// What stands in a URL as it is (RFC 3986, 2.3). Nothing else does, so that no name can be taken
/// for a scheme, a host, a query or a quotation mark.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Names below the root; none of them is empty, `.` or `..` or has a slash or NUL in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestPath {
    names: Vec<OsString>,
    /// Whether it ends in a slash and so asks for a directory.
    slash: bool,
}

impl RequestPath {
    /// Decodes once. What names the directory above is refused: browsers never send it.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let path: Vec<u8> = percent_decode_str(path.strip_prefix('/')?).collect();
        if path.contains(&0) {
            return None;
        }
        let slash = path.is_empty() || path.ends_with(b"/");
        let mut names = Vec::new();
        for name in path.split(|byte| *byte == b'/') {
            match name {
                b"" | b"." => {}
                b".." => return None,
                name => names.push(OsString::from_vec(name.to_vec())),
            }
        }
        Some(Self { names, slash })
    }

    pub(super) fn names(&self) -> &[OsString] {
        &self.names
    }

    pub(super) fn has_slash(&self) -> bool {
        self.slash
    }

    /// The path of the same thing as a directory, for a `Location`. It has one slash in front,
    /// and so never names a host.
    pub(super) fn to_directory(&self) -> String {
        let mut path = "/".to_owned();
        for name in &self.names {
            path.push_str(&encode(name));
            path.push('/');
        }
        path
    }

    /// For people to read; not escaped.
    pub(super) fn display(&self) -> String {
        let mut path = "/".to_owned();
        for name in &self.names {
            path.push_str(&name.to_string_lossy());
            path.push('/');
        }
        path
    }
}

/// A name as a relative URL.
pub(super) fn encode(name: &OsStr) -> String {
    percent_encode(name.as_bytes(), ENCODED).to_string()
}
