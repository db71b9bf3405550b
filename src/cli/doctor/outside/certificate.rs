//! The certificate that the server shows: whose it is, for how long, and who vouches for it.

use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::server::ParsedCertificate;
use rustls::{ProtocolVersion, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use super::Finding;
use super::door::TlsFacts;
use super::mend::Lack;
use super::proxy::Proxy;

const CERTIFICATE: &str = "certificate";
const NAME: &str = "its name";
const TRUST: &str = "trust";
const TLS: &str = "TLS";
const DAY: i64 = 24 * 60 * 60;
/// With fewer days left, and less than a third of its life, a certificate is worth a word.
const DAYS_WANTED: i64 = 21;
/// How many names of a certificate are shown.
const NAMES_SHOWN: usize = 5;

/// The authorities that this machine trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others).
pub(super) fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // A bundle may hold one that is too old to be understood.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// All that there is to say of it. `now`: seconds since 1970.
pub(super) fn findings(
    shown: &TlsFacts,
    name: &ServerName<'_>,
    roots: &RootCertStore,
    now: u64,
    proxy: Proxy,
) -> Vec<Finding> {
    let mut findings = vec![version(shown.version)];
    let parsed = shown.chain.split_first().and_then(|(own, rest)| {
        let (_, read) = X509Certificate::from_der(own).ok()?;
        Some((own, rest, read))
    });
    let Some((own, rest, read)) = parsed else {
        let found = "the server's certificate cannot be read";
        findings.push(Finding::wrong(CERTIFICATE, found, "have another issued"));
        return findings;
    };
    findings.push(dates(&read, now));
    findings.push(named(own, &read, name));
    findings.push(trust(own, rest, &read, roots, proxy));
    findings
}

/// Whether the machine's authorities vouch for it under that name today.
///
/// # Errors
/// Why not.
pub(super) fn vouched(
    shown: &TlsFacts,
    name: &ServerName<'_>,
    roots: &RootCertStore,
    now: u64,
) -> Result<(), rustls::Error> {
    let (own, rest) = shown
        .chain
        .split_first()
        .ok_or(rustls::Error::NoCertificatesPresented)?;
    let own = ParsedCertificate::try_from(own)?;
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
    let known = rustls::crypto::ring::default_provider()
        .signature_verification_algorithms
        .all;
    verify_server_cert_signed_by_trust_anchor(&own, roots, rest, now, known)?;
    verify_server_name(&own, name)
}

fn version(version: Option<ProtocolVersion>) -> Finding {
    match version {
        Some(ProtocolVersion::TLSv1_3) => Finding::fine(TLS, "version 1.3"),
        Some(ProtocolVersion::TLSv1_2) => Finding::fine(TLS, "version 1.2"),
        other => Finding::note(TLS, format!("{other:?}"), "offer TLS 1.2 and 1.3"),
    }
}

fn dates(read: &X509Certificate<'_>, now: u64) -> Finding {
    let validity = read.validity();
    let (from, until) = (
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    );
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    if now < from {
        return Finding::wrong(
            CERTIFICATE,
            "it is not valid yet",
            "set the clock of this machine, or of the one where it was issued",
        );
    }
    if now > until {
        let days = (now - until).div_euclid(DAY);
        return Finding::wrong(
            CERTIFICATE,
            format!("it ran out {days} days ago"),
            "renew it, and have the server load the new one",
        );
    }
    let (age, left) = ((now - from).div_euclid(DAY), (until - now).div_euclid(DAY));
    let found = format!("issued {age} days ago, valid for {left} more days");
    if left < DAYS_WANTED && (until - now) < (until - from) / 3 {
        Finding::note(CERTIFICATE, found, "renew it, or see why nothing does")
    } else {
        Finding::fine(CERTIFICATE, found)
    }
}

fn named(own: &CertificateDer<'_>, read: &X509Certificate<'_>, name: &ServerName<'_>) -> Finding {
    let matches = ParsedCertificate::try_from(own)
        .is_ok_and(|certificate| verify_server_name(&certificate, name).is_ok());
    let asked = name.to_str();
    if matches {
        return Finding::fine(NAME, format!("it is for {asked}"));
    }
    let names = names(read);
    let names = if names.is_empty() {
        "no name".to_owned()
    } else {
        names.join(", ")
    };
    Finding::wrong(
        NAME,
        format!("it is for {names}, not for {asked}"),
        format!("have one issued for {asked}, or give people another address"),
    )
}

fn names(read: &X509Certificate<'_>) -> Vec<String> {
    let extension = read.subject_alternative_name().ok().flatten();
    let all = extension
        .iter()
        .flat_map(|found| &found.value.general_names);
    let shown = all.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes),
        _ => None,
    });
    shown.take(NAMES_SHOWN).collect()
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(four).to_string());
    }
    let sixteen = <[u8; 16]>::try_from(bytes).ok()?;
    Some(std::net::Ipv6Addr::from(sixteen).to_string())
}

