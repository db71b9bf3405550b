//! Handshakes between our settings and clients of rustls and OpenSSL.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tempfile::TempDir;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;

/// A certificate with its key, both PEM.
struct Pair {
    cert: String,
    key: String,
    params: CertificateParams,
}

impl Pair {
    fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.cert.as_bytes()).unwrap()
    }

    fn both(&self) -> String {
        format!("{}{}", self.cert, self.key)
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    params
}

/// As `openssl req -x509` makes it: an authority that nobody else signed.
fn authority(name: &str) -> Pair {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap().pem();
    let key = key.serialize_pem();
    Pair { cert, key, params }
}

fn signed(name: &str, by: &Pair) -> Pair {
    let params = params(name);
    let key = KeyPair::generate().unwrap();
    let issuer_key = KeyPair::from_pem(&by.key).unwrap();
    let issuer = Issuer::from_params(&by.params, &issuer_key);
    let cert = params.signed_by(&key, &issuer).unwrap().pem();
    let key = key.serialize_pem();
    Pair { cert, key, params }
}

fn settings(dir: &TempDir, pem: &str) -> TlsSettings {
    let cert = dir.path().join("self.pem");
    fs::write(&cert, pem).unwrap();
    TlsSettings {
        cert,
        ..TlsSettings::default()
    }
}

fn trusting(cert: &CertificateDer<'static>) -> rustls::ClientConfig {
    Roots::of(std::slice::from_ref(cert))
        .client_config()
        .unwrap()
}

/// A client that takes any certificate of a server, and shows `own`.
fn showing(server: &Pair, own: &Pair) -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(server.der()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
    rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![own.der()], key)
        .unwrap()
}

/// Shakes hands, and gives the certificates that both sides saw of the other.
async fn shake(
    server: &Arc<rustls::ServerConfig>,
    client: rustls::ClientConfig,
) -> io::Result<(CertificateDer<'static>, Option<CertificateDer<'static>>)> {
    let (near, far) = tokio::io::duplex(1 << 16);
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(client));
    let acceptor = TlsAcceptor::from(Arc::clone(server));
    let (near, far) = tokio::join!(connector.connect(name, near), acceptor.accept(far));
    let (near, far) = (near?, far?);
    let first =
        |chain: Option<&[CertificateDer<'static>]>| chain.and_then(|it| it.first().cloned());
    let shown = first(near.get_ref().1.peer_certificates()).unwrap();
    Ok((shown, first(far.get_ref().1.peer_certificates())))
}

fn config(settings: &TlsSettings) -> Arc<rustls::ServerConfig> {
    Arc::new(server_config(settings).unwrap())
}

#[tokio::test]
async fn a_new_certificate_needs_no_restart_and_a_bad_one_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (authority("localhost"), authority("localhost"));
    let settings = settings(&dir, &first.both());
    let server = config(&settings);
    let shown = shake(&server, trusting(&first.der())).await.unwrap().0;
    assert_eq!(shown, first.der());

    fs::write(&settings.cert, format!("{}{}", second.cert, first.key)).unwrap();
    let shown = shake(&server, trusting(&first.der())).await.unwrap().0;
    assert_eq!(shown, first.der());

    fs::write(&settings.cert, second.both()).unwrap();
    let shown = shake(&server, trusting(&second.der())).await.unwrap().0;
    assert_eq!(shown, second.der());

    fs::remove_file(&settings.cert).unwrap();
    let shown = shake(&server, trusting(&second.der())).await.unwrap().0;
    assert_eq!(shown, second.der());
}

#[tokio::test]
async fn a_certificate_may_come_later() {
    let dir = tempfile::tempdir().unwrap();
    let pair = authority("localhost");
    let settings = settings(&dir, "");
    fs::remove_file(&settings.cert).unwrap();
    let server = config(&settings);
    assert!(shake(&server, trusting(&pair.der())).await.is_err());
    fs::write(&settings.cert, pair.both()).unwrap();
    shake(&server, trusting(&pair.der())).await.unwrap();
}

