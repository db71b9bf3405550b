//! The certificates at the start, read by whoever may read them.

use anyhow::{Result, bail};
use tracing::{error, warn};

use crate::acme;
use crate::certificates::{Pair, Pem, configured};
use crate::config::{Config, TlsFiles};
use crate::runtime::Clock;

/// Whether every configured pair can be used.
///
/// # Errors
/// What is wrong with those that cannot.
pub(super) fn check(config: &Config) -> Result<()> {
    let mut wrong = Vec::new();
    for it in configured(config) {
        match it.pair {
            Ok(pair) => {
                if let Some(fault) = pair.out_of_time(Clock::System.unix()) {
                    warn!("the certificate {} {fault}", it.files.cert.display());
                }
            }
            Err(error) => wrong.push(error.to_string()),
        }
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    Ok(())
}

/// Those that can be used; of the others the log tells.
pub(super) fn read(config: &Config) -> Vec<(TlsFiles, Pair)> {
    let mut pairs = Vec::new();
    for it in configured(config) {
        match it.pair {
            Ok(pair) => pairs.push((it.files.clone(), pair)),
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
