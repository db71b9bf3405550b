//! All pairs that the configuration names, looked at together.

use crate::config::{Config, TlsFiles};

use super::{Pair, PairError, Pem};

/// One of them, read and checked.
#[derive(Debug)]
pub struct Configured<'a> {
    pub files: &'a TlsFiles,
    /// Where it stands in the file.
    pub key: &'static str,
    pub pair: Result<Pair, PairError>,
}

/// Every configured pair, the main one first.
pub fn configured(config: &Config) -> impl Iterator<Item = Configured<'_>> {
    let main = config.tls.main.as_ref();
    config.tls.pairs().map(move |files| {
        let is_main = main.is_some_and(|main| std::ptr::eq(main, files));
        Configured {
            files,
            key: if is_main {
                "`tls_cert` and `tls_key` in [server]"
            } else {
                "`certificates` in [tls]"
            },
            pair: Pem::read(files).and_then(|pem| pem.check(files)),
        }
    })
}
