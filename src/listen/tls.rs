//! Certificates: the configured pair, or one of our own that is kept.

use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;

use super::plain::KnownHost;
use crate::runtime::Stream;

/// What is needed to speak TLS.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    fingerprint: String,
    self_signed: bool,
    known: Arc<KnownHost>,
}

/// A certificate that cannot be used: the admin's to mend.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read {path}: {error}", path = path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("{path} holds no PEM certificate: {error}", path = path.display())]
    NoCertificate {
        path: PathBuf,
        error: rustls_pki_types::pem::Error,
    },
    #[error("{path} holds no PEM private key: {error}", path = path.display())]
    NoKey {
        path: PathBuf,
        error: rustls_pki_types::pem::Error,
    },
    #[error("certificate {cert} and key {key} do not work together: {error}", cert = cert.display(), key = key.display())]
    Unusable {
        cert: PathBuf,
        key: PathBuf,
        error: rustls::Error,
    },
    #[error("cannot make a certificate: {0}")]
    Making(#[from] rcgen::Error),
}

impl Tls {
    /// The configured certificate chain and key, PEM files.
    pub fn from_files(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        let (cert_pem, key_pem) = (read(cert)?, read(key)?);
        Self::from_pem((cert, &cert_pem), (key, &key_pem), false)
    }

    /// Our own certificate for `names`, which is made when `file` (certificate and key, 0600) is
    /// not there yet, and kept, so that browsers that trust it once go on doing so.
    pub fn self_signed(file: &Path, names: &[String]) -> Result<Self, TlsError> {
        let unreadable = |error| TlsError::Unreadable {
            path: file.to_owned(),
            error,
        };
        if !file.try_exists().map_err(unreadable)? {
            let pem = make_self_signed(names)?;
            write_private(file, &pem).map_err(unreadable)?;
        }
        let pem = read(file)?;
        Self::from_pem((file, &pem), (file, &pem), true)
    }

    /// Says which hosts a plain request may name to be sent on to https.
    #[must_use]
    pub fn with_known_hosts(
        mut self,
        known: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.known = Arc::new(known);
        self
    }

    /// SHA-256 of the certificate as browsers show it: `AB:CD:…`.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub fn is_self_signed(&self) -> bool {
        self.self_signed
    }

    pub(super) fn hosts(&self) -> &KnownHost {
        &*self.known
    }

    /// The stream under TLS, and the common name in the client's certificate if it showed one
    /// that could be verified.
    pub(super) async fn accept(&self, stream: Stream) -> io::Result<(Stream, Option<String>)> {
        let stream = self.acceptor.accept(stream).await?;
        let certificates = stream.get_ref().1.peer_certificates();
        let name = certificates.and_then(|chain| common_name(chain.first()?));
        Ok((Stream::over(stream), name))
    }

    /// With a configuration made elsewhere, for ALPN `http/1.1`.
    pub fn from_config(config: Arc<rustls::ServerConfig>) -> Self {
        Self {
            acceptor: TlsAcceptor::from(config),
            fingerprint: String::new(),
            self_signed: false,
            known: Arc::new(|_| false),
        }
    }

    fn from_pem(
        (cert_path, cert_pem): (&Path, &[u8]),
        (key_path, key_pem): (&Path, &[u8]),
        self_signed: bool,
    ) -> Result<Self, TlsError> {
        let no_certificate = |error| TlsError::NoCertificate {
            path: cert_path.to_owned(),
            error,
        };
        let chain = CertificateDer::pem_slice_iter(cert_pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(no_certificate)?;
        let Some(leaf) = chain.first() else {
            return Err(no_certificate(rustls_pki_types::pem::Error::NoItemsFound));
        };
        let fingerprint = colons(&Sha256::digest(leaf));
        let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|error| TlsError::NoKey {
            path: key_path.to_owned(),
            error,
        })?;
        let unusable = |error| TlsError::Unusable {
            cert: cert_path.to_owned(),
            key: key_path.to_owned(),
            error,
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(unusable)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            fingerprint,
            self_signed,
            known: Arc::new(|_| false),
        })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("fingerprint", &self.fingerprint)
            .field("self_signed", &self.self_signed)
            .finish_non_exhaustive()
    }
}

/// The common name of a certificate's subject (RFC 5280 §4.1.2.6): the last, if there are several.
fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let name = certificate.subject().iter_common_name().last()?;
    name.as_str().ok().map(str::to_owned)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|error| TlsError::Unreadable {
        path: path.to_owned(),
        error,
    })
}

fn make_self_signed(names: &[String]) -> Result<String, rcgen::Error> {
    let mut params = rcgen::CertificateParams::new(names)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "Deskway, self-signed");
    params.not_before = rcgen::date_time_ymd(2025, 1, 1);
    params.not_after = rcgen::date_time_ymd(2050, 1, 1);
    params.insert_extended_key_usage(rcgen::ExtendedKeyUsagePurpose::ServerAuth);
    let key = rcgen::KeyPair::generate()?;
    let cert = params.self_signed(&key)?;
    Ok(format!("{}{}", cert.pem(), key.serialize_pem()))
}

/// Writes a file that only we can read, whole or not at all.
fn write_private(file: &Path, text: &str) -> io::Result<()> {
    let half = file.with_extension("new");
    let mut out = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&half)?;
    out.write_all(text.as_bytes())?;
    out.sync_all()?;
    fs::rename(&half, file)
}

fn colons(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn our_own_certificate_is_kept_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("self-signed.pem");
        let names = ["localhost".to_owned(), "192.0.2.1".to_owned()];
        let first = Tls::self_signed(&file, &names).unwrap();
        let again = Tls::self_signed(&file, &names).unwrap();
        assert_eq!(first.fingerprint(), again.fingerprint());
        assert_eq!(first.fingerprint().len(), 32 * 3 - 1);
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_pair_that_is_none_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (good, other) = (dir.path().join("good.pem"), dir.path().join("other.pem"));
        Tls::self_signed(&good, &["localhost".to_owned()]).unwrap();
        Tls::self_signed(&other, &["localhost".to_owned()]).unwrap();
        let error = |cert: &Path, key: &Path| Tls::from_files(cert, key).unwrap_err().to_string();

        let mixed = error(&good, &other);
        assert!(mixed.contains("do not work together"), "{mixed}");
        let empty = dir.path().join("empty.pem");
        fs::write(&empty, "").unwrap();
        assert!(error(&empty, &good).contains("empty.pem holds no PEM certificate"));
        assert!(error(&good, &empty).contains("empty.pem holds no PEM private key"));
        let missing = dir.path().join("missing.pem");
        assert!(error(&missing, &good).contains("cannot read"));
    }
}
