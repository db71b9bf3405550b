//! Certificates for 127.0.0.1, of an authority of the test's own.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    place: TempDir,
}

/// A certificate with its key, PEM.
pub struct Pair {
    pub chain: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "A test's own");
        let place = tempfile::tempdir().unwrap();
        let own = params.self_signed(&key).unwrap().pem();
        fs::write(place.path().join("authority.pem"), own).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            place,
        }
    }

    /// Its own certificate, for who is to trust it.
    pub fn file(&self) -> PathBuf {
        Path::new(self.place.path()).join("authority.pem")
    }

    /// One for `name` that only itself vouches for.
    pub fn self_signed(name: &str) -> Pair {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "Itself");
        Pair {
            chain: params.self_signed(&key).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    /// One for `name`, valid from the beginning of 2020 to that of the year `until`.
    pub fn issue(&self, name: &str, until: i32) -> Pair {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "Server");
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        Pair {
            chain: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }
}
