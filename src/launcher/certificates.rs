//! The certificates' files, read as root and watched: the front, which cannot open them, is handed
//! what is in them.
//!
//! Looking costs a stat(2) for each file a second. A change is taken up once the files have been
//! the same for two looks, so that a certificate whose key comes a moment later is read with it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::acme;
use crate::certificates::{Bundle, Pair, PairError, Pem, Stamp, Told, foreign_stamps, stamps};
use crate::config::{Config, TlsFiles};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// All pairs that are configured, in their order, and the one that is ordered.
#[derive(Debug)]
pub(crate) struct Watched {
    sources: Vec<Source>,
    next_look: Instant,
}

#[derive(Debug)]
struct Source {
    files: TlsFiles,
    /// Ordered: written by the service user, and not there before the first order.
    ordered: bool,
    /// As the files were when they were read, and at the last look.
    read_at: Vec<Option<Stamp>>,
    seen: Vec<Option<Stamp>>,
    /// The last that was sound.
    good: Option<(Pem, Pair)>,
}

impl Watched {
    /// Reads the files. Those that cannot be used are told in the log.
    pub(crate) fn new(config: &Config, unix: u64, now: Instant) -> Self {
        let mut new = Self {
            sources: Vec::new(),
            next_look: now + LOOK_EVERY,
        };
        new.configure(config, unix);
        new
    }

    /// The files of a configuration that was read again, all of them read anew.
    pub(crate) fn configure(&mut self, config: &Config, unix: u64) {
        let configured = config.tls.pairs().map(|files| (files.clone(), false));
        let state = &config.paths.state;
        let ordered = config.tls.acme.as_ref().map(|_| (acme::files(state), true));
        let old = std::mem::take(&mut self.sources);
        for (files, ordered) in configured.chain(ordered) {
            let known = old.iter().find(|source| source.files == files);
            let mut source = Source {
                good: known.and_then(|source| source.good.clone()),
                files,
                ordered,
                read_at: Vec::new(),
                seen: Vec::new(),
            };
            source.read_again(unix);
            self.sources.push(source);
        }
    }

    /// Looks whether files have changed, when it is time. Whether there is something to tell.
    pub(crate) fn look(&mut self, unix: u64, now: Instant) -> bool {
        if now < self.next_look {
            return false;
        }
        self.next_look = now + LOOK_EVERY;
        let changed = self.sources.iter_mut().map(|source| source.look(unix));
        changed.fold(false, |any, one| any | one)
    }

    /// When to look; `None` while there is nothing to look at.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        (!self.sources.is_empty()).then_some(self.next_look)
    }

    /// The certificate that was ordered last, if it is sound.
    pub(crate) fn ordered(&self) -> Option<&Pair> {
        let ordered = self.sources.iter().find(|source| source.ordered)?;
        ordered.good.as_ref().map(|(_, pair)| pair)
    }

    /// What the front is to show.
    pub(crate) fn bundle(&self) -> Bundle {
        let told = self.sources.iter().map(|source| Told {
            files: source.files.clone(),
            pem: source.good.as_ref().map(|(pem, _)| pem.clone()),
        });
        Bundle {
            told: told.collect(),
        }
    }
}

impl Source {
    /// Whether there is a new pair.
    fn look(&mut self, unix: u64) -> bool {
        let now = self.stamps();
        let settled = now == self.seen;
        self.seen = now;
        settled && self.seen != self.read_at && self.read_again(unix)
    }

    fn read_again(&mut self, unix: u64) -> bool {
        // Noted before the files are read: a change in between is seen next time.
        self.read_at = self.stamps();
        self.seen.clone_from(&self.read_at);
        match self.read(unix) {
            Ok((pem, pair)) => {
                let known = self.good.as_ref();
                let is_new = known.is_none_or(|(_, old)| old.fingerprint != pair.fingerprint);
                if is_new && let Some(fault) = pair.out_of_time(unix) {
                    tracing::warn!("the certificate {} {fault}", self.files.cert.display());
                }
                // The key may be another with the same certificate.
                let is_new = is_new || known.is_none_or(|(old, _)| *old != pem);
                self.good = Some((pem, pair));
                is_new
            }
            Err(_) if self.ordered && self.read_at.iter().all(Option::is_none) => false,
            Err(error) if self.good.is_some() => {
                tracing::error!("the old certificate stays in use: {error}");
                false
            }
            Err(error) => {
                tracing::error!("{error}");
                false
            }
        }
    }

