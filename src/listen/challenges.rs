//! How it is proved to an authority that a name leads here (RFC 8555 §8.3, RFC 8737).

use std::collections::HashMap;
use std::sync::Arc;

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest as _, Sha256};

use crate::model::{Challenge, ChallengeKind};

/// What is answered to an authority that validates.
#[derive(Debug, Default)]
pub struct Challenges {
    http: HashMap<String, String>,
    tls: HashMap<String, Arc<CertifiedKey>>,
}

/// A certificate for a challenge that cannot be made: our own fault.
#[derive(Debug, thiserror::Error)]
pub enum ChallengeError {
    #[error("cannot make the certificate for a challenge: {0}")]
    Making(#[from] rcgen::Error),
    #[error("cannot use the certificate for a challenge: {0}")]
    Using(#[from] rustls::Error),
}

impl Challenges {
    /// # Errors
    /// See [`ChallengeError`].
    pub fn new(challenges: &[Challenge]) -> Result<Self, ChallengeError> {
        let mut new = Self::default();
        for challenge in challenges {
            let authorization = challenge.authorization.clone();
            match challenge.kind {
                ChallengeKind::Http01 => {
                    new.http.insert(challenge.token.clone(), authorization);
                }
                ChallengeKind::TlsAlpn01 => {
                    let certified = proof(&challenge.domain, &authorization)?;
                    new.tls
                        .insert(challenge.domain.clone(), Arc::new(certified));
                }
            }
        }
        Ok(new)
    }

    pub(super) fn http(&self, token: &str) -> Option<&str> {
        self.http.get(token).map(String::as_str)
    }

    pub(super) fn tls(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.tls.get(&name.to_ascii_lowercase()).map(Arc::clone)
    }
}

/// The certificate that proves it (RFC 8737 §3).
fn proof(domain: &str, authorization: &str) -> Result<CertifiedKey, ChallengeError> {
    let digest = Sha256::digest(authorization);
    let mut params = CertificateParams::new([domain.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(&digest)];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    // Not checked against each other, since the extension is one that only authorities know.
    let key = rustls::crypto::ring::sign::any_supported_type(&key)?;
    Ok(CertifiedKey::new(vec![certificate.der().clone()], key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_answered_in_its_own_way() {
        let challenge = |kind| Challenge {
            kind,
            domain: "desk.example.org".to_owned(),
            token: "token".to_owned(),
            authorization: "token.thumb".to_owned(),
        };
        let http = Challenges::new(&[challenge(ChallengeKind::Http01)]).unwrap();
        assert_eq!(http.http("token"), Some("token.thumb"));
        assert!(http.http("other").is_none() && http.tls("desk.example.org").is_none());
        let tls = Challenges::new(&[challenge(ChallengeKind::TlsAlpn01)]).unwrap();
        assert!(tls.http("token").is_none());
        let shown = tls.tls("DESK.example.org").unwrap();
        let (_, parsed) = x509_parser::parse_x509_certificate(&shown.cert[0]).unwrap();
        let oid = x509_parser::oid_registry::asn1_rs::oid!(1.3.6.1.5.5.7.1.31);
        let extension = parsed.get_extension_unique(&oid).unwrap().unwrap();
        assert!(extension.critical);
        assert!(extension.value.ends_with(&Sha256::digest("token.thumb")));
    }
}
