//! The type of a file, by its name.

use std::ffi::OsStr;
use std::path::Path;

use http::HeaderValue;

const UNKNOWN: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// Without a charset, as from Python's server: an HTML page names its own.
pub(super) fn of(name: &OsStr) -> HeaderValue {
    mime_guess::from_path(Path::new(name))
        .first_raw()
        .map_or(UNKNOWN, HeaderValue::from_static)
}