#[tokio::test]
async fn a_target_must_be_who_it_says_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (own, other, named) = (
        authority("localhost"),
        authority("stranger"),
        authority("other"),
    );
    let leaf = signed("localhost", &own);
    let server = |pair: &Pair| config(&settings(&dir, &pair.both()));

    shake(&server(&leaf), trusting(&own.der())).await.unwrap();
    let error = shake(&server(&leaf), trusting(&other.der()))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    let error = shake(&server(&named), trusting(&named.der()))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("not valid for name"), "{error}");

    let mut params = own.params.clone();
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let key = KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap().pem();
    let key = key.serialize_pem();
    let old = Pair { cert, key, params };
    let error = shake(&server(&old), trusting(&old.der()))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("Expired"), "{error}");
}

#[tokio::test]
async fn only_clients_that_somebody_vouches_for_come_in() {
    let dir = tempfile::tempdir().unwrap();
    let (own, stranger) = (authority("localhost"), authority("stranger"));
    let cafile = dir.path().join("ca.pem");
    let alone = authority("alone");
    fs::write(&cafile, format!("{}{}", own.cert, alone.cert)).unwrap();
    let leaf = signed("localhost", &own);
    let mut settings = settings(&dir, &leaf.both());
    settings.verify_client = true;
    settings.cafile = Some(cafile.clone());
    let server = config(&settings);
    let (alice, mallory) = (signed("alice", &own), signed("mallory", &stranger));

    let seen = shake(&server, showing(&own, &alice)).await.unwrap().1;
    assert_eq!(seen, Some(alice.der()));
    shake(&server, showing(&own, &alone)).await.unwrap();
    assert!(shake(&server, showing(&own, &mallory)).await.is_err());
    assert!(shake(&server, trusting(&own.der())).await.is_err());

    fs::write(&cafile, &stranger.cert).unwrap();
    shake(&server, showing(&own, &mallory)).await.unwrap();
    assert!(shake(&server, showing(&own, &alice)).await.is_err());

    fs::write(&cafile, "").unwrap();
    let error = server_config(&settings).unwrap_err().to_string();
    assert!(error.contains("ca.pem holds no PEM certificate"), "{error}");
}

/// Ways in which OpenSSL encrypts, or did.
const WAYS: [(&str, &str); 9] = [
    ("rsa", "pkcs8 -topk8 -v2 aes-256-cbc"),
    ("ec", "pkcs8 -topk8 -v2 aes-128-cbc -v2prf hmacWithSHA1"),
    ("ec", "pkcs8 -topk8 -v2 des3"),
    ("ec", "pkcs8 -topk8 -scrypt"),
    ("rsa", "rsa -aes256 -traditional"),
    ("rsa", "rsa -aes128 -traditional"),
    ("rsa", "rsa -des3 -traditional"),
    ("ec", "ec -aes192"),
    ("ec", "ec -des3"),
];

#[tokio::test]
async fn encrypted_keys_open_with_their_password() {
    let dir = tempfile::tempdir().unwrap();
    for kind in ["rsa", "ec"] {
        let new = match kind {
            "rsa" => "rsa:2048",
            _ => "ec -pkeyopt ec_paramgen_curve:P-256",
        };
        openssl(
            &dir,
            &format!(
                "req -x509 -newkey {new} -nodes -subj /CN=localhost \
                 -addext subjectAltName=DNS:localhost -keyout {kind}.key -out {kind}.crt"
            ),
        );
    }
    for (kind, way) in WAYS {
        let tail = format!("-in {kind}.key -passout pass:sesame -out shut.key");
        openssl(&dir, &format!("{way} {tail}"));
        let cert = fs::read_to_string(dir.path().join(format!("{kind}.crt"))).unwrap();
        let key = fs::read_to_string(dir.path().join("shut.key")).unwrap();
        let mut settings = settings(&dir, &cert);
        settings.key = Some(dir.path().join("shut.key"));

        let error = server_config(&settings).unwrap_err().to_string();
        let expected = "shut.key is encrypted: give its password";
        assert!(error.contains(expected), "{way}: {error}");
        settings.key_password = Some(Secret::new("guess".to_owned()));
        let error = server_config(&settings).unwrap_err().to_string();
        let expected = "does not open with the password";
        assert!(error.contains(expected), "{way}: {error}");
        settings.key_password = Some(Secret::new("sesame".to_owned()));
        let der = CertificateDer::from_pem_slice(cert.as_bytes()).unwrap();
        shake(&config(&settings), trusting(&der)).await.unwrap();

        // All in one file, as people have it in self.pem.
        fs::write(&settings.cert, format!("{key}{cert}")).unwrap();
        settings.key = None;
        shake(&config(&settings), trusting(&der)).await.unwrap();
    }
}

