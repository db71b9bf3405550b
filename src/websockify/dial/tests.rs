//! Dialling real sockets on this machine.

use std::net::TcpListener;

use super::*;

fn tcp(host: &str, port: u16) -> Target {
    Target::Tcp {
        host: host.to_owned(),
        port,
    }
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
    let error = rustls::Error::from(CertificateError::Expired);
    let error = io::Error::new(io::ErrorKind::InvalidData, error);
    let error = DialError::Tls { target, error }.to_string();
    let expected = "cannot speak TLS with vnc.example:5900: its certificate has expired";
    assert_eq!(error, expected);
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

#[tokio::test]
async fn a_target_that_speaks_tls_must_show_a_certificate_for_its_name() {
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let cert = own.cert.der().clone();
    let key = rustls_pki_types::PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.clone()], key.into())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
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
    let trusting = Roots::of(&[cert]).client_config().unwrap();
    let dialer = Dialer {
        tls: Some(Arc::new(trusting)),
    };
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
