//! Dialling real sockets on this machine.

use std::net::TcpListener;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::{CertificateError, OtherError};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::io::AsyncWriteExt as _;
use tokio_rustls::TlsAcceptor;

use super::*;

fn tcp(host: &str, port: u16) -> Target {
    Target::Tcp {
        host: host.to_owned(),
        port,
    }
}

/// Dials TLS, and trusts in `certificate` alone.
fn trusting(certificate: &CertificateDer<'static>) -> Dialer {
    let config = Roots::of(std::slice::from_ref(certificate)).client_config();
    Dialer {
        tls: Some(Arc::new(config.unwrap())),
        trust: "SSL_CERT_FILE",
    }
}

fn acceptor(certificate: &CertificateDer<'static>, key: &KeyPair) -> TlsAcceptor {
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key.into())
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn failure(target: &Target) -> String {
    let dialer = Dialer::new(false).unwrap();
    dialer.dial(target).await.unwrap_err().to_string()
}

#[tokio::test]
async fn this_machine_is_reached_over_both_protocols() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(address).unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["localhost", ""] {
            let dialer = Dialer::new(false).unwrap();
            let Stream::Tcp(socket) = dialer.dial(&tcp(host, port)).await.unwrap() else {
                panic!("not TCP");
            };
            assert!(socket.nodelay().unwrap());
            assert!(sockopt::socket_keepalive(&socket).unwrap());
        }
    }
}

#[tokio::test]
async fn a_target_that_refuses_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = failure(&tcp("127.0.0.1", port)).await;
    let expected = format!("cannot connect to 127.0.0.1:{port}: Connection refused");
    assert!(error.starts_with(&expected), "{error}");

    let path = Path::new("/does/not/exist").to_owned();
    let error = failure(&Target::Unix(path)).await;
    let expected = "cannot connect to /does/not/exist: No such file";
    assert!(error.starts_with(expected), "{error}");

    let error = failure(&tcp("no-such-host.invalid", 1)).await;
    let expected = "cannot look up the host of no-such-host.invalid:1: ";
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn a_certificate_that_will_not_do_is_told_in_words() {
    let target = tcp("vnc.example", 5900);
    let said = |error: rustls::Error| {
        let (target, error) = (target.clone(), io::Error::other(error));
        let trust = "SSL_CERT_FILE";
        DialError::Tls {
            target,
            error,
            trust,
        }
        .to_string()
    };
    let said_of = |wrong: CertificateError| said(wrong.into());
    let refused = |refusal: webpki::Error| {
        let refusal = OtherError(Arc::new(refusal));
        said_of(CertificateError::Other(refusal))
    };
    let unnamed = CertificateError::NotValidForNameContext {
        expected: ServerName::try_from("vnc.example").unwrap(),
        presented: Vec::new(),
    };
    for (said, expected) in [
        (
            said_of(CertificateError::Expired),
            "its certificate has expired",
        ),
        (
            said_of(CertificateError::BadEncoding),
            "its certificate cannot be read",
        ),
        (
            said_of(unnamed),
            "its certificate names no host (as a subjectAltName)",
        ),
        (
            said_of(CertificateError::InvalidPurpose),
            "its certificate is not for servers (extendedKeyUsage)",
        ),
        (
            refused(webpki::Error::UnsupportedCertVersion),
            "its certificate is of an old form; it is to be made anew as X.509 version 3",
        ),
        (
            refused(webpki::Error::MalformedExtensions),
            "its certificate, or one that vouches for it, is malformed",
        ),
        (
            said(rustls::Error::AlertReceived(
                rustls::AlertDescription::CertificateRequired,
            )),
            "it wants a certificate from this side",
        ),
    ] {
        let before = "cannot speak TLS with vnc.example:5900: ";
        assert_eq!(said, format!("{before}{expected}"));
    }
}

