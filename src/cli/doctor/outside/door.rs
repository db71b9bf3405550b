//! The way in: name, TCP, TLS. Any certificate is taken, since what is wrong with it is for
//! [`super::certificate`] to say; that the server holds its key is checked.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, ProtocolVersion, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::trust::Untrusted;
use crate::runtime::Stream;

/// For the name, and for each connection with its TLS handshake.
const ENTER_TIMEOUT: Duration = Duration::from_secs(10);
/// How many of a name's addresses are tried.
const MAX_ADDRESSES: usize = 8;
/// Where a connection to this machine's own 127.0.0.1 comes from: another address than a proxy's,
/// so that the two can be told apart.
const OWN_LOOPBACK: Ipv4Addr = Ipv4Addr::new(127, 86, 7, 3);

/// A connection.
#[derive(Debug)]
pub(super) struct Entered {
    pub(super) stream: Stream,
    pub(super) facts: Facts,
}

/// What is known of a connection.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// Our own end.
    pub(super) from: IpAddr,
    pub(super) to: IpAddr,
    /// Over https.
    pub(super) tls: Option<TlsFacts>,
}

#[derive(Clone, Debug)]
pub(super) struct TlsFacts {
    /// As the server sent them, its own first.
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) version: Option<ProtocolVersion>,
}

/// Why the door stays shut.
#[derive(Debug, thiserror::Error)]
pub(super) enum DoorError {
    #[error("the address has no host that could be connected to")]
    NoHost,
    #[error("the name {name} cannot be looked up: {error}")]
    Name { name: String, error: io::Error },
    #[error("no connection to {to}: {error}")]
    Connect { to: SocketAddr, error: io::Error },
    #[error("no TLS at {to}: {error}")]
    Tls { to: SocketAddr, error: io::Error },
    #[error("not asked: {0}")]
    Untrusted(#[from] Untrusted),
    #[error("nothing answers within {} s", ENTER_TIMEOUT.as_secs())]
    Late,
}

/// Connects to the host of `url`.
pub(super) async fn enter(url: &Url) -> Result<Entered, DoorError> {
    let entering = async {
        let (socket, to) = connect(url).await?;
        let tls = |error| DoorError::Tls { to, error };
        let local = |error| DoorError::Connect { to, error };
        let from = socket.local_addr().map_err(local)?.ip().to_canonical();
        let to_ip = to.ip().to_canonical();
        if url.scheme() != "https" {
            let facts = Facts {
                from,
                to: to_ip,
                tls: None,
            };
            return Ok(Entered {
                stream: socket.into(),
                facts,
            });
        }
        let name = server_name(url).ok_or(DoorError::NoHost)?;
        let config = any_certificate().map_err(|error| tls(io::Error::other(error)))?;
        let stream = TlsConnector::from(config).connect(name, socket).await;
        let stream = stream.map_err(tls)?;
        let session = stream.get_ref().1;
        let chain = session.peer_certificates().unwrap_or_default();
        let tls = TlsFacts {
            chain: chain
                .iter()
                .cloned()
                .map(CertificateDer::into_owned)
                .collect(),
            version: session.protocol_version(),
        };
        let facts = Facts {
            from,
            to: to_ip,
            tls: Some(tls),
        };
        Ok(Entered {
            stream: Stream::over(stream),
            facts,
        })
    };
    timeout(ENTER_TIMEOUT, entering)
        .await
        .unwrap_or(Err(DoorError::Late))
}

/// The host of `url` as certificates name it.
pub(super) fn server_name(url: &Url) -> Option<ServerName<'static>> {
    match url.host()? {
        Host::Domain(name) => ServerName::try_from(name.to_owned()).ok(),
        Host::Ipv4(address) => Some(ServerName::IpAddress(address.into())),
        Host::Ipv6(address) => Some(ServerName::IpAddress(address.into())),
    }
}

async fn connect(url: &Url) -> Result<(TcpStream, SocketAddr), DoorError> {
    let port = url.port_or_known_default().ok_or(DoorError::NoHost)?;
    let addresses: Vec<SocketAddr> = match url.host().ok_or(DoorError::NoHost)? {
        Host::Ipv4(address) => vec![(address, port).into()],
        Host::Ipv6(address) => vec![(address, port).into()],
        Host::Domain(name) => {
            let found = lookup_host((name, port)).await;
            let unknown = |error| DoorError::Name {
                name: name.to_owned(),
                error,
            };
            found.map_err(unknown)?.take(MAX_ADDRESSES).collect()
        }
    };
    let mut last = DoorError::NoHost;
    for to in addresses {
        match connect_to(to).await {
            Ok(stream) => return Ok((stream, to)),
            Err(error) => last = DoorError::Connect { to, error },
        }
    }
    Err(last)
}

async fn connect_to(to: SocketAddr) -> io::Result<TcpStream> {
    if to.ip() != IpAddr::from(Ipv4Addr::LOCALHOST) {
        return TcpStream::connect(to).await;
    }
    let socket = TcpSocket::new_v4()?;
    // Where that is no address of this machine's, any will do.
    match socket.bind((OWN_LOOPBACK, 0).into()) {
        Ok(()) => socket.connect(to).await,
        Err(_) => TcpStream::connect(to).await,
    }
}

fn any_certificate() -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Witness(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Takes any certificate whose key the server holds.
struct Witness(Arc<CryptoProvider>);

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Witness")
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
