//! The key file: PEM, or a secret in base64url.

use base64::Engine as _;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _,
};
use rsa::RsaPrivateKey;
use rsa::pkcs1::{DecodeRsaPrivateKey as _, EncodeRsaPublicKey as _};
use rsa::pkcs8::DecodePrivateKey as _;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::x509::SubjectPublicKeyInfo;

use super::BASE64URL;
use crate::model::Secret;

/// Shortest secret, in bytes. RFC 7518 section 3.2 asks for more (32 and up), but older tools
/// take less, and 16 cannot be guessed either.
const MIN_SECRET: usize = 16;
/// An RSAPublicKey of 2048 bits is 270 bytes long in DER, one of 1024 bits 140.
const MIN_RSA_DER: usize = 256;
/// Object identifiers of public keys: RFC 8017 appendix A, RFC 5480 section 2, RFC 8410 section 3.
const RSA_ENCRYPTION: &str = "1.2.840.113549.1.1.1";
const EC_PUBLIC_KEY: &str = "1.2.840.10045.2.1";
const SECP256R1: &str = "1.2.840.10045.3.1.7";
const SECP384R1: &str = "1.3.132.0.34";
const ED25519: &str = "1.3.101.112";

/// What tokens are verified with, and decrypted.
pub(super) struct Key {
    pub(super) verifier: Verifier,
    /// There for an RSA key only that is a private one.
    pub(super) decrypter: Option<RsaPrivateKey>,
}

/// What signatures are verified with.
pub(super) enum Verifier {
    /// For HMAC; decrypts too.
    Secret(Secret<Vec<u8>>),
    /// RSA: RSAPublicKey in DER; curves: the point as it is in a certificate.
    Public(Kind, Vec<u8>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// Why a key file is of no use. Never shows what is in the file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyError {
    #[error("it is neither PEM nor a secret in base64url")]
    Form,
    #[error("its secret is shorter than {MIN_SECRET} bytes")]
    TooShort,
    #[error("it is PEM that cannot be read")]
    Pem,
    #[error("it is protected by a passphrase; take the passphrase off")]
    Passphrase,
    #[error(
        "it is in the form EC PRIVATE KEY; give its public key (openssl ec -pubout), or PKCS #8 \
         (openssl pkcs8 -topk8 -nocrypt)"
    )]
    Sec1,
    #[error("its RSA key is shorter than 2048 bits")]
    Weak,
    #[error("its kind is not known here: RSA, P-256, P-384, Ed25519 or a secret is")]
    Kind,
}

impl Key {
    pub(super) fn read(file: &[u8]) -> Result<Self, KeyError> {
        if file.windows(11).any(|part| part == b"-----BEGIN ") {
            read_pem(file)
        } else {
            read_secret(file)
        }
    }

    fn public(kind: Kind, key: &[u8]) -> Result<Self, KeyError> {
        if kind == Kind::Rsa && key.len() < MIN_RSA_DER {
            return Err(KeyError::Weak);
        }
        Ok(Self {
            verifier: Verifier::Public(kind, key.to_owned()),
            decrypter: None,
        })
    }

    fn rsa(private: RsaPrivateKey) -> Result<Self, KeyError> {
        let public = private.to_public_key().to_pkcs1_der();
        let public = public.map_err(|_| KeyError::Pem)?;
        Ok(Self {
            decrypter: Some(private),
            ..Self::public(Kind::Rsa, public.as_bytes())?
        })
    }
}

/// Takes both alphabets of base64, with or without `=` at the end, as jwcrypto does; white space
/// around it is dropped.
fn read_secret(file: &[u8]) -> Result<Key, KeyError> {
    let text = str::from_utf8(file).map_err(|_| KeyError::Form)?.trim();
    let text = text
        .trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_");
    let secret = Secret::new(BASE64URL.decode(text).map_err(|_| KeyError::Form)?);
    if secret.expose().len() < MIN_SECRET {
        return Err(KeyError::TooShort);
    }
    Ok(Key {
        verifier: Verifier::Secret(secret),
        decrypter: None,
    })
}

/// The first key or certificate in the file.
fn read_pem(file: &[u8]) -> Result<Key, KeyError> {
    let mut found = KeyError::Pem;
    for block in Pem::iter_from_buffer(file) {
        let block = block.map_err(|_| KeyError::Pem)?;
        let der = Secret::new(block.contents);
        let der = der.expose().as_slice();
        match block.label.as_str() {
            "PUBLIC KEY" => return read_public(der),
            "RSA PUBLIC KEY" => return Key::public(Kind::Rsa, der),
            "CERTIFICATE" => {
                let (_, certificate) = X509Certificate::from_der(der).map_err(|_| KeyError::Pem)?;
                return read_public(certificate.public_key().raw);
            }
            "PRIVATE KEY" => return read_private(der),
            "RSA PRIVATE KEY" => {
                let private = RsaPrivateKey::from_pkcs1_der(der);
                return Key::rsa(private.map_err(|_| KeyError::Passphrase)?);
            }
            "ENCRYPTED PRIVATE KEY" => return Err(KeyError::Passphrase),
            "EC PRIVATE KEY" => return Err(KeyError::Sec1),
            // Such as EC PARAMETERS, which stand in front of a key.
            _ => found = KeyError::Kind,
        }
    }
    Err(found)
}

/// SubjectPublicKeyInfo (RFC 5280 section 4.1).
fn read_public(der: &[u8]) -> Result<Key, KeyError> {
    let (_, info) = SubjectPublicKeyInfo::from_der(der).map_err(|_| KeyError::Pem)?;
    let curve = info.algorithm.parameters.as_ref();
    let curve = curve
        .and_then(|any| any.as_oid().ok())
        .map(|oid| oid.to_id_string());
    let kind = match (
        info.algorithm.algorithm.to_id_string().as_str(),
        curve.as_deref(),
    ) {
        (RSA_ENCRYPTION, _) => Kind::Rsa,
        (EC_PUBLIC_KEY, Some(SECP256R1)) => Kind::P256,
        (EC_PUBLIC_KEY, Some(SECP384R1)) => Kind::P384,
        (ED25519, _) => Kind::Ed25519,
        _ => return Err(KeyError::Kind),
    };
    Key::public(kind, &info.subject_public_key.data)
}

/// PKCS #8 (RFC 5958). Private keys other than RSA ones serve for their public half only.
fn read_private(der: &[u8]) -> Result<Key, KeyError> {
    if let Ok(private) = RsaPrivateKey::from_pkcs8_der(der) {
        return Key::rsa(private);
    }
    let random = ring::rand::SystemRandom::new();
    let curve = |algorithm: &'static EcdsaSigningAlgorithm| {
        EcdsaKeyPair::from_pkcs8(algorithm, der, &random).ok()
    };
    if let Some(pair) = curve(&ECDSA_P256_SHA256_FIXED_SIGNING) {
        return Key::public(Kind::P256, pair.public_key().as_ref());
    }
    if let Some(pair) = curve(&ECDSA_P384_SHA384_FIXED_SIGNING) {
        return Key::public(Kind::P384, pair.public_key().as_ref());
    }
    if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
        return Key::public(Kind::Ed25519, pair.public_key().as_ref());
    }
    Err(KeyError::Kind)
}
