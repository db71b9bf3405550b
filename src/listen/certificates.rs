//! The certificates that are shown, which can be others at any time: who is connected already
//! does not notice.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tracing::{info, warn};

use super::challenges::Challenges;
use crate::certificates::{Bundle, Pair};
use crate::config::TlsFiles;
use crate::runtime::Clock;

/// The certificates. Clones are the same.
#[derive(Clone, Default)]
pub struct Certificates(Arc<Store>);

#[derive(Default)]
struct Store {
    /// In their order: the first is for whoever names no host that one of them is for.
    configured: Mutex<Vec<(TlsFiles, Pair)>>,
    shown: RwLock<Arc<Shown>>,
    challenges: RwLock<Arc<Challenges>>,
}

/// What a handshake looks at.
#[derive(Default)]
struct Shown {
    pairs: Vec<Pair>,
    by_name: HashMap<String, Vec<usize>>,
    own: Option<Arc<CertifiedKey>>,
}

impl Certificates {
    /// No certificates yet: our own, if there is one, is shown until there are some.
    pub fn new(own: Option<&Pair>) -> Self {
        let new = Self::default();
        new.show(Shown {
            own: own.map(|own| Arc::clone(&own.certified)),
            ..Shown::default()
        });
        new
    }

    /// Shows these from now on.
    pub fn set(&self, pairs: Vec<(TlsFiles, Pair)>) {
        let mut shown = Shown {
            own: self.shown().own.clone(),
            ..Shown::default()
        };
        for (index, (_, pair)) in pairs.iter().enumerate() {
            shown.pairs.push(pair.clone());
            for name in &pair.names {
                shown.by_name.entry(name.clone()).or_default().push(index);
            }
        }
        self.show(shown);
        let mut configured = self.configured();
        for (files, pair) in &pairs {
            let same = |(_, old): &(_, Pair)| old.fingerprint == pair.fingerprint;
            if !configured.iter().any(same) {
                let (names, cert) = (pair.names.join(", "), files.cert.display());
                info!(%names, fingerprint = %pair.fingerprint, "certificate {cert} is in use");
            }
        }
        *configured = pairs;
    }

    /// Shows what the launcher has read. Where it has nothing sound, what there was stays.
    pub fn update(&self, bundle: Bundle) {
        let old = self.configured().clone();
        let mut pairs = Vec::new();
        for told in bundle.told {
            let new = told.pem.as_ref().map(|pem| pem.check(&told.files));
            let new = new.and_then(|checked| {
                let wrong = |error: &_| warn!("the old certificate stays in use: {error}");
                checked.inspect_err(wrong).ok()
            });
            let kept = || {
                let found = old.iter().find(|(files, _)| *files == told.files);
                found.map(|(_, pair)| pair.clone())
            };
            if let Some(pair) = new.or_else(kept) {
                pairs.push((told.files, pair));
            }
        }
        if pairs.is_empty() && !old.is_empty() {
            // Https goes on until the next start, which decides whether it is spoken at all.
            warn!("no certificate is left: the old ones stay in use");
            return;
        }
        self.set(pairs);
    }

    /// Whether browsers can be expected to trust them: not our own.
    pub fn are_configured(&self) -> bool {
        !self.shown().pairs.is_empty()
    }

    /// When the first of them ends, seconds since 1970; our own does not count.
    pub fn first_end(&self) -> Option<i64> {
        let shown = self.shown();
        shown.pairs.iter().map(|pair| pair.not_after).min()
    }

    /// Answers these challenges from now on, and no others.
    pub fn set_challenges(&self, challenges: Challenges) {
        let kept = self.0.challenges.write();
        *kept.unwrap_or_else(PoisonError::into_inner) = Arc::new(challenges);
    }

    pub(super) fn challenges(&self) -> Arc<Challenges> {
        let challenges = self.0.challenges.read();
        Arc::clone(&challenges.unwrap_or_else(PoisonError::into_inner))
    }

    /// What to answer to the http-01 challenge with that token (RFC 8555 §8.3).
    pub fn http_challenge(&self, token: &str) -> Option<String> {
        self.challenges().http(token).map(str::to_owned)
    }

