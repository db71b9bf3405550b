//! `JWTTokenApi`: the token itself says host and port, in a JSON Web Token (RFC 7519) that is
//! signed, or signed and then encrypted, with a key that we hold.

mod encrypted;
mod key;
mod signed;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tracing::warn;
use zeroize::Zeroizing;

use self::key::{Key, KeyError};
use super::LookupError;
use super::read::{self, Turns};
use super::target_text::{BadTarget, HostAndPort};
use crate::runtime::Clock;
use crate::websockify::Target;

pub(super) const NAME: &str = "JWTTokenApi";
/// Most bytes of a key file.
const MAX_KEY: u64 = 64 << 10;

/// The base64 of RFC 7515: for URLs, without `=` at its end.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// A key file; it is read at each lookup, so that a new key counts at once.
pub(super) struct TokenKey {
    path: PathBuf,
    clock: Clock,
    /// The key of the file's last content, by its digest: to read an RSA key takes long.
    last: Arc<Mutex<LastKey>>,
    turns: Turns,
}

type LastKey = Option<([u8; 32], Arc<Key>)>;

/// Why a token counts for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Refused {
    #[error("it is neither signed (three parts) nor encrypted (five parts)")]
    Form,
    #[error("one of its parts cannot be read")]
    Part,
    #[error("its header asks for what is not known here (crit, b64 or zip)")]
    Extension,
    #[error("its algorithm is not known here, or does not fit the key")]
    Algorithm,
    #[error("its signature is not by our key")]
    Signature,
    #[error("it cannot be decrypted with our key")]
    Decryption,
    #[error("what is encrypted in it is not a signed token")]
    Unsigned,
    #[error("its claims are not a JSON object with host and port")]
    Claims,
    #[error("it is not valid yet")]
    TooEarly,
    #[error("it has expired")]
    Expired,
    #[error("its host and port are no target: {0}")]
    Target(BadTarget),
}

/// The header of a signed or an encrypted token.
#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    enc: String,
    #[serde(flatten)]
    rest: HashMap<String, Value>,
}

#[derive(Deserialize)]
struct Claims {
    #[serde(flatten)]
    target: HostAndPort,
    /// From when on and until when it counts: seconds since 1970.
    #[serde(default)]
    nbf: f64,
    #[serde(default = "never")]
    exp: f64,
}

fn never() -> f64 {
    f64::INFINITY
}

impl TokenKey {
    /// `source` is a file with a PEM key or certificate, or with the base64url of a secret.
    pub(super) fn new(source: &str) -> Self {
        Self {
            path: read::place(source),
            clock: Clock::System,
            last: Arc::default(),
            turns: Turns::to_compute(),
        }
    }

    pub(super) async fn lookup(&self, token: &str) -> Result<Option<Target>, LookupError> {
        let (path, last) = (self.path.clone(), Arc::clone(&self.last));
        let (token, now) = (token.to_owned(), self.clock.unix());
        let work = move || {
            let file = read::whole(&path, MAX_KEY);
            let file = file.map_err(|error| LookupError::Unreadable {
                path: path.clone(),
                error,
            })?;
            let key =
                key_of(&last, &Zeroizing::new(file)).map_err(|error| LookupError::Failed {
                    plugin: NAME,
                    fault: format!("the key in {}: {error}", path.display()),
                })?;
            Ok(read_token(&key, &token, now))
        };
        match self.turns.aside(work, NAME).await?? {
            Ok(target) => Ok(Some(target)),
            Err(refused) => {
                warn!("a token is refused: {refused}");
                Ok(None)
            }
        }
    }
}

fn key_of(last: &Mutex<LastKey>, file: &[u8]) -> Result<Arc<Key>, KeyError> {
    let digest: [u8; 32] = Sha256::digest(file).into();
    let kept = last.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some((of, key)) = kept
        && of == digest
    {
        return Ok(key);
    }
    let key = Arc::new(Key::read(file)?);
    *last.lock().unwrap_or_else(PoisonError::into_inner) = Some((digest, Arc::clone(&key)));
    Ok(key)
}

/// What the token says, when it is ours and it is time. What is encrypted must be signed
/// besides: anybody can encrypt for a public key.
fn read_token(key: &Key, token: &str, now: u64) -> Result<Target, Refused> {
    let claims = match token.split('.').count() {
        3 => signed::verify(key, token)?,
        5 => {
            let inner = encrypted::decrypt(key, token)?;
            let inner = str::from_utf8(&inner).map_err(|_| Refused::Unsigned)?;
            if inner.split('.').count() != 3 {
                return Err(Refused::Unsigned);
            }
            signed::verify(key, inner)?
        }
        _ => return Err(Refused::Form),
    };
    let claims: Claims = serde_json::from_slice(&claims).map_err(|_| Refused::Claims)?;
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds since 1970 are far below 2^53"
    )]
    let now = now as f64;
    if now < claims.nbf {
        return Err(Refused::TooEarly);
    }
    if now > claims.exp {
        return Err(Refused::Expired);
    }
    claims.target.target().map_err(Refused::Target)
}

impl Header {
    fn read(part: &str) -> Result<Self, Refused> {
        let header: Self = serde_json::from_slice(&decode(part)?).map_err(|_| Refused::Part)?;
        let unknown = |name| header.rest.contains_key(name);
        if ["crit", "b64", "zip"].into_iter().any(unknown) {
            return Err(Refused::Extension);
        }
        Ok(header)
    }
}

fn decode(part: &str) -> Result<Vec<u8>, Refused> {
    BASE64URL.decode(part).map_err(|_| Refused::Part)
}

#[cfg(test)]
mod tests;
