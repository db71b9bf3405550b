//! The token of those who read the metrics from elsewhere. Its SHA-256 alone is kept.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Most bytes of a token.
pub const MAX_TOKEN: usize = 1024;
/// Fewer can be guessed.
const MIN_TOKEN: usize = 16;

/// What a reader shows as `Authorization: Bearer …` (RFC 6750 §2.1).
#[derive(Clone)]
pub struct Token([u8; 32]);

impl Token {
    /// The first line of a file.
    ///
    /// # Errors
    /// When it cannot be read, or is too short or too long for a token.
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut text = Zeroizing::new(Vec::new());
        let most = u64::try_from(MAX_TOKEN).unwrap_or(u64::MAX);
        File::open(path)?.take(most + 1).read_to_end(&mut text)?;
        let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let token = line.trim_ascii();
        if !(MIN_TOKEN..=MAX_TOKEN).contains(&token.len()) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "its first line has {} bytes, and a token {MIN_TOKEN} to {MAX_TOKEN}",
                    token.len()
                ),
            ));
        }
        Ok(Self::of(token))
    }

    /// Whether a header's value shows it. Takes the same time for every wrong one.
    pub fn is_shown(&self, authorization: &[u8]) -> bool {
        let Some((scheme, shown)) = authorization.split_at_checked(b"Bearer ".len()) else {
            return false;
        };
        let same: bool = self.0.ct_eq(&Self::of(shown.trim_ascii()).0).into();
        scheme.eq_ignore_ascii_case(b"Bearer ") && same
    }

    fn of(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}