    fn show(&self, shown: Shown) {
        let mut now = self.0.shown.write().unwrap_or_else(PoisonError::into_inner);
        *now = Arc::new(shown);
    }

    fn shown(&self) -> Arc<Shown> {
        let shown = self.0.shown.read();
        Arc::clone(&shown.unwrap_or_else(PoisonError::into_inner))
    }

    fn configured(&self) -> std::sync::MutexGuard<'_, Vec<(TlsFiles, Pair)>> {
        let configured = self.0.configured.lock();
        configured.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shown {
    /// The certificate for `name`, where there are several one that the client can check and that
    /// is good at `now`, seconds since 1970: the first of those, else the one that ends last.
    fn choose(
        &self,
        name: Option<&str>,
        now: u64,
        fits: impl Fn(&CertifiedKey) -> bool,
    ) -> Option<Arc<CertifiedKey>> {
        let name = name.map(str::to_ascii_lowercase);
        let wildcard = name.as_deref().and_then(|name| {
            let (_, rest) = name.split_once('.')?;
            Some(format!("*.{rest}"))
        });
        let named = [name, wildcard].into_iter().flatten();
        let mut indexes = named.flat_map(|name| self.by_name.get(&name).into_iter().flatten());
        let first = |index: &usize| self.pairs.get(*index);
        let all: Vec<_> = indexes.by_ref().filter_map(first).collect();
        let named = all.iter().copied();
        let any = self.pairs.iter();
        best(named.clone().filter(|pair| fits(&pair.certified)), now)
            .or_else(|| best(named, now))
            .or_else(|| best(any.clone().filter(|pair| fits(&pair.certified)), now))
            .or_else(|| best(any, now))
            .map(|pair| &pair.certified)
            .or(self.own.as_ref())
            .map(Arc::clone)
    }
}

/// The first that is good at `now`, else the one that ends last.
fn best<'a>(pairs: impl Iterator<Item = &'a Pair> + Clone, now: u64) -> Option<&'a Pair> {
    let mut good = pairs.clone().filter(|pair| pair.out_of_time(now).is_none());
    let ends_last = || pairs.max_by_key(|pair| pair.not_after);
    good.next().or_else(ends_last)
}

