//! What is remembered of the orders, and when the next one is due.

use serde::{Deserialize, Serialize};

use crate::certificates::Pair;
use crate::config::Acme;
use crate::runtime::printable;

/// Never two orders within so long, whatever else is due: seconds.
pub const MIN_BETWEEN: u64 = 60;
/// After the first failure; four times as long after each further one, up to the longest.
/// Authorities count failures by the hour: Let's Encrypt lets five happen for a name.
const FIRST_PAUSE: u64 = 15 * 60;
const LONGEST_PAUSE: u64 = 12 * 60 * 60;
/// The longest wait that an authority can ask for.
const MAX_RETRY_AFTER: u64 = 7 * 24 * 60 * 60;
/// Of a certificate's lifetime, the part that it is renewed in ahead of two thirds, so that not
/// all of them come at once.
const SPREAD: u64 = 30;
/// Longest message that is kept.
const MAX_MESSAGE: usize = 2000;

/// Kept beside the certificate. All times are seconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// For whom and where the certificate was ordered that is there.
    pub ordered: Wanted,
    /// The same of the last try.
    pub tried: Wanted,
    pub tried_at: u64,
    /// How many tries have failed since one did not.
    pub failures: u32,
    /// Why the last one did.
    pub message: String,
    /// Not before this is there another try.
    pub retry_at: u64,
}

/// What an order is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wanted {
    pub domains: Vec<String>,
    pub directory: String,
}

impl Wanted {
    fn of(acme: &Acme) -> Self {
        let mut domains = acme.domains.clone();
        domains.sort();
        Self {
            domains,
            directory: acme.directory.clone(),
        }
    }
}

impl Record {
    /// When the next order is due; `chance` spreads those of many machines.
    pub fn due(&self, acme: &Acme, current: Option<&Pair>, chance: u64) -> u64 {
        let wanted = Wanted::of(acme);
        let earliest = if self.tried == wanted {
            self.retry_at.max(self.tried_at.saturating_add(MIN_BETWEEN))
        } else {
            0
        };
        let renew_at = match current {
            Some(pair) if self.ordered == wanted => renewal(pair, chance),
            _ => 0,
        };
        renew_at.max(earliest)
    }

    /// An order begins: until it is known how it ends, it counts as failed.
    pub fn begin(&mut self, acme: &Acme, now: u64, chance: u64) {
        let wanted = Wanted::of(acme);
        if self.tried != wanted {
            self.failures = 0;
        }
        self.tried = wanted;
        self.tried_at = now;
        self.failures = self.failures.saturating_add(1);
        "the order was not finished".clone_into(&mut self.message);
        let pause = FIRST_PAUSE.saturating_mul(4_u64.saturating_pow(self.failures - 1));
        let pause = pause.min(LONGEST_PAUSE);
        self.retry_at = now + pause + chance % (pause / 10);
    }

    /// It failed; the authority may have said how long to wait.
    pub fn failed(&mut self, message: &str, retry_after: Option<u64>) {
        // An authority's own words are among them, and go to logs and terminals.
        let message = printable(&message.replace('\n', " "));
        let end = message.floor_char_boundary(MAX_MESSAGE);
        message
            .get(..end)
            .unwrap_or_default()
            .clone_into(&mut self.message);
        let asked = retry_after.unwrap_or(0).min(MAX_RETRY_AFTER);
        self.retry_at = self.retry_at.max(self.tried_at.saturating_add(asked));
    }

    /// The certificate is there.
    pub fn succeeded(&mut self) {
        self.ordered = self.tried.clone();
        self.failures = 0;
        self.message.clear();
        self.retry_at = 0;
    }

    /// The administrator has mended something: no need to wait for more than the shortest.
    pub fn hurry(&mut self) {
        self.retry_at = 0;
    }

    /// Why there is no new certificate, while that is so.
    pub fn trouble(&self) -> Option<&str> {
        (self.failures > 0).then_some(self.message.as_str())
    }
}

