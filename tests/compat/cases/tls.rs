//! TLS towards clients, and certificates of clients.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::version::{TLS12, TLS13};
use tempfile::TempDir;

use crate::harness::{
    Answer, Authority, Pair, Start, Subject, Target, client_of, client_with, exchange, get,
    pattern, proxy, python, upgrade,
};
use crate::ledger::case;

struct Place {
    dir: TempDir,
    authority: Authority,
    target: Target,
}

impl Place {
    fn new() -> Self {
        Self {
            dir: TempDir::new().unwrap(),
            authority: Authority::new(),
            target: Target::new(),
        }
    }

    /// With certificate and key in one file.
    fn start(&self) -> Start {
        let pem = self.authority.server().file(self.dir.path());
        proxy(&self.target).with_path("--cert", &pem)
    }

    fn carries(&self, subject: &Subject, config: &Arc<ClientConfig>) {
        let mut wire = subject.connect_tls(config).unwrap();
        wire.send(upgrade("/", &[]).as_bytes());
        let mut client = Answer::read(wire).websocket();
        exchange(&mut client, &mut self.target.accept());
    }

    /// Whether a client gets no answer, at the handshake or after it.
    fn is_refused(subject: &Subject, config: &Arc<ClientConfig>) {
        let Ok(mut wire) = subject.connect_tls(config) else {
            return;
        };
        let request = upgrade("/", &[]);
        // In TLS 1.3 a client learns with its first read that its certificate is not liked.
        let mut room = [0];
        let answered = std::io::Write::write_all(&mut wire, request.as_bytes())
            .and_then(|()| std::io::Read::read(&mut wire, &mut room));
        assert!(matches!(answered, Err(_) | Ok(0)), "it answers");
    }
}

case!(a_client_over_tls_is_carried, || {
    let place = Place::new();
    let subject = place.start().start();
    let config = client_of(&place.authority, None);
    place.carries(&subject, &config);
    place.carries(&subject, &config);
});

case!(certificate_and_key_may_be_two_files, || {
    let place = Place::new();
    let (cert, key) = place.authority.server().files(place.dir.path());
    let subject = proxy(&place.target)
        .with_path("--cert", &cert)
        .with_path("--key", &key)
        .start();
    place.carries(&subject, &client_of(&place.authority, None));
});

case!(self_pem_in_the_working_directory_is_the_certificate, || {
    let place = Place::new();
    let Pair { cert, key } = place.authority.server();
    let subject = proxy(&place.target)
        .with_file("self.pem", &(cert + &key))
        .start();
    place.carries(&subject, &client_of(&place.authority, None));
});

case!(beside_tls_a_plain_client_is_carried, || {
    let place = Place::new();
    let subject = place.start().start();
    exchange(&mut subject.open(), &mut place.target.accept());
    place.carries(&subject, &client_of(&place.authority, None));
});

case!(ssl_only_refuses_a_plain_client, || {
    let place = Place::new();
    let subject = place.start().with(&["--ssl-only"]).start();
    let status = subject.try_to_open("/", &[]);
    assert!(status.is_none_or(|status| status != 101), "{status:?}");
    assert!(!place.target.is_asked());
    place.carries(&subject, &client_of(&place.authority, None));
});

case!(
    who_is_refused_before_a_request_is_in_the_log_and_why,
    || {
        let place = Place::new();
        let authority = place.authority.file(place.dir.path());
        let subject = place
            .start()
            .with(&["--ssl-only", "--verify-client"])
            .with_path("--cafile", &authority)
            .start();
        let is_told = |part: &str| {
            subject.process.stderr.until_it(part, |text| {
                text.lines()
                    .any(|line| line.starts_with("127.0.0.1: ") && line.contains(part))
            });
        };
        subject.try_to_open("/", &[]);
        is_told("not speak TLS");
        Place::is_refused(&subject, &client_of(&place.authority, None));
        is_told("no client certificate");
        let stranger = Authority::new().client("alice");
        Place::is_refused(&subject, &client_of(&place.authority, Some(&stranger)));
        is_told("authorities");
        subject
            .connect()
            .send(b"\x16\x03\x01\x00\x05nonsense, and more of it");
        is_told("TLS handshake");
    }
);

case!(what_is_no_http_is_in_the_log, || {
    let subject = proxy(&Target::new()).start();
    subject.connect().send(b"\x05\x01\x00 nonsense\r\n\r\n");
    subject.process.stderr.until_it("refusal", |text| {
        text.lines()
            .any(|line| line.starts_with("127.0.0.1") && line.contains("HTTP"))
    });
});