#[tokio::test]
async fn a_target_without_tls_is_told_apart() {
    for (answer, expected) in [
        (&b"RFB 003.008\n"[..], "what it answers is no TLS"),
        (b"", "it closes the connection instead"),
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.write_all(answer).await.unwrap();
            socket.shutdown().await.unwrap();
            socket
        };
        let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let dialer = trusting(own.cert.der());
        let target = tcp("127.0.0.1", port);
        let (_socket, dialled) = tokio::join!(server, dialer.dial(&target));
        let error = dialled.unwrap_err().to_string();
        let before = format!("cannot speak TLS with 127.0.0.1:{port}: ");
        assert_eq!(error, format!("{before}{expected}"));
    }
}

#[tokio::test]
async fn a_self_signed_certificate_as_openssl_makes_them_is_told_in_words() {
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap();
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();

    let acceptor = acceptor(cert.der(), &key);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = tcp("127.0.0.1", listener.local_addr().unwrap().port());
    let server = async {
        let (socket, _) = listener.accept().await.unwrap();
        acceptor.accept(socket).await.is_ok()
    };
    let dialer = trusting(other.cert.der());
    let (_, dialled) = tokio::join!(server, dialer.dial(&target));
    let error = dialled.unwrap_err().to_string();
    let expected = "its certificate is that of an authority (CA:TRUE), as openssl req -x509 makes \
        them, and this machine does not trust it; SSL_CERT_FILE can name a file with it";
    assert!(error.ends_with(expected), "{error}");

    let server = async {
        let (socket, _) = listener.accept().await.unwrap();
        acceptor.accept(socket).await.is_ok()
    };
    let dialer = trusting(cert.der());
    let (accepted, dialled) = tokio::join!(server, dialer.dial(&target));
    assert!(accepted && dialled.is_ok());
}

#[tokio::test]
async fn a_unix_socket_is_reached() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("target");
    let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let dialer = Dialer::new(false).unwrap();
    let stream = dialer.dial(&Target::Unix(path)).await.unwrap();
    assert!(matches!(stream, Stream::Unix(_)));
}

#[tokio::test(start_paused = true)]
async fn a_unix_socket_whose_queue_stays_full_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("target");
    let listener = rustix::net::socket(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::STREAM,
        None,
    );
    let listener = listener.unwrap();
    let address = rustix::net::SocketAddrUnix::new(&path).unwrap();
    rustix::net::bind(&listener, &address).unwrap();
    rustix::net::listen(&listener, 0).unwrap();

    let target = Target::Unix(path);
    let dialer = Dialer::new(false).unwrap();
    let _first = dialer.dial(&target).await.unwrap();
    let error = dialer.dial(&target).await.unwrap_err();
    assert!(matches!(error, DialError::NoAnswer { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_target_that_never_answers_is_given_up() {
    let listener = rustix::net::socket(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::STREAM,
        None,
    );
    let listener = listener.unwrap();
    rustix::net::bind(&listener, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let listener = TcpListener::from(listener);
    let address = listener.local_addr().unwrap();
    // With one in the queue it is full, and the next ones get no answer.
    let _first = std::net::TcpStream::connect(address).unwrap();

    let began = Instant::now();
    let error = failure(&tcp("127.0.0.1", address.port())).await;
    let expected = format!("cannot connect to {address}: no answer within 10 s");
    assert_eq!(error, expected);
    // On the clock of tokio, which stands still while nobody waits for it.
    assert!(began.elapsed() >= DIAL_TIMEOUT);
}

#[tokio::test]
async fn a_target_that_speaks_tls_must_show_a_certificate_for_its_name() {
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let acceptor = acceptor(own.cert.der(), &own.signing_key);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = async {
        let accept = async || {
            let (socket, _) = listener.accept().await.unwrap();
            acceptor.accept(socket).await
        };
        let (first, second) = (accept().await, accept().await);
        (first.is_ok(), second.is_ok())
    };
    let dialer = trusting(own.cert.der());
    let client = async {
        let stream = dialer.dial(&tcp("127.0.0.1", port)).await.unwrap();
        assert!(matches!(stream, Stream::Boxed(_)));
        dialer.dial(&tcp("localhost", port)).await.unwrap_err()
    };
    let (server, error) = tokio::join!(server, client);
    assert_eq!(server, (true, false));
    let expected =
        format!("cannot speak TLS with localhost:{port}: its certificate is for another name");
    assert_eq!(error.to_string(), expected);
}
