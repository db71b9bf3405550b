//! All certificates on their way from who may read the files to who shows them: in memory that
//! nobody can change any more, since they are larger than a message.

use std::io;
use std::os::fd::OwnedFd;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Pem;
use crate::config::TlsFiles;
use crate::runtime::{seal, unseal};

/// Most bytes: more than as many pairs as there may be have.
const MAX_BUNDLE: usize = 16 * 1024 * 1024;

/// Every certificate that is to be shown, the one for whoever names no host first.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Bundle {
    pub told: Vec<Told>,
}

/// One of them.
#[derive(Debug, Serialize, Deserialize)]
pub struct Told {
    pub files: TlsFiles,
    /// `None`: there is nothing sound to read; what was told before stays.
    pub pem: Option<Pem>,
}

/// A bundle that cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("certificates cannot be handed on: {0}")]
    Io(#[from] io::Error),
    #[error("certificates of more than {MAX_BUNDLE} bytes cannot be handed on")]
    TooLong,
    #[error("what came as certificates is none: {0}")]
    Unreadable(#[from] postcard::Error),
}

impl Bundle {
    /// Writes it into sealed memory.
    ///
    /// # Errors
    /// When it is too long, or there is no memory or descriptor.
    pub fn seal(&self) -> Result<OwnedFd, BundleError> {
        let bytes = Zeroizing::new(postcard::to_allocvec(self)?);
        if bytes.len() > MAX_BUNDLE {
            return Err(BundleError::TooLong);
        }
        Ok(seal("certificates", &bytes)?)
    }

    /// Reads it from there.
    ///
    /// # Errors
    /// When it is none.
    pub fn unseal(file: OwnedFd) -> Result<Self, BundleError> {
        let bytes = Zeroizing::new(unseal(file, MAX_BUNDLE)?);
        Ok(postcard::from_bytes(&bytes)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_comes_back_as_it_was_sealed() {
        let files = TlsFiles {
            cert: "/a".into(),
            key: "/b".into(),
        };
        let pem = Some(Pem::new(vec![1; 100_000], vec![2; 5000]));
        let told = vec![Told { files, pem }];
        let sealed = Bundle { told }.seal().unwrap();
        let back = Bundle::unseal(sealed).unwrap().told;
        assert_eq!(back.len(), 1);
        assert_eq!(back[0].pem, Some(Pem::new(vec![1; 100_000], vec![2; 5000])));
    }
}
