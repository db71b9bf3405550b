//! Encrypted tokens: JWE in its compact form (RFC 7516), with the algorithms of RFC 7518
//! sections 4 and 5 that need a secret or an RSA key.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{
    BlockCipherDecrypt, BlockModeDecrypt as _, BlockSizeUser, KeyInit, KeyIvInit as _,
};
use aes::{Aes128, Aes192, Aes256};
use aes_kw::AesKw;
use getrandom::SysRng;
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;
use rsa::rand_core::TryCryptoRng;
use rsa::traits::PaddingScheme;
use rsa::{Oaep, RsaPrivateKey};
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::key::{Key, Verifier};
use super::{Header, Refused, decode};

/// Longest key that content is encrypted with, in bytes: that of A256CBC-HS512.
const MAX_CONTENT_KEY: usize = 64;

/// How the content is encrypted.
#[derive(Clone, Copy)]
enum Content {
    Gcm(&'static ring::aead::Algorithm),
    /// AES in CBC mode, then HMAC; each has half of the key, and half of the HMAC is the tag.
    CbcHmac(hmac::Algorithm),
}

/// One part each, decoded; the header as it came.
struct Parts<'a> {
    header: &'a str,
    iv: Vec<u8>,
    text: Vec<u8>,
    tag: Vec<u8>,
}

/// What is encrypted in the token.
pub(super) fn decrypt(key: &Key, token: &str) -> Result<Zeroizing<Vec<u8>>, Refused> {
    let mut parts = token.split('.');
    let mut next = || parts.next().ok_or(Refused::Form);
    let (first, wrapped) = (next()?, decode(next()?)?);
    let parts = Parts {
        header: first,
        iv: decode(next()?)?,
        text: decode(next()?)?,
        tag: decode(next()?)?,
    };
    let header = Header::read(first)?;
    let (content, length) = content(&header.enc)?;
    let content_key = content_key(key, &header.alg, &wrapped)?;
    if content_key.len() != length {
        return Err(Refused::Decryption);
    }
    match content {
        Content::Gcm(algorithm) => open_gcm(algorithm, &content_key, parts),
        Content::CbcHmac(algorithm) => open_cbc(algorithm, &content_key, &parts),
    }
}

/// The algorithm for `enc`, and how many bytes its key has.
fn content(enc: &str) -> Result<(Content, usize), Refused> {
    Ok(match enc {
        "A128GCM" => (Content::Gcm(&AES_128_GCM), 16),
        "A256GCM" => (Content::Gcm(&AES_256_GCM), 32),
        "A128CBC-HS256" => (Content::CbcHmac(hmac::HMAC_SHA256), 32),
        "A192CBC-HS384" => (Content::CbcHmac(hmac::HMAC_SHA384), 48),
        "A256CBC-HS512" => (Content::CbcHmac(hmac::HMAC_SHA512), 64),
        _ => return Err(Refused::Algorithm),
    })
}

