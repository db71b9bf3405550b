//! Speaks TLS, with certificates that may change, or with one of our own that is kept.

use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use tokio_rustls::TlsAcceptor;

use super::certificates::{ACME_TLS, Certificates};
use super::plain::KnownHost;
use crate::certificates::{Pair, Pem};
use crate::config::TlsFiles;
use crate::runtime::Stream;

pub use crate::certificates::PairError as TlsError;

const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

/// What is needed to speak TLS.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    known: Arc<KnownHost>,
}

/// A connection under TLS.
pub(super) struct Secured {
    pub stream: Stream,
    /// The common name in the client's certificate if it showed one that could be verified.
    pub client_name: Option<String>,
    /// HTTP/2 was agreed on.
    pub is_http2: bool,
}

impl Tls {
    /// For HTTP/2 and HTTP/1.1, with these certificates as they are at each handshake.
    ///
    /// # Errors
    /// When there is no chance for the keys of resumption.
    pub fn new(certificates: Certificates) -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(certificates));
        config.alpn_protocols = [HTTP_2, HTTP_1, ACME_TLS].map(<[u8]>::to_vec).to_vec();
        // Tickets that hold the session themselves, under keys that change every few hours: a
        // store of our own would be full after some hundreds of visitors.
        config.ticketer = rustls::crypto::ring::Ticketer::new()?;
        Ok(Self::from_config(Arc::new(config)))
    }

    /// With a configuration made elsewhere, for HTTP/1.1 or what its ALPN says.
    pub fn from_config(config: Arc<rustls::ServerConfig>) -> Self {
        Self {
            acceptor: TlsAcceptor::from(config),
            known: Arc::new(|_| false),
        }
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

    pub(super) fn hosts(&self) -> &KnownHost {
        &*self.known
    }

    pub(super) async fn accept(&self, stream: Stream) -> io::Result<Secured> {
        let stream = self.acceptor.accept(stream).await?;
        let session = stream.get_ref().1;
        let protocol = session.alpn_protocol();
        if protocol == Some(ACME_TLS) {
            // The handshake was all that the authority wanted.
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let is_http2 = protocol == Some(HTTP_2);
        let certificates = session.peer_certificates();
        let client_name = certificates.and_then(|chain| common_name(chain.first()?));
        let stream = Stream::over(stream);
        Ok(Secured {
            stream,
            client_name,
            is_http2,
        })
    }
}

/// Our own certificate for `names`, which is made when `file` (certificate and key, 0600) is not
/// there yet, and kept, so that browsers that trust it once go on doing so.
///
/// # Errors
/// When it cannot be made, written or read.
pub fn self_signed(file: &Path, names: &[String]) -> Result<Pair, TlsError> {
    let unreadable = |error| TlsError::Unreadable {
        path: file.to_owned(),
        error,
    };
    if !file.try_exists().map_err(unreadable)? {
        let pem = make_self_signed(names)?;
        write_private(file, &pem).map_err(unreadable)?;
    }
    let files = TlsFiles {
        cert: file.to_owned(),
        key: file.to_owned(),
    };
    Pem::read(&files)?.check(&files)
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// The common name of a certificate's subject (RFC 5280 §4.1.2.6): the last, if there are several.
fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let name = certificate.subject().iter_common_name().last()?;
    name.as_str().ok().map(str::to_owned)
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn our_own_certificate_is_kept_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("self-signed.pem");
        let names = ["localhost".to_owned(), "192.0.2.1".to_owned()];
        let first = self_signed(&file, &names).unwrap();
        let again = self_signed(&file, &names).unwrap();
        assert_eq!(first.fingerprint, again.fingerprint);
        assert_eq!(first.fingerprint.len(), 32 * 3 - 1);
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_pair_that_is_none_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (good, other) = (dir.path().join("good.pem"), dir.path().join("other.pem"));
        self_signed(&good, &["localhost".to_owned()]).unwrap();
        self_signed(&other, &["localhost".to_owned()]).unwrap();
        let error = |cert: &Path, key: &Path| {
            let (cert, key) = (cert.to_owned(), key.to_owned());
            let files = TlsFiles { cert, key };
            let read = Pem::read(&files).and_then(|pem| pem.check(&files));
            read.unwrap_err().to_string()
        };

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
