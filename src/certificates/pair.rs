//! A certificate chain with its key.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use x509_parser::extensions::GeneralName;
use zeroize::Zeroize as _;

use crate::config::TlsFiles;

/// Most bytes of a file: chains with a handful of certificates have ten thousand.
const MAX_FILE: u64 = 128 * 1024;
const DAY: i64 = 24 * 60 * 60;

/// A certificate that cannot be used: the admin's to mend.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
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
    #[error("the certificate {path} {fault}", path = path.display())]
    OutOfTime { path: PathBuf, fault: String },
    #[error("cannot make a certificate: {0}")]
    Making(#[from] rcgen::Error),
}

/// The text of both files. The key is overwritten when this is dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pem {
    chain: Vec<u8>,
    key: Vec<u8>,
}

impl Drop for Pem {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pem").finish_non_exhaustive()
    }
}

/// A certificate that can be shown.
#[derive(Clone, Debug)]
pub struct Pair {
    pub certified: Arc<CertifiedKey>,
    /// The names that it is for, lower case, `*.example.org` among them.
    pub names: Vec<String>,
    /// SHA-256 of the certificate as browsers show it: `AB:CD:…`.
    pub fingerprint: String,
    /// From and until when it is good: seconds since 1970.
    pub not_before: i64,
    pub not_after: i64,
}

impl Pem {
    pub fn new(chain: Vec<u8>, key: Vec<u8>) -> Self {
        Self { chain, key }
    }

    /// Reads both files.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn read(files: &TlsFiles) -> Result<Self, PairError> {
        Self::read_with(files, OFlags::empty())
    }

    /// Reads files from a directory of somebody else's, who must not lead us elsewhere.
    ///
    /// # Errors
    /// When one cannot be read or is a link.
    pub fn read_foreign(files: &TlsFiles) -> Result<Self, PairError> {
        Self::read_with(files, OFlags::NOFOLLOW)
    }

    fn read_with(files: &TlsFiles, flags: OFlags) -> Result<Self, PairError> {
        let chain = read(&files.cert, flags)?;
        Ok(Self {
            chain,
            key: read(&files.key, flags)?,
        })
    }

    /// Whether both belong together, and what they are. `files` are named in errors.
    ///
    /// # Errors
    /// See [`PairError`].
    pub fn check(&self, files: &TlsFiles) -> Result<Pair, PairError> {
        let no_certificate = |error| PairError::NoCertificate {
            path: files.cert.clone(),
            error,
        };
        let chain = CertificateDer::pem_slice_iter(&self.chain)
            .collect::<Result<Vec<_>, _>>()
            .map_err(no_certificate)?;
        let Some(leaf) = chain.first() else {
            return Err(no_certificate(rustls_pki_types::pem::Error::NoItemsFound));
        };
        let fingerprint = colons(&Sha256::digest(leaf));
        let (names, not_before, not_after) = read_leaf(leaf);
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| PairError::NoKey {
            path: files.key.clone(),
            error,
        })?;
        let provider = rustls::crypto::ring::default_provider();
        let certified = CertifiedKey::from_der(chain, key, &provider).map_err(|error| {
            let (cert, key) = (files.cert.clone(), files.key.clone());
            PairError::Unusable { cert, key, error }
        })?;
        Ok(Pair {
            certified: Arc::new(certified),
            names,
            fingerprint,
            not_before,
            not_after,
        })
    }
}

impl Pair {
    /// What is wrong with its dates at `now`, seconds since 1970.
    pub fn out_of_time(&self, now: u64) -> Option<String> {
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        if now < self.not_before {
            return Some("is not valid yet: is this machine's clock right?".to_owned());
        }
        let over = now - self.not_after;
        match over / DAY {
            _ if over <= 0 => None,
            0 => Some("ran out today: renew it".to_owned()),
            days => Some(format!("ran out {days} days ago: renew it")),
        }
    }
}

/// Names, and from and until when it is good. What cannot be read is for no name and good.
fn read_leaf(leaf: &CertificateDer<'_>) -> (Vec<String>, i64, i64) {
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(leaf) else {
        return (Vec::new(), i64::MIN, i64::MAX);
    };
    let mut names = Vec::new();
    if let Ok(Some(alternatives)) = parsed.subject_alternative_name() {
        for name in &alternatives.value.general_names {
            if let GeneralName::DNSName(name) = name {
                names.push(name.to_lowercase());
            }
        }
    }
    let validity = parsed.validity();
    let (from, until) = (validity.not_before, validity.not_after);
    (names, from.timestamp(), until.timestamp())
}

/// The first certificate in a file, as a server shows it.
///
/// # Errors
/// When it cannot be read or holds none.
pub fn leaf(path: &Path) -> Result<CertificateDer<'static>, PairError> {
    let text = read(path, OFlags::empty())?;
    CertificateDer::from_pem_slice(&text).map_err(|error| PairError::NoCertificate {
        path: path.to_owned(),
        error,
    })
}

fn read(path: &Path, flags: OFlags) -> Result<Vec<u8>, PairError> {
    let unreadable = |error| PairError::Unreadable {
        path: path.to_owned(),
        error,
    };
    // A pipe must not keep us waiting.
    let flags = flags | OFlags::NONBLOCK;
    let file = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(unreadable(io::Error::other("it is not a file")));
    }
    let mut text = Vec::new();
    file.take(MAX_FILE + 1)
        .read_to_end(&mut text)
        .map_err(unreadable)?;
    if u64::try_from(text.len()).is_ok_and(|length| length > MAX_FILE) {
        let long = format!("it has more than {MAX_FILE} bytes");
        return Err(unreadable(io::Error::other(long)));
    }
    Ok(text)
}

fn colons(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}