case!(without_a_certificate_a_client_over_tls_is_refused, || {
    let place = Place::new();
    let subject = proxy(&place.target).start();
    Place::is_refused(&subject, &client_of(&place.authority, None));
    exchange(&mut subject.open(), &mut place.target.accept());
});

case!(a_key_with_a_password_is_opened, || {
    let place = Place::new();
    let (cert, key) = place.authority.server().files(place.dir.path());
    let locked = lock(&key, place.dir.path());
    let subject = proxy(&place.target)
        .with_path("--cert", &cert)
        .with_path("--key", &locked)
        .with(&["--key-password", "open sesame"])
        .start();
    place.carries(&subject, &client_of(&place.authority, None));
});

case!(a_new_certificate_is_used_without_a_restart, || {
    let place = Place::new();
    let subject = place.start().start();
    place.carries(&subject, &client_of(&place.authority, None));
    let other = Authority::new();
    other.server().file(place.dir.path());
    let config = client_of(&other, None);
    place.carries(&subject, &config);
});

case!(verify_client_lets_in_who_shows_a_certificate, || {
    let place = Place::new();
    let authority = place.authority.file(place.dir.path());
    let subject = place
        .start()
        .with(&["--verify-client"])
        .with_path("--cafile", &authority)
        .start();
    let alice = place.authority.client("alice");
    place.carries(&subject, &client_of(&place.authority, Some(&alice)));
});

case!(
    verify_client_refuses_who_shows_none_or_a_foreign_one,
    || {
        let place = Place::new();
        let authority = place.authority.file(place.dir.path());
        let subject = place
            .start()
            .with(&["--verify-client"])
            .with_path("--cafile", &authority)
            .start();
        Place::is_refused(&subject, &client_of(&place.authority, None));
        let foreign = Authority::new().client("alice");
        Place::is_refused(&subject, &client_of(&place.authority, Some(&foreign)));
        assert!(!place.target.is_asked());
    }
);

case!(the_name_in_a_clients_certificate_decides, || {
    let place = Place::new();
    let authority = place.authority.file(place.dir.path());
    let subject = place
        .start()
        .with(&["--verify-client"])
        .with_path("--cafile", &authority)
        .with(&[
            "--auth-plugin",
            "ClientCertCNAuth",
            "--auth-source",
            "alice bob",
        ])
        .start();
    for name in ["alice", "bob"] {
        let pair = place.authority.client(name);
        place.carries(&subject, &client_of(&place.authority, Some(&pair)));
    }
    let mallory = place.authority.client("mallory");
    let config = client_of(&place.authority, Some(&mallory));
    let mut wire = subject.connect_tls(&config).unwrap();
    wire.send(upgrade("/", &[]).as_bytes());
    Answer::read(wire).is(403);
    assert!(!place.target.is_asked());
});

case!(a_header_does_not_stand_for_a_certificate, || {
    let place = Place::new();
    let subject = place
        .start()
        .with(&[
            "--auth-plugin",
            "ClientCertCNAuth",
            "--auth-source",
            "alice",
        ])
        .start();
    for header in ["SSL_CLIENT_S_DN_CN: alice", "Ssl-Client-S-Dn-Cn: alice"] {
        let status = subject.try_to_open("/", &[header]);
        assert!(status.is_none_or(|status| status >= 400), "{status:?}");
    }
    assert!(!place.target.is_asked());
});

case!(ssl_version_is_the_oldest_that_is_spoken, || {
    let place = Place::new();
    let subject = place.start().with(&["--ssl-version", "tlsv1_3"]).start();
    Place::is_refused(&subject, &client_with(&place.authority, None, &[&TLS12]));
    place.carries(&subject, &client_with(&place.authority, None, &[&TLS13]));
});

case!(tls_1_2_is_spoken, || {
    let place = Place::new();
    let subject = place.start().with(&["--ssl-version", "tlsv1_2"]).start();
    place.carries(&subject, &client_with(&place.authority, None, &[&TLS12]));
    place.carries(&subject, &client_with(&place.authority, None, &[&TLS13]));
});

case!(tls_1_1_is_not_spoken_and_asking_for_it_is_an_error, || {
    let place = Place::new();
    let ended = place.start().with(&["--ssl-version", "tlsv1_1"]).run();
    ended.is_wrong_usage("--ssl-version");
});

case!(ciphers_are_chosen_by_their_openssl_names, || {
    let place = Place::new();
    let subject = place
        .start()
        .with(&["--ssl-ciphers", "ECDHE-ECDSA-AES128-GCM-SHA256"])
        .start();
    let config = client_with(&place.authority, None, &[&TLS12]);
    let mut wire = subject.connect_tls(&config).unwrap();
    let crate::harness::Wire::Client(stream) = &wire else {
        unreachable!("a client's");
    };
    let suite = stream.conn.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(
        suite.as_str(),
        Some("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256")
    );
    wire.send(upgrade("/", &[]).as_bytes());
    Answer::read(wire).is(101);
});

