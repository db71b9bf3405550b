//! Opens the connection to a target: TCP, a unix socket, TLS on top.

mod failed_handshake;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt;
use rustls_pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_rustls::TlsConnector;

use self::failed_handshake::in_words;
use super::target::Target;
use super::tls::{Roots, TlsError};
use crate::runtime::Stream;

/// Name, connection and TLS handshake together.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// Until a unix socket is tried again whose queue is full.
const QUEUE_PAUSE: Duration = Duration::from_millis(20);
/// A connection on which nothing came for so long is probed.
const KEEPALIVE_IDLE: Duration = Duration::from_mins(1);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_PROBES: u32 = 3;

/// Opens connections to targets. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    /// `None`: plain.
    tls: Option<Arc<rustls::ClientConfig>>,
    /// What names a file with those to trust, for whoever has to mend it.
    trust: &'static str,
}

/// Why there is no connection. Each names the target.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("cannot look up the host of {target}: {error}")]
    Lookup { target: Target, error: io::Error },
    #[error("cannot look up the host of {target}: it has no address")]
    NoAddress { target: Target },
    #[error("cannot connect to {target}: {error}")]
    Connect { target: Target, error: io::Error },
    #[error("cannot connect to {target}: no answer within {seconds} s", seconds = DIAL_TIMEOUT.as_secs())]
    NoAnswer { target: Target },
    #[error("cannot speak TLS with {target}: {}", in_words(.error, .trust))]
    Tls {
        target: Target,
        error: io::Error,
        trust: &'static str,
    },
    #[error("cannot speak TLS with {target}: a certificate cannot be for such a host name")]
    HostName { target: Target },
}

impl Dialer {
    /// With `ssl_target`, TCP targets must speak TLS and show a certificate for their name (or
    /// address) that the machine's authorities vouch for. `SSL_CERT_FILE` and `SSL_CERT_DIR` name
    /// others. These are read once, here.
    ///
    /// # Errors
    /// When there is no authority to trust.
    pub(crate) fn new(ssl_target: bool) -> Result<Self, TlsError> {
        let tls = if ssl_target {
            Some(Arc::new(Roots::system()?.client_config()?))
        } else {
            None
        };
        Ok(Self {
            tls,
            trust: "SSL_CERT_FILE",
        })
    }

    /// Without TLS.
    pub(crate) fn plain() -> Self {
        Self {
            tls: None,
            trust: "",
        }
    }

    /// With TLS and the machine's authorities, or those in `pem`, which `path` was read from.
    /// Errors speak of them as the configuration does.
    ///
    /// # Errors
    /// When there is no authority to trust.
    pub(crate) fn trusting(pem: Option<(&Path, &[u8])>) -> Result<Self, TlsError> {
        let roots = match pem {
            Some((path, pem)) => Roots::from_pem(path, pem)?,
            None => Roots::system()?,
        };
        Ok(Self {
            tls: Some(Arc::new(roots.client_config()?)),
            trust: "`ca_file`",
        })
    }

    /// Connects to `target`: every address of a name in turn, IPv4 first, all within 10 seconds.
    pub(crate) async fn dial(&self, target: &Target) -> Result<Stream, DialError> {
        let deadline = Instant::now() + DIAL_TIMEOUT;
        match timeout_at(deadline, self.connect(target, deadline)).await {
            Ok(connected) => connected,
            Err(_) => Err(DialError::NoAnswer {
                target: target.clone(),
            }),
        }
    }

    async fn connect(&self, target: &Target, deadline: Instant) -> Result<Stream, DialError> {
        match target {
            Target::Unix(path) => connect_unix(path)
                .await
                .map(Stream::from)
                .map_err(|error| connecting(target, error)),
            Target::Tcp { host, port } => {
                let socket = connect_tcp(target, host, *port, deadline).await?;
                match &self.tls {
                    None => Ok(socket.into()),
                    Some(config) => self.secure(target, host, socket, config).await,
                }
            }
        }
    }

    async fn secure(
        &self,
        target: &Target,
        host: &str,
        socket: TcpStream,
        config: &Arc<rustls::ClientConfig>,
    ) -> Result<Stream, DialError> {
        let host = if host.is_empty() { "localhost" } else { host };
        let name = ServerName::try_from(host.to_owned()).map_err(|_| DialError::HostName {
            target: target.clone(),
        })?;
        let connector = TlsConnector::from(Arc::clone(config));
        let connected = connector.connect(name, socket).await;
        connected.map(Stream::over).map_err(|error| DialError::Tls {
            target: target.clone(),
            error,
            trust: self.trust,
        })
    }
}

async fn connect_tcp(
    target: &Target,
    host: &str,
    port: u16,
    deadline: Instant,
) -> Result<TcpStream, DialError> {
    let addresses = addresses(target, host, port).await?;
    let mut last = io::ErrorKind::TimedOut.into();
    for (tried, address) in (0..).zip(&addresses) {
        // An address that never answers leaves the others their share of the time.
        let left = u32::try_from(addresses.len())
            .unwrap_or(u32::MAX)
            .saturating_sub(tried);
        let share = deadline.saturating_duration_since(Instant::now()) / left.max(1);
        match timeout_at(Instant::now() + share, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => {
                prepare(&socket).map_err(|error| connecting(target, error))?;
                return Ok(socket);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(if last.kind() == io::ErrorKind::TimedOut {
        DialError::NoAnswer {
            target: target.clone(),
        }
    } else {
        connecting(target, last)
    })
}

/// Sorted, IPv4 first, as people's set-ups have come to expect. `localhost` and no host at all are
/// this machine, whatever the resolver says (RFC 6761, section 6.3).
async fn addresses(target: &Target, host: &str, port: u16) -> Result<Vec<SocketAddr>, DialError> {
    if matches!(host, "" | "localhost") {
        return Ok(vec![
            (Ipv4Addr::LOCALHOST, port).into(),
            (Ipv6Addr::LOCALHOST, port).into(),
        ]);
    }
    let found = lookup_host((host, port)).await;
    let mut addresses: Vec<_> = found
        .map_err(|error| DialError::Lookup {
            target: target.clone(),
            error,
        })?
        .collect();
    if addresses.is_empty() {
        return Err(DialError::NoAddress {
            target: target.clone(),
        });
    }
    addresses.sort_by_key(SocketAddr::is_ipv6);
    Ok(addresses)
}

/// Small messages go at once, and a peer that is gone is noticed.
fn prepare(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    sockopt::set_tcp_keepidle(socket, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(socket, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(socket, KEEPALIVE_PROBES)?;
    sockopt::set_socket_keepalive(socket, true)?;
    Ok(())
}

/// A unix socket whose queue is full refuses at once, where TCP would wait.
async fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(QUEUE_PAUSE).await,
            done => return done,
        }
    }
}

fn connecting(target: &Target, error: io::Error) -> DialError {
    DialError::Connect {
        target: target.clone(),
        error,
    }
}

#[cfg(test)]
mod tests;
