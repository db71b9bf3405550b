//! The certificate that is shown to browsers.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::{self, PemObject as _};
use tracing::info;

use super::file::read;
use super::key::private_key;
use super::watched::Watched;
use super::{TlsError, TlsSettings};
use crate::listen;

/// The certificate in its file, as that is now.
#[derive(Debug)]
pub(super) struct Certificate {
    pair: Watched<CertifiedKey>,
    path: Box<Path>,
}

impl Certificate {
    pub(super) fn new(
        settings: &TlsSettings,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        let mut files = vec![settings.cert.clone()];
        files.extend(settings.key.clone());
        let path = settings.cert.clone().into_boxed_path();
        let settings = settings.clone();
        Ok(Self {
            pair: Watched::new(files, move || load(&settings, &provider))?,
            path,
        })
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let pair = self.pair.current();
        if pair.is_none() {
            info!("a TLS connection, but {} is not there", self.path.display());
        }
        pair
    }
}

fn load(
    settings: &TlsSettings,
    provider: &CryptoProvider,
) -> Result<Option<CertifiedKey>, TlsError> {
    let cert = &settings.cert;
    if !cert.exists() {
        return Ok(None);
    }
    let key = settings.key.as_ref().unwrap_or(cert);
    let chain = certificates(cert)?;
    let private = private_key(key, settings.key_password.as_ref())?;
    let pair = CertifiedKey::from_der(chain, private, provider);
    pair.map(Some).map_err(|error| {
        let (cert, key) = (cert.clone(), key.clone());
        listen::TlsError::Unusable { cert, key, error }.into()
    })
}

/// All certificates of a PEM file, at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = certificate_sections(&read(path)?);
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = match found {
        Ok(found) if found.is_empty() => Err(pem::Error::NoItemsFound),
        found => found,
    };
    found.map_err(|error| {
        let path = path.to_owned();
        listen::TlsError::NoCertificate { path, error }.into()
    })
}

/// A PEM file without what else is in it, such as a key with header lines (RFC 1421).
fn certificate_sections(text: &[u8]) -> Vec<u8> {
    let mut inside = false;
    let mut kept = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        inside |= line.starts_with(b"-----BEGIN CERTIFICATE-----");
        if inside {
            kept.extend_from_slice(line);
        }
        inside &= !line.starts_with(b"-----END ");
    }
    kept
}
