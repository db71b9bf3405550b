//! Whose certificates are trusted: of clients towards us, of targets towards us.
//!
//! Beyond what webpki does, a certificate that itself stands in the list is trusted, for the names
//! and the time that it says: so a target with a self-signed certificate can be named.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest as _, Sha256};

use super::TlsError;
use super::certificate::certificates;
use super::watched::Watched;

/// Certificates of authorities.
pub(crate) struct Roots {
    store: Arc<RootCertStore>,
    /// SHA-256 of each.
    listed: HashSet<[u8; 32]>,
}

impl Roots {
    /// The machine's, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    ///
    /// # Errors
    /// When there are none.
    pub(crate) fn system() -> Result<Self, TlsError> {
        let mut found = rustls_native_certs::load_native_certs();
        let roots = Self::of(&found.certs);
        if roots.store.is_empty() {
            return Err(TlsError::NoSystemAuthority(found.errors.pop()));
        }
        Ok(roots)
    }

    fn from_file(path: &Path) -> Result<Self, TlsError> {
        Self::any(&certificates(path)?, path)
    }

    /// Those in the text of a PEM file, which `path` was read from.
    ///
    /// # Errors
    /// When it cannot be read or has none.
    pub(crate) fn from_pem(path: &Path, pem: &[u8]) -> Result<Self, TlsError> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let none = |_| TlsError::NoAuthority {
            path: path.to_owned(),
        };
        Self::any(&found.map_err(none)?, path)
    }

    fn any(certificates: &[CertificateDer<'static>], path: &Path) -> Result<Self, TlsError> {
        let roots = Self::of(certificates);
        if roots.store.is_empty() {
            let path = path.to_owned();
            return Err(TlsError::NoAuthority { path });
        }
        Ok(roots)
    }

    pub(crate) fn of(certificates: &[CertificateDer<'static>]) -> Self {
        let mut store = RootCertStore::empty();
        // A bundle may hold one that is too old to be understood.
        store.add_parsable_certificates(certificates.iter().cloned());
        Self {
            store: Arc::new(store),
            listed: certificates.iter().map(digest).collect(),
        }
    }

    /// For connections to servers that these vouch for.
    ///
    /// # Errors
    /// Never with certificates that could be read.
    pub(crate) fn client_config(self) -> Result<rustls::ClientConfig, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(
            Arc::clone(&self.store),
            Arc::clone(&provider),
        );
        let servers = Servers {
            verifier: verifier.build()?,
            listed: self.listed,
        };
        Ok(rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(servers))
            .with_no_client_auth())
    }

    fn lists(&self, certificate: &CertificateDer<'_>) -> bool {
        self.listed.contains(&digest(certificate))
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Roots").field(&self.store.len()).finish()
    }
}

/// Says whether a target is who it claims to be.
#[derive(Debug)]
struct Servers {
    verifier: Arc<WebPkiServerVerifier>,
    listed: HashSet<[u8; 32]>,
}

impl ServerCertVerifier for Servers {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.verifier
                .verify_server_cert(certificate, intermediates, name, ocsp, now);
        if verified.is_ok() || !self.listed.contains(&digest(certificate)) {
            return verified;
        }
        check_dates(certificate, now)?;
        verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// Says whether a client may come in: it must show a certificate that somebody vouches for.
#[derive(Debug)]
pub(super) struct Clients {
    trusted: Watched<Trusted>,
    provider: CryptoProvider,
}

#[derive(Debug)]
struct Trusted {
    verifier: Arc<dyn ClientCertVerifier>,
    roots: Roots,
}

impl Clients {
    /// Those whom the authorities in `cafile` vouch for, or else the machine's.
    pub(super) fn new(cafile: Option<PathBuf>) -> Result<Self, TlsError> {
        let files = cafile.iter().cloned().collect();
        let load = move || {
            let roots = match cafile.clone() {
                Some(path) => Roots::from_file(&path)?,
                None => Roots::system()?,
            };
            let verifier = WebPkiClientVerifier::builder_with_provider(
                Arc::clone(&roots.store),
                Arc::new(ring::default_provider()),
            );
            let verifier = verifier.build()?;
            Ok(Some(Trusted { verifier, roots }))
        };
        Ok(Self {
            trusted: Watched::new(files, load)?,
            provider: ring::default_provider(),
        })
    }
}

impl ClientCertVerifier for Clients {
    /// None: the browser offers whatever it has. The names would be many, and may change.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let unknown = CertificateError::UnknownIssuer;
        let trusted = self.trusted.current().ok_or(unknown)?;
        let verified = trusted
            .verifier
            .verify_client_cert(certificate, intermediates, now);
        if verified.is_ok() || !trusted.roots.lists(certificate) {
            return verified;
        }
        check_dates(certificate, now)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn digest(certificate: &CertificateDer<'_>) -> [u8; 32] {
    Sha256::digest(certificate).into()
}

fn check_dates(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate)
        .map_err(|_| CertificateError::BadEncoding)?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now < parsed.validity().not_before.timestamp() {
        Err(CertificateError::NotValidYet.into())
    } else if now > parsed.validity().not_after.timestamp() {
        Err(CertificateError::Expired.into())
    } else {
        Ok(())
    }
}