    fn read(&self, unix: u64) -> Result<(Pem, Pair), PairError> {
        let pem = if self.ordered {
            Pem::read_foreign(&self.files)?
        } else {
            Pem::read(&self.files)?
        };
        let pair = pem.check(&self.files)?;
        let old_is_better = self
            .good
            .as_ref()
            .is_some_and(|(_, old)| old.out_of_time(unix).is_none());
        match pair.out_of_time(unix) {
            Some(fault) if old_is_better => Err(PairError::OutOfTime {
                path: self.files.cert.clone(),
                fault,
            }),
            _ => Ok((pem, pair)),
        }
    }

    fn stamps(&self) -> Vec<Option<Stamp>> {
        let files: [PathBuf; 2] = [self.files.cert.clone(), self.files.key.clone()];
        if self.ordered {
            foreign_stamps(&files)
        } else {
            stamps(&files)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    /// Midnight of 2026-01-01.
    const NEW_YEAR: u64 = 1_767_225_600;

    struct Looked {
        watched: Watched,
        now: Instant,
    }

    impl Looked {
        /// As many looks as a change takes to be taken up.
        fn looks(&mut self) -> bool {
            (0..2).fold(false, |told, _| {
                self.now += LOOK_EVERY;
                told | self.watched.look(NEW_YEAR, self.now)
            })
        }

        fn names(&self) -> Vec<String> {
            let (_, pair) = self.watched.sources[0].good.as_ref().unwrap();
            pair.names.clone()
        }
    }

    fn write(folder: &Path, name: &str, until: i32) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let cert = params.self_signed(&key).unwrap().pem();
        fs::write(folder.join("cert"), cert).unwrap();
        fs::write(folder.join("key"), key.serialize_pem()).unwrap();
    }

    fn watch(folder: &Path) -> Looked {
        let mut config = Config::default_for(0);
        config.tls.main = Some(TlsFiles {
            cert: folder.join("cert"),
            key: folder.join("key"),
        });
        let now = Instant::now();
        let watched = Watched::new(&config, NEW_YEAR, now);
        Looked { watched, now }
    }

    #[test]
    fn a_new_pair_is_told_once_and_a_bad_one_never() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        write(folder, "first.org", 2030);
        let mut looked = watch(folder);
        assert_eq!(looked.names(), ["first.org"]);
        assert!(!looked.looks(), "nothing has changed");

        write(folder, "second.org", 2030);
        assert!(looked.looks());
        assert_eq!(looked.names(), ["second.org"]);
        assert!(!looked.looks());

        write(folder, "expired.org", 2025);
        assert!(!looked.looks());
        fs::write(
            folder.join("key"),
            KeyPair::generate().unwrap().serialize_pem(),
        )
        .unwrap();
        assert!(!looked.looks());
        fs::remove_file(folder.join("cert")).unwrap();
        assert!(!looked.looks());
        assert_eq!(looked.names(), ["second.org"]);
        assert!(looked.watched.bundle().told[0].pem.is_some());

        write(folder, "third.org", 2030);
        assert!(looked.looks());
        assert_eq!(looked.names(), ["third.org"]);
    }

    #[test]
    fn a_certificate_whose_key_comes_later_is_read_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        write(folder, "first.org", 2030);
        let mut looked = watch(folder);
        write(folder, "second.org", 2030);
        let key = fs::read(folder.join("key")).unwrap();
        fs::write(folder.join("key"), "half").unwrap();
        looked.now += LOOK_EVERY;
        assert!(!looked.watched.look(NEW_YEAR, looked.now));
        fs::write(folder.join("key"), key).unwrap();
        looked.now += LOOK_EVERY;
        assert!(!looked.watched.look(NEW_YEAR, looked.now), "not settled");
        looked.now += LOOK_EVERY;
        assert!(looked.watched.look(NEW_YEAR, looked.now));
    }
}
