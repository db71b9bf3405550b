//! One certificate for all relays, and a client that trusts it alone.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail};
use rustls::crypto::ring::{self, cipher_suite};
use rustls::{ClientConfig, RootCertStore};

/// Writes certificate and key into one file. The client asks for AES-128-GCM alone, so that all
/// relays do the same work.
pub(super) fn make(file: &Path) -> Result<Arc<ClientConfig>> {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    fs::write(file, cert.pem() + &signing_key.serialize_pem())?;
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone())?;
    let mut provider = ring::default_provider();
    provider.cipher_suites = vec![
        cipher_suite::TLS13_AES_128_GCM_SHA256,
        cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ];
    let Ok(config) = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
    else {
        bail!("no version of TLS goes with these ciphers");
    };
    let config = config.with_root_certificates(roots).with_no_client_auth();
    Ok(Arc::new(config))
}
