//! The servers that the suite talks to, and what stands behind the bridge.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// How long a server may take to listen.
const START_WITHIN: Duration = Duration::from_secs(20);

/// A server that runs until it is dropped.
pub(super) struct Server(Child);

impl Server {
    pub(super) fn start(command: &mut Command, port: u16) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.stderr(Stdio::null()).spawn();
        let mut server = Self(child.with_context(|| format!("cannot start {command:?}"))?);
        let deadline = Instant::now() + START_WITHIN;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if let Some(status) = server.0.try_wait()? {
                bail!("{command:?} ended with {status}");
            }
            if Instant::now() > deadline {
                bail!("{command:?} does not listen");
            }
            thread::park_timeout(Duration::from_millis(20));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended by itself is as good.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A port of 127.0.0.1 that nobody has at the moment.
pub(super) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// Says back each byte it hears, as long as this process lives. Returns its port.
pub(super) fn start_tcp() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || echo(stream));
        }
    });
    Ok(port)
}

/// Until either direction ends.
fn echo(mut stream: TcpStream) {
    let mut room = vec![0; 64 * 1024];
    while let Ok(len @ 1..) = stream.read(&mut room) {
        if stream
            .write_all(room.get(..len).unwrap_or_default())
            .is_err()
        {
            return;
        }
    }
}