/// Whether the machine's authorities vouch for it. Looked at as of a time at which it is valid:
/// that it has run out is said elsewhere.
fn trust(
    own: &CertificateDer<'_>,
    rest: &[CertificateDer<'_>],
    read: &X509Certificate<'_>,
    roots: &RootCertStore,
    proxy: Proxy,
) -> Finding {
    let at = u64::try_from(read.validity().not_after.timestamp()).unwrap_or(0);
    let at = UnixTime::since_unix_epoch(Duration::from_secs(at));
    let known = rustls::crypto::ring::default_provider()
        .signature_verification_algorithms
        .all;
    let verified = ParsedCertificate::try_from(own).and_then(|certificate| {
        verify_server_cert_signed_by_trust_anchor(&certificate, roots, rest, at, known)
    });
    let Err(error) = verified else {
        let found = format!(
            "this machine's authorities vouch for it ({})",
            read.issuer()
        );
        return Finding::fine(TRUST, found);
    };
    if read.subject() == read.issuer() {
        return Finding::note(
            TRUST,
            format!(
                "it is self-signed, of which browsers warn; its SHA-256 fingerprint is {}",
                fingerprint(own)
            ),
            "give one that they trust with tls_cert and tls_key, or compare the fingerprint",
        );
    }
    let last = rest.last().unwrap_or(own);
    let missing = X509Certificate::from_der(last)
        .ok()
        .filter(|(_, last)| last.subject() != last.issuer())
        .map(|(_, last)| last.issuer().to_string());
    match missing {
        Some(issuer) => Finding::wrong(
            TRUST,
            format!(
                "the certificate of its issuer, {issuer}, is not sent with it, nor among this machine's authorities"
            ),
            proxy.mend(Lack::Chain, "", ""),
        ),
        None => Finding::wrong(
            TRUST,
            format!("none of this machine's authorities vouch for it: {error}"),
            "have it issued by a public authority, or add yours to the machines and browsers",
        ),
    }
}

/// SHA-256 as browsers show it.
fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let bytes = Sha256::digest(certificate);
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
    };

    use super::super::State;
    use super::*;

    /// Midnight of 2026-01-01.
    const NEW_YEAR: u64 = 1_767_225_600;

    /// A root, an authority below it, and how it signs.
    struct Authority {
        root: CertificateDer<'static>,
        between: CertificateDer<'static>,
        issuer: Issuer<'static, KeyPair>,
    }

    fn authority(name: &str) -> CertificateParams {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params
    }

    impl Authority {
        fn new() -> Self {
            let key = KeyPair::generate().unwrap();
            let params = authority("Root");
            let root = params.self_signed(&key).unwrap().der().clone();
            let root_issuer = Issuer::new(params, key);
            let key = KeyPair::generate().unwrap();
            let params = authority("Between");
            let between = params.signed_by(&key, &root_issuer).unwrap().der().clone();
            Self {
                root,
                between,
                issuer: Issuer::new(params, key),
            }
        }

        fn roots(&self) -> RootCertStore {
            let mut roots = RootCertStore::empty();
            roots.add(self.root.clone()).unwrap();
            roots
        }

        fn issue(&self, until: (i32, u8, u8)) -> CertificateDer<'static> {
            let key = KeyPair::generate().unwrap();
            let signed = params(until).signed_by(&key, &self.issuer).unwrap();
            signed.der().clone()
        }
    }

    fn params(until: (i32, u8, u8)) -> CertificateParams {
        let mut params = CertificateParams::new(["desk.example.org".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "own");
        params.not_before = date_time_ymd(2025, 10, 3);
        params.not_after = date_time_ymd(until.0, until.1, until.2);
        params
    }

    fn examined(
        chain: Vec<CertificateDer<'static>>,
        name: &'static str,
        roots: &RootCertStore,
    ) -> Vec<(&'static str, State, String)> {
        let shown = TlsFacts {
            chain,
            version: Some(ProtocolVersion::TLSv1_3),
        };
        let name = ServerName::try_from(name).unwrap();
        let all = findings(&shown, &name, roots, NEW_YEAR, Proxy::Nginx);
        let line = |finding: Finding| (finding.check, finding.state, finding.to_string());
        all.into_iter().map(line).collect()
    }

    #[test]
    fn a_good_certificate_is_fine_in_every_respect() {
        let authority = Authority::new();
        let chain = vec![authority.issue((2026, 2, 1)), authority.between.clone()];
        let all = examined(chain, "desk.example.org", &authority.roots());
        assert_eq!(all.len(), 4);
        for (check, state, line) in &all {
            assert_eq!(*state, State::Fine, "{check}: {line}");
        }
        let said = "issued 90 days ago, valid for 31 more days";
        assert!(all[1].2.contains(said), "{}", all[1].2);
    }

    #[test]
    fn one_that_runs_out_is_a_note_and_one_that_has_is_wrong() {
        let authority = Authority::new();
        let roots = authority.roots();
        let of = |until| {
            let chain = vec![authority.issue(until), authority.between.clone()];
            examined(chain, "desk.example.org", &roots)
        };
        let soon = of((2026, 1, 21));
        assert_eq!(soon[1].1, State::Note, "{}", soon[1].2);
        let enough = of((2026, 1, 22));
        assert_eq!(enough[1].1, State::Fine, "{}", enough[1].2);
        let over = of((2025, 12, 30));
        assert_eq!(over[1].1, State::Wrong);
        assert!(over[1].2.contains("ran out 2 days ago"), "{}", over[1].2);
        assert_eq!(over[3].1, State::Fine, "who vouches is another matter");
    }

    #[test]
    fn another_name_is_wrong_and_both_are_said() {
        let authority = Authority::new();
        let chain = vec![authority.issue((2026, 6, 1)), authority.between.clone()];
        let all = examined(chain, "www.example.org", &authority.roots());
        assert_eq!(all[2].1, State::Wrong);
        let said = "it is for desk.example.org, not for www.example.org";
        assert!(all[2].2.contains(said), "{}", all[2].2);
    }

    #[test]
    fn a_chain_that_is_not_whole_names_what_is_missing_and_where_to_put_it() {
        let authority = Authority::new();
        let chain = vec![authority.issue((2026, 6, 1))];
        let all = examined(chain, "desk.example.org", &authority.roots());
        let (_, state, line) = &all[3];
        assert_eq!(*state, State::Wrong);
        assert!(line.contains("CN=Between"), "{line}");
        assert!(line.contains("ssl_certificate"), "{line}");
    }

    #[test]
    fn a_self_signed_one_is_a_note_with_its_fingerprint() {
        let key = KeyPair::generate().unwrap();
        let own = params((2026, 6, 1))
            .self_signed(&key)
            .unwrap()
            .der()
            .clone();
        let print = fingerprint(&own);
        let roots = Authority::new().roots();
        let all = examined(vec![own], "desk.example.org", &roots);
        assert_eq!(all[3].1, State::Note);
        assert!(all[3].2.contains(&print), "{}", all[3].2);
        assert_eq!(print.len(), 95);
    }

    #[test]
    fn an_authority_that_is_not_known_here_is_wrong() {
        let (ours, theirs) = (Authority::new(), Authority::new());
        let chain = vec![
            theirs.issue((2026, 6, 1)),
            theirs.between.clone(),
            theirs.root.clone(),
        ];
        let all = examined(chain, "desk.example.org", &ours.roots());
        assert_eq!(all[3].1, State::Wrong);
        assert!(all[3].2.contains("vouch"), "{}", all[3].2);
    }
}
