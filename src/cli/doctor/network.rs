//! The addresses to listen on, and whether browsers will trust them.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::finding::Finding;
use crate::config::{ListenAt, Listener, Protocol, Server, TlsFiles};

const ADDRESS: &str = "address";
const SECURE: &str = "secure context";
const CERTIFICATE: &str = "certificate";
const DAY: i64 = 24 * 60 * 60;
/// With fewer days left a certificate is worth a word.
const DAYS_WANTED: i64 = 14;

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
pub(super) fn secure_context(server: &Server, now: u64) -> Finding {
    let beyond = server
        .listen
        .iter()
        .find(|it| !it.is_local() && it.protocol != Protocol::Http);
    match (&server.tls, beyond) {
        (Some(files), _) => certificate_files(files, now),
        (None, None) => Finding::fine(SECURE, "plain http, on this machine alone"),
        (None, Some(listener)) => Finding::note(
            SECURE,
            format!(
                "{} gets a self-signed certificate, of which browsers warn",
                listener.at
            ),
            "give one that they trust with --tls-cert and --tls-key",
        ),
    }
}

fn certificate_files(files: &TlsFiles, now: u64) -> Finding {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|error| {
            let found = format!("{}: {error}", path.display());
            Finding::wrong(
                CERTIFICATE,
                found,
                "correct the path, or who may read the file",
            )
        })
    };
    let certificate = read(&files.cert).and_then(|cert| Ok((cert, read(&files.key)?)));
    match certificate {
        Ok((cert, key)) => certificate_of(&cert, &key, now),
        Err(finding) => finding,
    }
}

/// Looks at the first certificate of `cert`, which is the server's own.
fn certificate_of(cert: &[u8], key: &[u8], now: u64) -> Finding {
    const RENEW: &str = "renew it";
    let wrong = |found: &str, mend: &str| Finding::wrong(CERTIFICATE, found, mend);
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(cert).collect();
    let Some((chain, first)) = chain
        .ok()
        .and_then(|chain| Some((chain.clone(), chain.into_iter().next()?)))
    else {
        return wrong(
            "the certificate's file holds no PEM certificate",
            "write the chain there",
        );
    };
    let Ok(key) = PrivateKeyDer::from_pem_slice(key) else {
        return wrong(
            "the key's file holds no PEM key",
            "write the private key there",
        );
    };
    let provider = rustls::crypto::ring::default_provider();
    match rustls::sign::CertifiedKey::from_der(chain, key, &provider) {
        Ok(_) => {}
        Err(rustls::Error::InconsistentKeys(_)) => {
            return wrong(
                "the key is not the certificate's",
                "give the two that belong together",
            );
        }
        Err(error) => return wrong(&format!("the key cannot be used: {error}"), RENEW),
    }
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(&first) else {
        return wrong("the certificate cannot be read", RENEW);
    };
    let validity = parsed.validity();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let days = (validity.not_after.timestamp() - now).div_euclid(DAY);
    if now < validity.not_before.timestamp() {
        wrong(
            "the certificate is not valid yet",
            "set this machine's clock, or wait",
        )
    } else if days < 0 {
        wrong(
            &format!("the certificate ran out {} days ago", -days),
            RENEW,
        )
    } else if days < DAYS_WANTED {
        Finding::note(CERTIFICATE, format!("valid for {days} more days"), RENEW)
    } else {
        Finding::fine(CERTIFICATE, format!("valid for {days} more days"))
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::super::finding::State;
    use super::*;
    use crate::config::Config;

    /// Midnight of 2026-01-01.
    const NEW_YEAR: u64 = 1_767_225_600;

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
        let mut server = Config::default_for(0).server;
        assert_eq!(secure_context(&server, NEW_YEAR).state, State::Fine);
        let beyond = "0.0.0.0:443".parse().unwrap();
        server.listen.push(Listener::at(beyond));
        assert_eq!(secure_context(&server, NEW_YEAR).state, State::Note);
        server.tls = Some(TlsFiles {
            cert: "/no/such/cert.pem".into(),
            key: "/no/such/key.pem".into(),
        });
        let missing = secure_context(&server, NEW_YEAR);
        assert!(missing.found.contains("cert.pem"), "{missing}");
        assert_eq!(missing.state, State::Wrong);
    }

    #[test]
    fn a_certificate_is_judged_by_its_dates_and_its_key() {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["desk.example.org".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2025, 12, 1);
        params.not_after = date_time_ymd(2026, 2, 1);
        let cert = params.self_signed(&key).unwrap().pem();
        let judge = |key: &KeyPair, now| {
            certificate_of(cert.as_bytes(), key.serialize_pem().as_bytes(), now)
        };
        assert_eq!(judge(&key, NEW_YEAR).found, "valid for 31 more days");
        assert_eq!(judge(&key, NEW_YEAR + 25 * 86_400).state, State::Note);
        assert_eq!(judge(&key, NEW_YEAR + 32 * 86_400).state, State::Wrong);
        assert!(judge(&key, 0).found.contains("not valid yet"));
        let other = KeyPair::generate().unwrap();
        assert!(
            judge(&other, NEW_YEAR)
                .found
                .contains("not the certificate's")
        );
        let swapped = certificate_of(key.serialize_pem().as_bytes(), cert.as_bytes(), NEW_YEAR);
        assert_eq!(swapped.state, State::Wrong);
        assert_eq!(
            certificate_of(cert.as_bytes(), b"", NEW_YEAR).state,
            State::Wrong
        );
    }
}
