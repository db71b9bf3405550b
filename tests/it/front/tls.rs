//! https with our own certificate, and plain http where https is spoken.

use std::sync::Arc;

use deskway::config::{Config, TlsFiles};
use deskway::listen::{Certificates, self_signed};
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

pub(super) async fn house() -> (House, String, tempfile::TempDir) {
    house_with(|_| {}).await
}

pub(super) async fn house_with(
    change: impl FnOnce(&mut Config),
) -> (House, String, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let own = self_signed(&dir.path().join("own.pem"), &["localhost".to_owned()]).unwrap();
    let house = House::with(change, Some(Certificates::new(Some(&own)))).await;
    (house, own.fingerprint, dir)
}

/// A connection on which nothing was said of the protocol, as WebSockets and old programs do it.
async fn connect(browser: &Browser, fingerprint: &str) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(browser.address).await.unwrap();
    secured(stream, fingerprint).await
}

/// A connection for the first of these protocols that the server speaks.
pub(super) async fn connect_for(
    browser: &Browser,
    fingerprint: &str,
    protocols: &[&[u8]],
) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(browser.address).await.unwrap();
    secured_for(stream, fingerprint, protocols).await
}

/// A browser's TLS over a stream, to the server whose certificate has that fingerprint.
pub(crate) async fn secured(stream: TcpStream, fingerprint: &str) -> TlsStream<TcpStream> {
    secured_for(stream, fingerprint, &[]).await
}

pub(super) async fn secured_for(
    stream: TcpStream,
    fingerprint: &str,
    protocols: &[&[u8]],
) -> TlsStream<TcpStream> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(Fingerprint(fingerprint.to_owned()));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
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
    let pair = self_signed(&file, &["localhost".to_owned()]).unwrap();
    let fingerprint = pair.fingerprint.clone();
    let certificates = Certificates::new(None);
    let files = TlsFiles {
        cert: file.clone(),
        key: file,
    };
    certificates.set(vec![(files, pair)]);
    let house = House::with(|_| {}, Some(certificates)).await;
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
