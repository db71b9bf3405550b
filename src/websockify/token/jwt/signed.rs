//! Signed tokens: JWS in its compact form (RFC 7515), with the algorithms of RFC 7518 section 3
//! and RFC 8037.

use ring::hmac;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};

use super::key::{Key, Kind, Verifier};
use super::{Header, Refused, decode};

/// The claims, when the signature is by our key. The key says which algorithms may be asked for:
/// a public key is never taken for a secret.
pub(super) fn verify(key: &Key, token: &str) -> Result<Vec<u8>, Refused> {
    let (message, signature) = token.rsplit_once('.').ok_or(Refused::Form)?;
    let (header, claims) = message.split_once('.').ok_or(Refused::Form)?;
    let alg = Header::read(header)?.alg;
    let (message, signature) = (message.as_bytes(), decode(signature)?);
    let ours = match &key.verifier {
        Verifier::Secret(secret) => {
            let secret = hmac::Key::new(hmac_algorithm(&alg)?, secret.expose());
            hmac::verify(&secret, message, &signature)
        }
        Verifier::Public(kind, public) => {
            let algorithm = public_algorithm(*kind, &alg)?;
            UnparsedPublicKey::new(algorithm, public).verify(message, &signature)
        }
    };
    ours.map_err(|_| Refused::Signature)?;
    decode(claims)
}

fn hmac_algorithm(alg: &str) -> Result<hmac::Algorithm, Refused> {
    match alg {
        "HS256" => Ok(hmac::HMAC_SHA256),
        "HS384" => Ok(hmac::HMAC_SHA384),
        "HS512" => Ok(hmac::HMAC_SHA512),
        _ => Err(Refused::Algorithm),
    }
}

fn public_algorithm(kind: Kind, alg: &str) -> Result<&'static dyn VerificationAlgorithm, Refused> {
    Ok(match (kind, alg) {
        (Kind::Rsa, "RS256") => &RSA_PKCS1_2048_8192_SHA256,
        (Kind::Rsa, "RS384") => &RSA_PKCS1_2048_8192_SHA384,
        (Kind::Rsa, "RS512") => &RSA_PKCS1_2048_8192_SHA512,
        (Kind::Rsa, "PS256") => &RSA_PSS_2048_8192_SHA256,
        (Kind::Rsa, "PS384") => &RSA_PSS_2048_8192_SHA384,
        (Kind::Rsa, "PS512") => &RSA_PSS_2048_8192_SHA512,
        (Kind::P256, "ES256") => &ECDSA_P256_SHA256_FIXED,
        (Kind::P384, "ES384") => &ECDSA_P384_SHA384_FIXED,
        (Kind::Ed25519, "EdDSA" | "Ed25519") => &ED25519,
        _ => return Err(Refused::Algorithm),
    })
}
