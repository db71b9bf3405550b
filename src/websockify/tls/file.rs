//! Reads the files that the options name.

use std::fs;
use std::path::Path;

use super::TlsError;
use crate::listen;

pub(super) fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|error| {
        let path = path.to_owned();
        listen::TlsError::Unreadable { path, error }.into()
    })
}
