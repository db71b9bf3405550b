//! Private keys in PEM files, encrypted or not.

mod encrypted;
mod section;

use std::path::Path;

use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use zeroize::Zeroizing;

use super::TlsError;
use super::file::read;
use crate::listen;
use crate::model::Secret;

/// The first private key of a PEM file.
pub(super) fn private_key(
    path: &Path,
    password: Option<&Secret<String>>,
) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = Zeroizing::new(read(path)?);
    if let Some(section) = section::encrypted(&text) {
        let Some(password) = password else {
            let path = path.to_owned();
            return Err(TlsError::KeyEncrypted { path });
        };
        return encrypted::open(&section, password).map_err(|error| error.at(path));
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        let path = path.to_owned();
        listen::TlsError::NoKey { path, error }.into()
    })
}