case!(
    old_ciphers_are_not_spoken_and_asking_for_them_alone_is_an_error,
    || {
        let place = Place::new();
        let ended = place.start().with(&["--ssl-ciphers", "AES128-SHA"]).run();
        ended.is_wrong_usage("--ssl-ciphers");
    }
);

case!(a_client_that_speaks_nonsense_over_tls_ends_alone, || {
    let place = Place::new();
    let subject = place.start().start();
    let mut wire = subject.connect();
    wire.send(&[22, 3, 1, 0, 5, 1, 2, 3, 4, 5]);
    wire.read_rest();
    place.carries(&subject, &client_of(&place.authority, None));
});

case!(a_handshake_that_stalls_holds_up_nobody, || {
    let place = Place::new();
    let subject = place.start().start();
    let mut stalled = subject.connect();
    stalled.send(&[22, 3, 1, 2, 0]);
    place.carries(&subject, &client_of(&place.authority, None));
    exchange(&mut subject.open(), &mut place.target.accept());
});

case!(megabytes_come_whole_over_tls, || {
    const LEN: usize = 2 << 20;
    let place = Place::new();
    let subject = place.start().start();
    let config = client_of(&place.authority, None);
    let mut wire = subject.connect_tls(&config).unwrap();
    wire.send(upgrade("/", &[]).as_bytes());
    let mut client = Answer::read(wire).websocket();
    let mut there = place.target.accept();
    let writer = std::thread::spawn(move || {
        there.send(&pattern(LEN));
        there
    });
    assert!(client.read_data(LEN) == pattern(LEN), "not what was sent");
    let mut there = writer.join().unwrap();
    let reader = std::thread::spawn(move || there.read_bytes(LEN));
    client.send(&pattern(LEN));
    assert!(reader.join().unwrap() == pattern(LEN), "not what was sent");
});

case!(browsers_that_would_rather_speak_http_2_are_carried, || {
    let place = Place::new();
    let subject = place.start().start();
    let mut config = client_of(&place.authority, None);
    Arc::make_mut(&mut config).alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    place.carries(&subject, &config);
});

case!(a_certificate_of_openssls_own_making_is_taken, || {
    // RSA, self-signed, key and certificate in one file: what everybody makes first.
    let subject = proxy(&Target::new())
        .with_file("self.pem", &self_pem())
        .start();
    let answer = python(ASK_OVER_TLS, &[&subject.port.to_string()]);
    assert_eq!(answer, "HTTP/1.1 405");
});

/// Asks for `/` over TLS, whatever the certificate: the port → how the answer begins.
const ASK_OVER_TLS: &str = r"
import socket, ssl, sys
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
raw = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
with context.wrap_socket(raw) as wire:
    wire.sendall(b'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    sys.stdout.write(wire.recv(12).decode())
";

case!(a_certificate_that_is_not_there_means_no_tls, || {
    let place = Place::new();
    let subject = proxy(&place.target)
        .with(&["--cert", "missing.pem"])
        .start();
    exchange(&mut subject.open(), &mut place.target.accept());
});

case!(files_come_over_tls_too, || {
    let place = Place::new();
    let site = TempDir::new().unwrap();
    fs::write(site.path().join("vnc.html"), "the page").unwrap();
    let subject = place.start().with_path("--web", site.path()).start();
    let config = client_of(&place.authority, None);
    let mut wire = subject.connect_tls(&config).unwrap();
    wire.send(get("/vnc.html", &[]).as_bytes());
    assert_eq!(Answer::read(wire).is(200).text(), "the page");
});

/// A certificate and its key, made as the manual of openssl shows it.
fn self_pem() -> String {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("self.pem");
    let done = Command::new("openssl")
        .args([
            "req",
            "-new",
            "-x509",
            "-days",
            "2",
            "-nodes",
            "-subj",
            "/CN=localhost",
        ])
        .arg("-out")
        .arg(&path)
        .arg("-keyout")
        .arg(&path)
        .output()
        .unwrap();
    assert!(done.status.success());
    fs::read_to_string(&path).unwrap()
}

/// Writes a key again, encrypted.
fn lock(key: &Path, dir: &Path) -> PathBuf {
    let locked = dir.join("locked.pem");
    let done = Command::new("openssl")
        .args(["pkey", "-aes256", "-passout", "pass:open sesame", "-in"])
        .arg(key)
        .arg("-out")
        .arg(&locked)
        .status()
        .unwrap();
    assert!(done.success());
    locked
}
