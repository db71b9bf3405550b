//! To whom the doctor's pass is shown: to this machine itself, and to a server that proves to be
//! the one of the address, or to be this Deskway. Anybody else could use it in our place.

use std::path::Path;

use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, ServerName};
use sha2::{Digest as _, Sha256};

use super::certificate;
use super::door::Facts;
use crate::acme;
use crate::certificates::leaf;
use crate::config::Config;

/// Whom to trust.
#[derive(Debug)]
pub(super) struct Trust {
    roots: RootCertStore,
    /// SHA-256 of the certificates that this Deskway itself shows.
    own: Vec<[u8; 32]>,
}

/// Why the pass stays here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Untrusted {
    #[error(
        "plain http leads away from this machine, where anybody on the way could read the pass"
    )]
    Plain,
    #[error(
        "the certificate is not trusted ({0}), so that anybody could be there to take the pass"
    )]
    Certificate(String),
}

impl Trust {
    /// This machine's authorities, and the certificates of `config`, the ordered one and the
    /// self-signed one, as far as they can be read.
    pub(super) fn gather(config: &Config) -> Self {
        let state = &config.paths.state;
        let configured = config.tls.pairs().map(|files| files.cert.as_path());
        let (ordered, own) = (acme::files(state).cert, state.join("front/self-signed.pem"));
        let files = configured.chain([ordered.as_path(), own.as_path()]);
        Self {
            roots: certificate::roots(),
            own: files.filter_map(hash_of).collect(),
        }
    }

    #[cfg(test)]
    pub(super) fn nobody() -> Self {
        Self {
            roots: RootCertStore::empty(),
            own: Vec::new(),
        }
    }

    /// Whether the pass may be shown to who is at the other end. `name`: of the address; `now`:
    /// seconds since 1970.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn admits(
        &self,
        facts: &Facts,
        name: Option<&ServerName<'_>>,
        now: u64,
    ) -> Result<(), Untrusted> {
        let Some(tls) = &facts.tls else {
            return if facts.to.is_loopback() {
                Ok(())
            } else {
                Err(Untrusted::Plain)
            };
        };
        let own = tls.chain.first().map(hash);
        if own.is_some_and(|own| self.own.contains(&own)) {
            return Ok(());
        }
        let vouched = match name {
            Some(name) => certificate::vouched(tls, name, &self.roots, now),
            None => Err(rustls::Error::NoCertificatesPresented),
        };
        vouched.map_err(|error| Untrusted::Certificate(error.to_string()))
    }
}

fn hash_of(file: &Path) -> Option<[u8; 32]> {
    leaf(file).ok().as_ref().map(hash)
}

fn hash(certificate: &CertificateDer<'_>) -> [u8; 32] {
    Sha256::digest(certificate).into()
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use rcgen::{CertificateParams, KeyPair};

    use super::super::door::TlsFacts;
    use super::*;

    /// In 2026.
    const NOW: u64 = 1_770_000_000;

    fn facts(to: &str, chain: Option<&CertificateDer<'static>>) -> Facts {
        Facts {
            from: IpAddr::from([192, 0, 2, 1]),
            to: to.parse().unwrap(),
            tls: chain.map(|own| TlsFacts {
                chain: vec![own.clone()],
                version: None,
            }),
        }
    }

    #[test]
    fn the_pass_goes_to_this_machine_to_who_is_vouched_for_and_to_deskway_itself() {
        let names = ["desk.example.org".to_owned()];
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap().self_signed(&key);
        let certificate = certificate.unwrap();
        let shown = certificate.der();
        let name = ServerName::try_from("desk.example.org").unwrap();
        let other = ServerName::try_from("other.example.org").unwrap();
        let nobody = Trust::nobody();
        let admits = |trust: &Trust, facts: &Facts, name| trust.admits(facts, Some(name), NOW);

        assert_eq!(admits(&nobody, &facts("127.0.0.1", None), &name), Ok(()));
        assert_eq!(admits(&nobody, &facts("::1", None), &name), Ok(()));
        let plain = admits(&nobody, &facts("192.0.2.7", None), &name);
        assert_eq!(plain, Err(Untrusted::Plain));

        let secure = facts("192.0.2.7", Some(shown));
        let stranger = admits(&nobody, &secure, &name);
        assert!(matches!(stranger, Err(Untrusted::Certificate(_))));

        let mut roots = RootCertStore::empty();
        roots.add(shown.clone()).unwrap();
        let vouching = Trust {
            roots,
            own: Vec::new(),
        };
        assert_eq!(admits(&vouching, &secure, &name), Ok(()));
        assert!(admits(&vouching, &secure, &other).is_err());

        let place = tempfile::tempdir().unwrap();
        let mut config = Config::default_for(1000);
        config.paths.state = place.path().to_owned();
        let file = place.path().join("front/self-signed.pem");
        std::fs::create_dir(file.parent().unwrap()).unwrap();
        std::fs::write(file, key.serialize_pem() + &certificate.pem()).unwrap();
        let own = Trust::gather(&config);
        assert_eq!(admits(&own, &secure, &other), Ok(()));
    }
}
