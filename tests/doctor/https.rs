//! Over https: all that is fine, and certificates that are not.

use super::certificates::Authority;
use super::{Deskway, GOOD, Nginx};

const TRUSTING: &str = "[server]\ntrusted_proxies = [\"127.0.0.1\"]\n";

#[test]
fn with_a_good_nginx_conf_all_is_fine_also_after_75_s_of_silence() {
    let (deskway, authority) = (Deskway::start(TRUSTING), Authority::new());
    let pair = authority.issue("127.0.0.1", 2100);
    let nginx = Nginx::with(&deskway, GOOD, Some(&pair));
    let report = deskway.doctor(&nginx.url, &[], Some(&authority.file()));
    report.all_is_fine();
    let found = |check: &str| &*report.of(check).found;
    assert_eq!(found("proxy"), "nginx");
    assert_eq!(found("secure context"), "https");
    assert!(
        found("silence").contains("still open after 75 s"),
        "{report:#?}"
    );
    assert!(
        found("your address").contains("Deskway sees 127.86.7.3"),
        "{report:#?}"
    );
}

#[test]
fn http_leads_to_https_and_a_self_signed_certificate_is_a_note_with_its_fingerprint() {
    let own = Authority::self_signed("127.0.0.1");
    let place = tempfile::tempdir().unwrap();
    let (cert, key) = (place.path().join("cert.pem"), place.path().join("key.pem"));
    std::fs::write(&cert, own.chain).unwrap();
    std::fs::write(&key, own.key).unwrap();
    let deskway = Deskway::start(&format!(
        "[server]\ntls_cert = \"{}\"\ntls_key = \"{}\"\n",
        cert.display(),
        key.display()
    ));
    let report = deskway.quick(&format!("http://{}/desk/", deskway.address));
    let leads = format!("leads to https://{}/desk/", deskway.address);
    assert!(report.of("way in").found.contains(&leads), "{report:#?}");
    let line = report.only("trust");
    assert!(
        line.state == "note" && line.found.contains("fingerprint is "),
        "{line:?}"
    );
    assert_eq!(report.of("TLS").found, "version 1.3");
    assert_eq!(report.of("WebSocket").state, "fine", "{report:#?}");
}

#[test]
fn a_scheme_that_is_not_told_names_the_directive() {
    let (deskway, authority) = (Deskway::start(TRUSTING), Authority::new());
    let pair = authority.issue("127.0.0.1", 2100);
    let location = GOOD.replace("proxy_set_header X-Forwarded-Proto $scheme;", "");
    let nginx = Nginx::with(&deskway, &location, Some(&pair));
    let report = deskway.doctor(&nginx.url, &["--quick"], Some(&authority.file()));
    let directive = "add `proxy_set_header X-Forwarded-Proto $scheme;` to the location";
    report.of("scheme").is_mended_by(directive);
    report
        .of("WebSocket")
        .is_mended_by("mend `host` and `scheme`");
}

#[test]
fn certificates_that_ran_out_or_are_for_another_name_or_of_nobody_known() {
    let (deskway, authority) = (Deskway::start(TRUSTING), Authority::new());
    let examined = |name: &str, until: i32, trusted: bool| {
        let nginx = Nginx::with(&deskway, GOOD, Some(&authority.issue(name, until)));
        let other = Authority::new();
        let file = if trusted {
            authority.file()
        } else {
            other.file()
        };
        let report = deskway.doctor(&nginx.url, &["--quick"], Some(&file));
        // Anybody could be there: the pass is not shown.
        let left_out = report.of("left out");
        assert!(
            left_out
                .found
                .contains("because the certificate is not trusted"),
            "{report:#?}"
        );
        let asked = report.findings.iter().any(|it| it.check == "your address");
        assert!(!asked, "{report:#?}");
        report
    };
    let over = examined("127.0.0.1", 2021, true);
    let line = over.of("certificate");
    assert!(line.found.contains("ran out "), "{line:?}");
    line.is_mended_by("renew it");
    let other = examined("desk.example.org", 2100, true);
    let line = other.of("its name");
    assert!(
        line.found
            .contains("it is for desk.example.org, not for 127.0.0.1"),
        "{line:?}"
    );
    let unknown = examined("127.0.0.1", 2100, false);
    let line = unknown.of("trust");
    assert!(line.found.contains("CN=A test's own"), "{line:?}");
    line.is_mended_by("have `ssl_certificate` name the file with the whole chain");
}