/// Two thirds into its lifetime, or a little before.
fn renewal(pair: &Pair, chance: u64) -> u64 {
    let from = u64::try_from(pair.not_before).unwrap_or(0);
    let until = u64::try_from(pair.not_after).unwrap_or(0);
    let lifetime = until.saturating_sub(from);
    let early = chance % (lifetime / SPREAD).max(1);
    from.saturating_add(lifetime / 3 * 2).saturating_sub(early)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;
    use crate::certificates::Pem;
    use crate::config::TlsFiles;

    const DAY: u64 = 24 * 60 * 60;

    fn acme(domains: &[&str]) -> Acme {
        Acme {
            domains: domains.iter().map(|it| (*it).to_owned()).collect(),
            contact: Vec::new(),
            directory: "https://acme.test/directory".to_owned(),
            ca_file: None,
        }
    }

    fn pair(not_before: u64, not_after: u64) -> Pair {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["a.org".to_owned()]).unwrap();
        let cert = params.self_signed(&key).unwrap().pem();
        let files = TlsFiles {
            cert: "/c".into(),
            key: "/k".into(),
        };
        let pem = Pem::new(cert.into(), key.serialize_pem().into());
        Pair {
            not_before: not_before.cast_signed(),
            not_after: not_after.cast_signed(),
            ..pem.check(&files).unwrap()
        }
    }

    #[test]
    fn an_authority_s_words_command_no_terminal_and_make_no_lines() {
        let mut record = Record::default();
        record.failed("no\u{1b}[2J\r\nERROR made up", None);
        assert_eq!(record.message, "no?[2J? ERROR made up");
    }

    #[test]
    fn it_is_renewed_at_two_thirds_or_a_little_before_and_a_changed_list_at_once() {
        let wanted = acme(&["a.org", "b.org"]);
        let mut record = Record::default();
        assert_eq!(record.due(&wanted, None, 7), 0);
        record.begin(&wanted, 1000 * DAY, 7);
        record.succeeded();
        let pair = pair(1000 * DAY, 1090 * DAY);
        assert_eq!(record.due(&wanted, Some(&pair), 0), 1060 * DAY);
        for chance in [1, 12345, u64::MAX] {
            let due = record.due(&wanted, Some(&pair), chance);
            assert!((1057 * DAY..=1060 * DAY).contains(&due), "{due}");
        }
        let other_order = acme(&["b.org", "a.org"]);
        assert_eq!(record.due(&other_order, Some(&pair), 0), 1060 * DAY);
        assert_eq!(record.due(&acme(&["a.org"]), Some(&pair), 0), 0);
        // The file is gone, or cannot be used: not at once again, though.
        let due = record.due(&wanted, None, 0);
        assert_eq!(due, 1000 * DAY + MIN_BETWEEN);
    }

    #[test]
    fn failures_wait_longer_and_longer_and_as_long_as_the_authority_says() {
        let wanted = acme(&["a.org"]);
        let mut record = Record::default();
        let mut now = 1000 * DAY;
        let mut waits = Vec::new();
        for _ in 0..6 {
            record.begin(&wanted, now, 0);
            record.failed("no", None);
            let due = record.due(&wanted, None, 0);
            waits.push((due - now) / 60);
            now = due;
        }
        assert_eq!(waits, [15, 60, 240, 720, 720, 720]);
        assert_eq!(record.trouble(), Some("no"));
        record.begin(&wanted, now, 0);
        record.failed("limit", Some(2 * DAY));
        assert_eq!(record.due(&wanted, None, 0), now + 2 * DAY);
        record.failed("limit", Some(u64::MAX));
        assert_eq!(record.due(&wanted, None, 0), now + MAX_RETRY_AFTER);
        record.hurry();
        assert_eq!(record.due(&wanted, None, 0), now + MIN_BETWEEN);
        record.begin(&wanted, now, 0);
        record.succeeded();
        assert!(record.trouble().is_none());
    }
}