/// The key that the content is encrypted with, which comes along wrapped in ours, or is ours.
fn content_key(key: &Key, alg: &str, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, Refused> {
    match (alg, &key.verifier, &key.decrypter) {
        ("dir", Verifier::Secret(secret), _) if wrapped.is_empty() => {
            Ok(Zeroizing::new(secret.expose().clone()))
        }
        ("A128KW", Verifier::Secret(secret), _) => unwrap::<Aes128>(secret.expose(), wrapped),
        ("A192KW", Verifier::Secret(secret), _) => unwrap::<Aes192>(secret.expose(), wrapped),
        ("A256KW", Verifier::Secret(secret), _) => unwrap::<Aes256>(secret.expose(), wrapped),
        ("RSA-OAEP", _, Some(private)) => {
            unwrap_rsa(Oaep::<Sha1>::new(), private, wrapped, &mut SysRng)
        }
        ("RSA-OAEP-256", _, Some(private)) => {
            unwrap_rsa(Oaep::<Sha256>::new(), private, wrapped, &mut SysRng)
        }
        _ => Err(Refused::Algorithm),
    }
}

/// RSAES-OAEP (RFC 8017 section 7.1), blinded with `random`, so that the time which it takes tells
/// nothing of our key.
fn unwrap_rsa(
    padding: impl PaddingScheme,
    private: &RsaPrivateKey,
    wrapped: &[u8],
    random: &mut impl TryCryptoRng,
) -> Result<Zeroizing<Vec<u8>>, Refused> {
    let key = padding.decrypt(Some(random), private, wrapped);
    key.map(Zeroizing::new).map_err(|_| Refused::Decryption)
}

/// AES key wrap (RFC 3394).
fn unwrap<C>(secret: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, Refused>
where
    C: KeyInit + BlockCipherDecrypt + BlockSizeUser<BlockSize = aes::cipher::consts::U16>,
{
    let wrapping = AesKw::<C>::new_from_slice(secret).map_err(|_| Refused::Algorithm)?;
    let mut key = Zeroizing::new(vec![0; MAX_CONTENT_KEY]);
    let length = wrapping
        .unwrap_key(wrapped, &mut key)
        .map_err(|_| Refused::Decryption)?
        .len();
    key.truncate(length);
    Ok(key)
}

fn open_gcm(
    algorithm: &'static ring::aead::Algorithm,
    key: &[u8],
    parts: Parts<'_>,
) -> Result<Zeroizing<Vec<u8>>, Refused> {
    let refused = |_| Refused::Decryption;
    if parts.tag.len() != algorithm.tag_len() {
        return Err(Refused::Decryption);
    }
    let key = LessSafeKey::new(UnboundKey::new(algorithm, key).map_err(refused)?);
    let nonce = Nonce::try_assume_unique_for_key(&parts.iv).map_err(refused)?;
    let mut text = Zeroizing::new(parts.text);
    text.extend_from_slice(&parts.tag);
    let length = key
        .open_in_place(nonce, Aad::from(parts.header), &mut text)
        .map_err(refused)?
        .len();
    text.truncate(length);
    Ok(text)
}

/// RFC 7518 section 5.2.2.2: nothing is decrypted before the tag is found right.
fn open_cbc(
    algorithm: hmac::Algorithm,
    key: &[u8],
    parts: &Parts<'_>,
) -> Result<Zeroizing<Vec<u8>>, Refused> {
    let (mac_key, aes_key) = key.split_at(key.len() / 2);
    let header = parts.header.as_bytes();
    let mut mac = hmac::Context::with_key(&hmac::Key::new(algorithm, mac_key));
    mac.update(header);
    mac.update(&parts.iv);
    mac.update(&parts.text);
    mac.update(&(header.len() as u64 * 8).to_be_bytes());
    let tag = mac.sign();
    let (tag, _) = tag.as_ref().split_at(mac_key.len());
    if !bool::from(tag.ct_eq(&parts.tag)) {
        return Err(Refused::Decryption);
    }
    let text = match aes_key.len() {
        16 => open_blocks::<Aes128>(aes_key, parts),
        24 => open_blocks::<Aes192>(aes_key, parts),
        _ => open_blocks::<Aes256>(aes_key, parts),
    };
    text.ok_or(Refused::Decryption)
}

fn open_blocks<C>(key: &[u8], parts: &Parts<'_>) -> Option<Zeroizing<Vec<u8>>>
where
    C: KeyInit + BlockCipherDecrypt,
{
    let mut text = Zeroizing::new(parts.text.clone());
    let length = cbc::Decryptor::<C>::new_from_slices(key, &parts.iv)
        .ok()?
        .decrypt_padded::<Pkcs7>(&mut text)
        .ok()?
        .len();
    text.truncate(length);
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use rsa::pkcs8::DecodePrivateKey as _;
    use rsa::rand_core::{TryCryptoRng, TryRng};

    use super::*;

    /// Counts what is asked of it.
    struct Counting(usize);

    impl TryRng for Counting {
        type Error = Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            self.0 += 1;
            Ok(7)
        }

        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            self.0 += 1;
            Ok(7)
        }

        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
            self.0 += 1;
            bytes.fill(7);
            Ok(())
        }
    }

    impl TryCryptoRng for Counting {}

    #[test]
    fn rsa_keys_are_blinded_each_time() {
        let key = include_str!("../../../../tests/fixtures/jwt/rsa-private.pem");
        let key = RsaPrivateKey::from_pkcs8_pem(key).unwrap();
        let mut random = Counting(0);
        let refused = unwrap_rsa(Oaep::<Sha1>::new(), &key, &[1; 256], &mut random);
        assert_eq!(refused.err(), Some(Refused::Decryption));
        assert!(random.0 > 0);
    }
}
