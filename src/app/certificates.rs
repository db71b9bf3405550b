//! The certificates at the start, read by whoever may read them.

use anyhow::Result;
use tracing::{error, warn};

use crate::acme;
use crate::certificates::{Pair, PairError, Pem};
use crate::config::{Config, TlsFiles};
use crate::runtime::Clock;

/// Whether every configured pair can be used.
///
/// # Errors
/// What is wrong with the first that cannot.
pub(super) fn check(config: &Config) -> Result<(), PairError> {
    for files in config.tls.pairs() {
        let pair = Pem::read(files)?.check(files)?;
        if let Some(fault) = pair.out_of_time(Clock::System.unix()) {
            warn!("the certificate {} {fault}", files.cert.display());
        }
    }
    Ok(())
}

/// Those that can be used; of the others the log tells.
pub(super) fn read(config: &Config) -> Vec<(TlsFiles, Pair)> {
    let mut pairs = Vec::new();
    for files in config.tls.pairs() {
        match Pem::read(files).and_then(|pem| pem.check(files)) {
            Ok(pair) => pairs.push((files.clone(), pair)),
            Err(error) => error!("{error}"),
        }
    }
    if config.tls.acme.is_some() {
        let files = acme::files(&config.paths.state);
        // There is none before the first order.
        let ordered = Pem::read_foreign(&files).and_then(|pem| pem.check(&files));
        pairs.extend(ordered.ok().map(|pair| (files, pair)));
    }
    pairs
}
