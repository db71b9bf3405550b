//! How many connections with a full TLS handshake a server takes in a second.

use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::net::sockopt::set_socket_linger;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

/// Connections that are made at once.
const CLIENTS: usize = 8;
/// How long a server may keep a client waiting.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn per_second(port: u16, trust: &Arc<ClientConfig>, span: Duration) -> Result<f64> {
    let began = Instant::now();
    let client = || -> Result<u32> {
        let mut done = 0;
        while began.elapsed() < span {
            shake_hands(port, trust)?;
            done += 1;
        }
        Ok(done)
    };
    let done = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        clients
            .into_iter()
            .try_fold(0, |sum, client| match client.join() {
                Ok(done) => done.map(|done| sum + done),
                Err(_) => bail!("a client panicked"),
            })
    })?;
    Ok(f64::from(done) / began.elapsed().as_secs_f64())
}

fn shake_hands(port: u16, trust: &Arc<ClientConfig>) -> Result<()> {
    let mut tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("cannot connect")?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    tcp.set_nodelay(true)?;
    let name = ServerName::try_from("localhost")?;
    let mut session = ClientConnection::new(Arc::clone(trust), name)?;
    while session.is_handshaking() {
        session
            .complete_io(&mut tcp)
            .context("the handshake failed")?;
    }
    // No connection waits for stragglers: the ports would run out.
    set_socket_linger(&tcp, Some(Duration::ZERO))?;
    Ok(())
}
