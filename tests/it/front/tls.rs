//! https with our own certificate, and plain http where https is spoken.

use std::sync::Arc;

use deskway::listen::Tls;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Browser, House};

/// Takes the one certificate whose fingerprint the server tells.
#[derive(Debug)]
struct Fingerprint(String);

async fn house() -> (House, String, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let tls = Tls::self_signed(&dir.path().join("own.pem"), &["localhost".to_owned()]).unwrap();
    let fingerprint = tls.fingerprint().to_owned();
    (House::with(|_| {}, Some(tls)).await, fingerprint, dir)
}

async fn connect(browser: &Browser, fingerprint: &str) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(browser.address).await.unwrap();
    secured(stream, fingerprint).await
}

/// A browser's TLS over a stream, to the server whose certificate has that fingerprint.
pub(crate) async fn secured(stream: TcpStream, fingerprint: &str) -> TlsStream<TcpStream> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(Fingerprint(fingerprint.to_owned()));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap()
}

#[tokio::test]
async fn over_tls_the_cookie_is_bound_to_this_host() {
    let (house, fingerprint, _dir) = house().await;
    let mut browser = house.browser();
    let origin = format!("Origin: https://{}", browser.host);
    let form = "Content-Type: application/x-www-form-urlencoded";
    let stream = connect(&browser, &fingerprint).await;
    let body = "name=alice&password=wonderland";
    let answer = browser
        .ask_over(stream, "POST", "/sign-in", &[&origin, form], body)
        .await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let cookie = answer.header("set-cookie").unwrap();
    assert!(
        cookie.starts_with("__Host-deskway=") && cookie.contains("; Secure"),
        "{cookie}"
    );
    browser.keep_cookie(&answer);
    let stream = connect(&browser, &fingerprint).await;
    let page = browser.ask_over(stream, "GET", "/", &[], "").await;
    assert_eq!(page.status, 200);
    assert!(
        page.header("strict-transport-security").is_none(),
        "not with our own certificate"
    );

    let plain_origin = format!("Origin: http://{}", browser.host);
    let stream = connect(&browser, &fingerprint).await;
    let foreign = browser
        .ask_over(stream, "POST", "/sign-out", &[&plain_origin], "")
        .await;
    assert_eq!(foreign.status, 403);
}

#[tokio::test]
async fn plain_http_is_sent_to_https_and_nothing_else_is_told_there() {
    let (house, _, _dir) = house().await;
    let mut browser = house.browser();
    let answer = browser.get("/d/alice/?resize=remote").await;
    let expected = format!("https://{}/d/alice/?resize=remote", browser.host);
    assert_eq!((answer.status, answer.location()), (308, expected.as_str()));
    browser.host = "evil.example".to_owned();
    let answer = browser.get("/").await;
    assert_eq!((answer.status, answer.location()), (421, ""));
}

#[tokio::test]
async fn with_a_configured_certificate_the_browser_is_told_to_stay_with_https() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("configured.pem");
    Tls::self_signed(&file, &["localhost".to_owned()]).unwrap();
    let tls = Tls::from_files(&file, &file).unwrap();
    let fingerprint = tls.fingerprint().to_owned();
    let house = House::with(|_| {}, Some(tls)).await;
    let browser = house.browser();
    let stream = connect(&browser, &fingerprint).await;
    let page = browser.ask_over(stream, "GET", "/sign-in", &[], "").await;
    let header = page.header("strict-transport-security").unwrap();
    assert!(header.starts_with("max-age="), "{header}");
}

impl ServerCertVerifier for Fingerprint {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let bytes = Sha256::digest(certificate);
        let told: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        if told.join(":") == self.0 {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::General("another certificate".to_owned()))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider = rustls::crypto::ring::default_provider();
        provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
