//! TLS as websockify's options ask for it: which certificate, which clients, which versions.
//!
//! The files are looked at for each connection, so that a new certificate needs no restart.

mod certificate;
mod ciphers;
mod file;
mod key;
mod trust;
mod watched;

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use rustls::SupportedProtocolVersion;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::NoServerSessionStorage;
use tracing::warn;

use crate::listen;
use crate::model::Secret;

pub(crate) use trust::Roots;

static NEW_ONLY: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// What the options say about TLS towards the browser.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsSettings {
    /// `--cert`: a PEM file with the certificate chain, and perhaps the key.
    pub(crate) cert: PathBuf,
    /// `--key`; `None`: it is in `cert`.
    pub(crate) key: Option<PathBuf>,
    /// `--key-password`.
    pub(crate) key_password: Option<Secret<String>>,
    /// `--verify-client`: only those who show a certificate get in.
    pub(crate) verify_client: bool,
    /// `--cafile`: who vouches for clients; `None`: the machine's authorities.
    pub(crate) cafile: Option<PathBuf>,
    /// `--ssl-version`.
    pub(crate) min_version: MinVersion,
    /// `--ssl-ciphers`, in the syntax of OpenSSL's ciphers(1).
    pub(crate) ciphers: Option<String>,
}

/// The oldest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum MinVersion {
    /// As [`MinVersion::V1_2`].
    #[default]
    Default,
    V1_2,
    V1_3,
}

/// Settings or files with which there is no TLS: the admin's to mend.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error(transparent)]
    Certificate(#[from] listen::TlsError),
    #[error("the key in {path} is encrypted: give its password with --key-password", path = path.display())]
    KeyEncrypted { path: PathBuf },
    #[error("the key in {path} does not open with the password of --key-password", path = path.display())]
    WrongPassword { path: PathBuf },
    #[error(
        "the key in {path} is encrypted in a way that is not supported ({how}); write it anew with: openssl pkcs8 -topk8 -in {path} -out NEW",
        path = path.display()
    )]
    KeyEncryption { path: PathBuf, how: String },
    #[error(
        "TLS 1.1 and older are left out on purpose, since they can be broken; use --ssl-version tlsv1_2 or tlsv1_3, or leave the option out"
    )]
    OldVersion,
    #[error("{0} is no TLS version; there are default, tlsv1_2 and tlsv1_3")]
    UnknownVersion(String),
    #[error("--ssl-ciphers {list} leaves no cipher suite; there are {available}")]
    NoCipher { list: String, available: String },
    #[error(
        "--ssl-ciphers {list}: {what} is not supported; there are names, groups, !, -, + and @STRENGTH"
    )]
    CipherSyntax { list: String, what: String },
    #[error("{path} holds no certificate of an authority", path = path.display())]
    NoAuthority { path: PathBuf },
    #[error(
        "no certificates of authorities are found on this machine{}; install ca-certificates or name a file in SSL_CERT_FILE",
        .0.as_ref().map(|error| format!(" ({error})")).unwrap_or_default()
    )]
    NoSystemAuthority(Option<rustls_native_certs::Error>),
    #[error("TLS cannot be set up: {0}")]
    Unusable(#[from] rustls::Error),
    #[error("clients cannot be verified: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

impl FromStr for MinVersion {
    type Err = TlsError;

    /// Reads a value of `--ssl-version`.
    fn from_str(name: &str) -> Result<Self, TlsError> {
        match name {
            "default" => Ok(Self::Default),
            "tlsv1_2" => Ok(Self::V1_2),
            "tlsv1_3" => Ok(Self::V1_3),
            "tlsv1_1" => Err(TlsError::OldVersion),
            other => Err(TlsError::UnknownVersion(other.to_owned())),
        }
    }
}

/// Checks the settings and reads the files. A certificate file that is not there is no error:
/// handshakes fail until it is, as those who make it later are used to.
pub(crate) fn server(settings: &TlsSettings) -> Result<listen::Tls, TlsError> {
    Ok(listen::Tls::from_config(Arc::new(server_config(settings)?)))
}

impl TlsSettings {
    /// What can be found wrong without the files, which need not be there.
    pub(crate) fn check(&self) -> Result<(), TlsError> {
        let ciphers = self.ciphers.as_deref().map(ciphers::choose);
        ciphers.transpose().map(drop)
    }
}

fn server_config(settings: &TlsSettings) -> Result<rustls::ServerConfig, TlsError> {
    let provider = Arc::new(provider(settings.ciphers.as_deref())?);
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions(settings.min_version, &provider))?;
    let builder = if settings.verify_client {
        let clients = trust::Clients::new(settings.cafile.clone())?;
        builder.with_client_cert_verifier(Arc::new(clients))
    } else {
        builder.with_no_client_auth()
    };
    let certificate = certificate::Certificate::new(settings, provider)?;
    let mut config = builder.with_cert_resolver(Arc::new(certificate));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if settings.verify_client {
        // A resumed session would not look at who is trusted now.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(config)
}

fn provider(list: Option<&str>) -> Result<CryptoProvider, TlsError> {
    let mut provider = ring::default_provider();
    if let Some(list) = list {
        let chosen = ciphers::choose(list)?;
        if !chosen.unknown.is_empty() {
            let unknown = chosen.unknown.join(", ");
            let available = ciphers::available();
            warn!("--ssl-ciphers: {unknown} is not supported and left out; there are {available}");
        }
        provider.cipher_suites = chosen.suites;
    }
    Ok(provider)
}

/// Both versions, or the one that is asked for or that the suites are for.
fn versions(
    min: MinVersion,
    provider: &CryptoProvider,
) -> &'static [&'static SupportedProtocolVersion] {
    let old = provider
        .cipher_suites
        .iter()
        .any(|suite| suite.tls13().is_none());
    if min == MinVersion::V1_3 || !old {
        NEW_ONLY
    } else {
        rustls::DEFAULT_VERSIONS
    }
}

#[cfg(test)]
mod tests;
