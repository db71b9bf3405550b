//! Tells systemd how the service is (sd_notify(3)): a datagram to the socket that it names.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The variable that names the socket; left in the environment, for the program after an upgrade.
const SOCKET: &str = "NOTIFY_SOCKET";

/// Somebody to tell, or nobody.
#[derive(Debug)]
pub(super) struct Notifier(Option<UnixDatagram>);

impl Notifier {
    pub(super) fn from_environment() -> Self {
        let connected = std::env::var_os(SOCKET).map(|name| connect(&name));
        Self(connected.and_then(|connected| {
            connected
                .inspect_err(|error| tracing::warn!(%error, "systemd cannot be told anything"))
                .ok()
        }))
    }

    /// Tells a state, such as `READY=1`.
    pub(super) fn say(&self, state: &str) {
        if let Some(socket) = &self.0
            && let Err(error) = socket.send(state.as_bytes())
        {
            tracing::warn!(%error, "systemd cannot be told `{state}`");
        }
    }
}

fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_a_path_or_a_name_without_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let name = format!("@deskway-test-{}", std::process::id());
        let without_file = SocketAddr::from_abstract_name(name.trim_start_matches('@')).unwrap();
        let servers = [
            (path.as_os_str(), UnixDatagram::bind(&path).unwrap()),
            (
                OsStr::new(&name),
                UnixDatagram::bind_addr(&without_file).unwrap(),
            ),
        ];
        for (name, server) in servers {
            Notifier(Some(connect(name).unwrap())).say("READY=1");
            let mut told = [0; 64];
            let length = server.recv(&mut told).unwrap();
            assert_eq!(&told[..length], b"READY=1");
        }
        Notifier(None).say("READY=1");
    }
}
