//! Opens encrypted keys.
//!
//! What OpenSSL calls traditional derives the cipher's key by MD5 (`EVP_BytesToKey(3)`, one
//! round). It guards little, but the files are there.

use std::path::Path;

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, KeyIvInit};
use aes::{Aes128, Aes192, Aes256};
use cbc::Decryptor;
use des::TdesEde3;
use md5::{Digest as _, Md5};
use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use zeroize::Zeroizing;

use super::TlsError;
use super::section::{Kind, Section};
use crate::model::Secret;

/// Bytes of the first vector that go into the key.
const SALT: usize = 8;

/// Why a key stays shut.
#[derive(Debug)]
pub(super) enum Shut {
    WrongPassword,
    /// The encryption's name.
    Unsupported(String),
}

impl Shut {
    /// The error for the file that holds the key.
    pub(super) fn at(self, path: &Path) -> TlsError {
        let path = path.to_owned();
        match self {
            Self::WrongPassword => TlsError::WrongPassword { path },
            Self::Unsupported(how) => TlsError::KeyEncryption { path, how },
        }
    }
}

/// Decrypts a key.
pub(super) fn open(
    section: &Section,
    password: &Secret<String>,
) -> Result<PrivateKeyDer<'static>, Shut> {
    let password = password.expose().as_bytes();
    match section {
        Section::Pkcs8(der) => open_pkcs8(der, password),
        Section::Traditional { kind, how, bytes } => open_traditional(*kind, how, bytes, password),
    }
}

fn open_pkcs8(der: &[u8], password: &[u8]) -> Result<PrivateKeyDer<'static>, Shut> {
    let info = EncryptedPrivateKeyInfoRef::try_from(der)
        .map_err(|error| Shut::Unsupported(error.to_string()))?;
    let key = info.decrypt(password).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(pkcs8::pkcs5::Error::DecryptFailed)
        | pkcs8::Error::Asn1(_) => Shut::WrongPassword,
        other => Shut::Unsupported(other.to_string()),
    })?;
    Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into())
}

fn open_traditional(
    kind: Kind,
    how: &str,
    bytes: &[u8],
    password: &[u8],
) -> Result<PrivateKeyDer<'static>, Shut> {
    let unsupported = || Shut::Unsupported(how.to_owned());
    let (cipher, vector) = how.split_once(',').ok_or_else(unsupported)?;
    let vector = unhex(vector.trim()).ok_or_else(unsupported)?;
    let mut plain = Zeroizing::new(bytes.to_vec());
    let opened = match cipher {
        "AES-128-CBC" => decrypt::<Decryptor<Aes128>>(16, password, &vector, &mut plain),
        "AES-192-CBC" => decrypt::<Decryptor<Aes192>>(24, password, &vector, &mut plain),
        "AES-256-CBC" => decrypt::<Decryptor<Aes256>>(32, password, &vector, &mut plain),
        "DES-EDE3-CBC" => decrypt::<Decryptor<TdesEde3>>(24, password, &vector, &mut plain),
        _ => return Err(unsupported()),
    };
    let der = opened.ok_or(Shut::WrongPassword)?;
    Ok(match kind {
        Kind::Pkcs1 => PrivatePkcs1KeyDer::from(der).into(),
        Kind::Sec1 => PrivateSec1KeyDer::from(der).into(),
    })
}

fn decrypt<C: BlockModeDecrypt + KeyIvInit>(
    key_size: usize,
    password: &[u8],
    vector: &[u8],
    bytes: &mut [u8],
) -> Option<Vec<u8>> {
    let key = derive(password, vector.get(..SALT)?, key_size);
    let cipher = C::new_from_slices(&key, vector).ok()?;
    let plain = cipher.decrypt_padded::<Pkcs7>(bytes).ok()?;
    // A wrong password leaves good padding once in 256 times; a key is always a DER sequence.
    (plain.first() == Some(&0x30)).then(|| plain.to_vec())
}

fn derive(password: &[u8], salt: &[u8], size: usize) -> Zeroizing<Vec<u8>> {
    let mut key = Zeroizing::new(Vec::new());
    while key.len() < size {
        let last = key.len().saturating_sub(Md5::output_size());
        let block = Md5::new()
            .chain_update(key.get(last..).unwrap_or_default())
            .chain_update(password)
            .chain_update(salt)
            .finalize();
        key.extend_from_slice(&block);
    }
    key.truncate(size);
    key
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((pair, after)) = rest.split_at_checked(2) {
        bytes.push(u8::from_str_radix(pair, 16).ok()?);
        rest = after;
        if rest.is_empty() {
            return Some(bytes);
        }
    }
    None
}
