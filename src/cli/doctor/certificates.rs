//! The certificates that are configured or ordered.

use std::path::Path;

use super::finding::Finding;
use crate::acme;
use crate::certificates::{PairError, Pem};
use crate::config::{Acme, Config, TlsFiles};

const CERTIFICATE: &str = "certificate";
const DAY: i64 = 24 * 60 * 60;
/// With fewer days left a certificate is worth a word.
const DAYS_WANTED: i64 = 14;

/// One finding for each. `now`: seconds since 1970.
pub(super) fn all(config: &Config, now: u64) -> Vec<Finding> {
    let mut findings: Vec<_> = config
        .tls
        .pairs()
        .map(|it| judge(it, Pem::read(it), now))
        .collect();
    if let Some(wanted) = &config.tls.acme {
        findings.push(ordered(wanted, &config.paths.state, now));
    }
    findings
}

/// The certificate that is ordered. Only root and the service user can see it.
fn ordered(wanted: &Acme, state: &Path, now: u64) -> Finding {
    const ORDERED: &str = "ordered certificate";
    let record = acme::load(state);
    if let Some(reason) = record.trouble() {
        let minutes = record.retry_at.saturating_sub(now).div_ceil(60);
        let found = format!("{reason} (next try in {minutes} minutes)");
        let mend = "have each name lead here, with port 80 or 443 open; `systemctl reload deskway` tries again";
        return Finding::wrong(ORDERED, found, mend);
    }
    let files = acme::files(state);
    if files.cert.exists() {
        return judge(&files, Pem::read_foreign(&files), now);
    }
    let found = format!("none yet for {}", wanted.domains.join(", "));
    Finding::note(
        ORDERED,
        found,
        "it is ordered when Deskway runs; as root `deskway doctor` sees it",
    )
}

fn judge(files: &TlsFiles, read: Result<Pem, PairError>, now: u64) -> Finding {
    match read {
        Ok(pem) => judge_text(files, &pem, now),
        Err(error) => Finding::wrong(
            CERTIFICATE,
            error.to_string(),
            "correct the path, or who may read the file",
        ),
    }
}

fn judge_text(files: &TlsFiles, pem: &Pem, now: u64) -> Finding {
    const RENEW: &str = "renew it";
    let pair = match pem.check(files) {
        Ok(pair) => pair,
        Err(error) => {
            let mend = match &error {
                PairError::NoCertificate { .. } => "write the chain there",
                PairError::NoKey { .. } => "write the private key there",
                PairError::Unusable {
                    error: rustls::Error::InconsistentKeys(_),
                    ..
                } => "give the two that belong together",
                _ => RENEW,
            };
            return Finding::wrong(CERTIFICATE, error.to_string(), mend);
        }
    };
    let name = match pair.names.as_slice() {
        [] => files.cert.display().to_string(),
        names => names.join(", "),
    };
    let now_signed = i64::try_from(now).unwrap_or(i64::MAX);
    let days = pair.not_after.saturating_sub(now_signed).div_euclid(DAY);
    let valid = format!("{name}: valid for {days} more days");
    if let Some(fault) = pair.out_of_time(now) {
        let mend = if now_signed < pair.not_before {
            "set this machine's clock, or wait"
        } else {
            RENEW
        };
        Finding::wrong(
            CERTIFICATE,
            format!("{name}: the certificate {fault}"),
            mend,
        )
    } else if days < DAYS_WANTED {
        Finding::note(CERTIFICATE, valid, RENEW)
    } else {
        Finding::fine(CERTIFICATE, valid)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::super::finding::State;
    use super::*;

    /// Midnight of 2026-01-01.
    const NEW_YEAR: u64 = 1_767_225_600;

    #[test]
    fn a_certificate_is_judged_by_its_dates_and_its_key() {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["desk.example.org".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2025, 12, 1);
        params.not_after = date_time_ymd(2026, 2, 1);
        let cert = params.self_signed(&key).unwrap().pem();
        let files = TlsFiles {
            cert: "/cert.pem".into(),
            key: "/key.pem".into(),
        };
        let texts = |cert: &str, key: &str, now| {
            judge_text(&files, &Pem::new(cert.into(), key.into()), now)
        };
        let judge = |key: &KeyPair, now| texts(&cert, &key.serialize_pem(), now);
        let fine = judge(&key, NEW_YEAR);
        assert_eq!(fine.found, "desk.example.org: valid for 31 more days");
        assert_eq!(judge(&key, NEW_YEAR + 25 * 86_400).state, State::Note);
        assert_eq!(judge(&key, NEW_YEAR + 32 * 86_400).state, State::Wrong);
        assert!(judge(&key, 0).found.contains("not valid yet"));
        let other = KeyPair::generate().unwrap();
        let mixed = judge(&other, NEW_YEAR);
        assert!(mixed.mend.unwrap().contains("belong together"));
        let swapped = texts(&key.serialize_pem(), &cert, NEW_YEAR);
        assert_eq!(swapped.state, State::Wrong);
        assert_eq!(texts(&cert, "", NEW_YEAR).state, State::Wrong);
    }
}