/// The name of the protocol that validates tls-alpn-01 (RFC 8737 §6.2).
pub(super) const ACME_TLS: &[u8] = b"acme-tls/1";

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut protocols = hello.alpn().into_iter().flatten();
        // An authority that validates offers this and nothing else (RFC 8737 §3).
        if protocols.next() == Some(ACME_TLS) {
            return self.challenges().tls(hello.server_name()?);
        }
        let now = Clock::System.unix();
        self.shown().choose(hello.server_name(), now, |pair| {
            pair.key.choose_scheme(hello.signature_schemes()).is_some()
        })
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates")
            .field("shown", &self.shown().pairs.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;
    use crate::certificates::Pem;

    /// Midnight of 2026-01-01.
    const NEW_YEAR: u64 = 1_767_225_600;
    const YEAR: u64 = 365 * 24 * 60 * 60;

    fn made(names: &[&str]) -> (TlsFiles, Pair) {
        made_until(names, 2090)
    }

    fn made_until(names: &[&str], year: i32) -> (TlsFiles, Pair) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names.clone()).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let cert = params.self_signed(&key).unwrap().pem();
        let files = TlsFiles {
            cert: names.join("+").into(),
            key: "key".into(),
        };
        let pem = Pem::new(cert.into_bytes(), key.serialize_pem().into_bytes());
        let pair = pem.check(&files).unwrap();
        (files, pair)
    }

    #[test]
    fn the_certificate_is_chosen_by_name_then_wildcard_else_the_first() {
        let pairs = [
            made(&["desk.example.org"]),
            made(&["*.example.org"]),
            made(&["lab.example.org", "other.net"]),
        ];
        let all = Certificates::new(None);
        all.set(pairs.to_vec());
        let chosen = |name: Option<&str>| {
            let chosen = all.shown().choose(name, NEW_YEAR, |_| true).unwrap();
            let is = |(_, pair): &(_, Pair)| Arc::ptr_eq(&pair.certified, &chosen);
            pairs.iter().position(is).unwrap()
        };
        assert_eq!(chosen(None), 0);
        assert_eq!(chosen(Some("nobody.net")), 0);
        assert_eq!(chosen(Some("Desk.Example.org")), 0);
        assert_eq!(chosen(Some("any.example.org")), 1);
        assert_eq!(chosen(Some("deep.any.example.org")), 0);
        assert_eq!(chosen(Some("lab.example.org")), 2);
        assert_eq!(chosen(Some("other.net")), 2);
    }

    #[test]
    fn one_that_has_run_out_gives_way_to_one_that_is_good_then_to_one_that_ends_later() {
        let pairs = [
            made_until(&["a.org"], 2025),
            made_until(&["b.org", "a.org"], 2027),
            made_until(&["a.org"], 2028),
            made_until(&["*.c.org"], 2027),
            made_until(&["one.c.org"], 2025),
        ];
        let all = Certificates::new(None);
        all.set(pairs.to_vec());
        let chosen = |name: Option<&str>, now, fits: &dyn Fn(&CertifiedKey) -> bool| {
            let chosen = all.shown().choose(name, now, fits).unwrap();
            let is = |(_, pair): &(_, Pair)| Arc::ptr_eq(&pair.certified, &chosen);
            pairs.iter().position(is).unwrap()
        };
        assert_eq!(chosen(Some("a.org"), NEW_YEAR - 2 * YEAR, &|_| true), 0);
        assert_eq!(chosen(Some("a.org"), NEW_YEAR, &|_| true), 1);
        assert_eq!(chosen(Some("a.org"), NEW_YEAR + 10 * YEAR, &|_| true), 2);
        assert_eq!(chosen(Some("one.c.org"), NEW_YEAR, &|_| true), 3);
        assert_eq!(chosen(None, NEW_YEAR, &|_| true), 1);
        // What the client cannot check is no use to it, however good.
        let only = Arc::clone(&pairs[0].1.certified);
        let first = |it: &CertifiedKey| std::ptr::eq(it, Arc::as_ptr(&only));
        assert_eq!(chosen(Some("a.org"), NEW_YEAR, &first), 0);
    }

    #[test]
    fn what_the_client_can_check_is_preferred_and_our_own_is_the_last_resort() {
        let (one, two, own) = (made(&["a.org"]), made(&["a.org"]), made(&["localhost"]));
        let all = Certificates::new(Some(&own.1));
        let only = |pair: &Pair| {
            let wanted = Arc::clone(&pair.certified);
            move |it: &CertifiedKey| std::ptr::eq(it, Arc::as_ptr(&wanted))
        };
        let chosen = all
            .shown()
            .choose(Some("a.org"), NEW_YEAR, |_| true)
            .unwrap();
        assert!(Arc::ptr_eq(&chosen, &own.1.certified));
        assert!(!all.are_configured());
        all.set(vec![one, two.clone()]);
        let chosen = all
            .shown()
            .choose(Some("a.org"), NEW_YEAR, only(&two.1))
            .unwrap();
        assert!(Arc::ptr_eq(&chosen, &two.1.certified));
        assert!(all.are_configured());
    }

    #[test]
    fn a_pair_that_cannot_be_read_any_more_stays_and_one_that_is_not_named_goes() {
        let (one, two) = (made(&["a.org"]), made(&["b.org"]));
        let all = Certificates::new(None);
        all.set(vec![one.clone(), two]);
        let told = vec![crate::certificates::Told {
            files: one.0,
            pem: None,
        }];
        all.update(Bundle { told });
        assert_eq!(all.configured().len(), 1);
        all.update(Bundle::default());
        assert_eq!(all.configured().len(), 1, "https needs one");
        let chosen = all
            .shown()
            .choose(Some("b.org"), NEW_YEAR, |_| true)
            .unwrap();
        assert!(Arc::ptr_eq(&chosen, &one.1.certified));
    }
}
