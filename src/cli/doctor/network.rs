//! The addresses to listen on, and whether browsers will trust them.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use super::certificates;
use super::finding::Finding;
use crate::config::{Config, ListenAt, Listener, Protocol};

const ADDRESS: &str = "address";
const SECURE: &str = "secure context";

/// Can that be listened on? `running`: a Deskway of this run directory is up.
pub(super) fn listener(listener: &Listener, running: bool) -> Finding {
    match &listener.at {
        ListenAt::Address(at) => address(*at, running),
        ListenAt::Unix(path) => socket(path),
        ListenAt::Systemd(_) => Finding::fine(ADDRESS, "the sockets that systemd passes"),
    }
}

/// Its directory must be there; the socket itself is made.
fn socket(path: &Path) -> Finding {
    let shown = path.display();
    match path.parent() {
        Some(parent) if parent.is_dir() => match std::fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => Finding::wrong(
                ADDRESS,
                format!("{shown} is something else than a socket"),
                "move it away, or choose another path",
            ),
            _ => Finding::fine(ADDRESS, format!("the socket {shown}")),
        },
        parent => {
            let parent = parent.unwrap_or(path).display();
            Finding::wrong(
                ADDRESS,
                format!("the directory of {shown} is not there"),
                format!("mkdir -p {parent}"),
            )
        }
    }
}

/// Can the address be listened on? `running`: a Deskway of this run directory is up, and the
/// address is most likely its own.
fn address(address: SocketAddr, running: bool) -> Finding {
    match TcpListener::bind(address) {
        Ok(_) => Finding::fine(ADDRESS, format!("{address} is free")),
        Err(error) => refused(address, &error, running),
    }
}

fn refused(address: SocketAddr, error: &io::Error, running: bool) -> Finding {
    let port = address.port();
    match error.kind() {
        io::ErrorKind::AddrInUse if running => Finding::fine(
            ADDRESS,
            format!("{address} is in use by the Deskway that runs"),
        ),
        io::ErrorKind::AddrInUse => Finding::wrong(
            ADDRESS,
            format!("{address} is in use by another program"),
            format!(
                "`ss -ltnp 'sport = :{port}'` shows which; stop it, or choose another with --listen"
            ),
        ),
        io::ErrorKind::PermissionDenied => Finding::wrong(
            ADDRESS,
            format!("only root may listen on port {port}"),
            "choose a port from 1024 on with --listen",
        ),
        io::ErrorKind::AddrNotAvailable => Finding::wrong(
            ADDRESS,
            format!("{} is no address of this machine", address.ip()),
            "`ip address` shows those that are; choose one with --listen",
        ),
        _ => Finding::wrong(
            ADDRESS,
            format!("{address}: {error}"),
            "choose another with --listen",
        ),
    }
}

/// Browsers give a page its clipboard and keyboard only over https or on this machine. `now`:
/// seconds since 1970.
pub(super) fn secure_context(config: &Config, now: u64) -> Vec<Finding> {
    if config.tls.is_configured() {
        return certificates::all(config, now);
    }
    let beyond = config
        .server
        .listen
        .iter()
        .find(|it| !it.is_local() && it.protocol != Protocol::Http);
    vec![match beyond {
        None => Finding::fine(SECURE, "plain http, on this machine alone"),
        Some(listener) => Finding::note(
            SECURE,
            format!(
                "{} gets a self-signed certificate, of which browsers warn",
                listener.at
            ),
            "give one that they trust with --tls-cert and --tls-key",
        ),
    }]
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;
    use crate::config::TlsFiles;

    #[test]
    fn a_port_in_use_is_wrong_unless_deskway_itself_uses_it() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = held.local_addr().unwrap();
        assert_eq!(address(taken, false).state, State::Wrong);
        assert_eq!(address(taken, true).state, State::Fine);
        let free = address("127.0.0.1:0".parse().unwrap(), false);
        assert_eq!(free.state, State::Fine);
        let foreign = address("192.0.2.1:6080".parse().unwrap(), false);
        assert!(
            foreign.found.contains("no address of this machine"),
            "{foreign}"
        );
        let denied = io::ErrorKind::PermissionDenied.into();
        assert!(
            refused(taken, &denied, false)
                .mend
                .unwrap()
                .contains("1024")
        );
    }

    #[test]
    fn beyond_this_machine_a_self_signed_certificate_is_a_note() {
        let mut config = Config::default_for(0);
        assert_eq!(secure_context(&config, 0)[0].state, State::Fine);
        let beyond = "0.0.0.0:443".parse().unwrap();
        config.server.listen.push(Listener::at(beyond));
        assert_eq!(secure_context(&config, 0)[0].state, State::Note);
        config.tls.main = Some(TlsFiles {
            cert: "/no/such/cert.pem".into(),
            key: "/no/such/key.pem".into(),
        });
        let missing = secure_context(&config, 0).remove(0);
        assert!(missing.found.contains("cert.pem"), "{missing}");
        assert_eq!(missing.state, State::Wrong);
    }
}