#[test]
fn an_encryption_that_is_too_old_is_named_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(&dir, &authority("localhost").both());
    let old = "pkcs8 -topk8 -v1 PBE-SHA1-3DES -in self.pem -passout pass:sesame -out shut.key";
    openssl(&dir, old);
    settings.key = Some(dir.path().join("shut.key"));
    settings.key_password = Some(Secret::new("sesame".to_owned()));
    let error = server_config(&settings).unwrap_err().to_string();
    assert!(error.contains("not supported"), "{error}");
    assert!(error.contains("openssl pkcs8 -topk8 -in"), "{error}");
}

#[test]
fn old_versions_are_refused() {
    assert_eq!(
        "default".parse::<MinVersion>().unwrap(),
        MinVersion::Default
    );
    let error = "tlsv1_1".parse::<MinVersion>().unwrap_err().to_string();
    assert!(error.contains("on purpose"), "{error}");
    assert!("ssl3".parse::<MinVersion>().is_err());

    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(&dir, &authority("localhost").both());
    for (min, works) in [
        (MinVersion::Default, [false, true, true]),
        (MinVersion::V1_2, [false, true, true]),
        (MinVersion::V1_3, [false, false, true]),
    ] {
        settings.min_version = min;
        let flags = ["-tls1_1", "-tls1_2", "-tls1_3"];
        assert_eq!(
            flags.map(|flag| s_client(&settings, &[flag])),
            works,
            "{min:?}"
        );
    }
}

#[test]
fn clients_get_the_ciphers_of_the_list_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(&dir, &authority("localhost").both());
    settings.ciphers = Some("ECDHE-ECDSA-AES128-GCM-SHA256:!RC4".to_owned());
    let old = |cipher: &str| s_client(&settings, &["-tls1_2", "-cipher", cipher]);
    assert!(old("ECDHE-ECDSA-AES128-GCM-SHA256"));
    assert!(!old("ECDHE-ECDSA-AES256-GCM-SHA384"));
    assert!(s_client(&settings, &["-tls1_3"]));
    settings.ciphers = Some("TLS_AES_128_GCM_SHA256".to_owned());
    let new = |suite: &str| s_client(&settings, &["-ciphersuites", suite]);
    assert!(new("TLS_AES_128_GCM_SHA256"));
    assert!(!new("TLS_AES_256_GCM_SHA384"));
    assert!(!s_client(&settings, &["-tls1_2"]));
}

/// Whether OpenSSL's client, which is told to allow what it can, shakes hands with us.
fn s_client(settings: &TlsSettings, flags: &[&str]) -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let client = Command::new("openssl")
        .args(["s_client", "-connect", &address])
        .args(flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut client = client.unwrap();
    let (mut socket, _) = listener.accept().unwrap();
    let mut server = rustls::ServerConnection::new(config(settings)).unwrap();
    let mut shaken = true;
    while shaken && server.is_handshaking() {
        shaken = server.complete_io(&mut socket).is_ok();
    }
    drop(socket);
    drop(client.stdin.take());
    client.wait().unwrap();
    shaken
}

fn openssl(dir: &TempDir, arguments: &str) {
    let mut command = Command::new("openssl");
    command.args(arguments.split(' ')).current_dir(dir.path());
    let run = command.output().unwrap();
    let complaint = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{arguments}: {complaint}");
}
