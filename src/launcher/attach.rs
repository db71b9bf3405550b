//! VNC servers that run already: a child connects to one, says its password when it wants one,
//! and passes the stream on. The browser is never offered a password.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use deskway_osuser::{Account, NOBODY};
use deskway_rfb::{ClientHandshake, Password};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use super::jobs::Outlet;
use super::protocol::Greeting;
use crate::config::AttachTarget;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the server may take over one step of the handshake.
const STEP_TIMEOUT: Duration = Duration::from_secs(5);
/// How long it may take in all: an errand's limit.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);
/// Most bytes of a handshake, reasons of refusals included.
const MAX_HANDSHAKE: usize = 64 * 1024;
/// Most bytes of a password file: VNC passwords have eight.
const MAX_PASSWORD_FILE: u64 = 1024;
/// The account that the part of Deskway which talks to the network runs as.
const SERVICE_USER: &str = "deskway";

/// What the child says; a stream comes with the first.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Word {
    Connected(Greeting),
    /// In words for the person.
    Failed(String),
}

/// The account that connects: it needs no rights at all.
///
/// # Errors
/// When the account database cannot be asked.
pub(crate) fn service_user() -> io::Result<(u32, u32)> {
    let account = Account::by_name(SERVICE_USER)?;
    Ok(account.map_or((NOBODY, NOBODY), |account| (account.uid, account.gid)))
}

/// The VNC password in a file that nobody else can read: its first line.
///
/// # Errors
/// When it cannot be read, is not this account's own, or others can read it.
pub(crate) fn read_password(path: &Path) -> io::Result<Password> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    let found = file.metadata()?;
    if !found.is_file() || found.uid() != deskway_osuser::own_uid() || found.mode() & 0o077 != 0 {
        return Err(io::Error::other(
            "it must be a file of the account that runs the launcher, with mode 0600",
        ));
    }
    let mut text = Vec::new();
    file.take(MAX_PASSWORD_FILE).read_to_end(&mut text)?;
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let password = Password::new(line.strip_suffix(b"\r").unwrap_or(line));
    text.zeroize();
    Ok(password)
}

/// Runs in the child: connects as the service user and passes the stream on.
pub(crate) fn open(
    target: &AttachTarget,
    password: Option<Password>,
    become_user: Option<(u32, u32)>,
    outlet: &Outlet,
) -> i32 {
    let opened = become_user
        .map_or(Ok(()), |(uid, gid)| deskway_osuser::drop_to(uid, gid))
        .map_err(|error| error.to_string())
        .and_then(|()| match target {
            AttachTarget::Tcp { host, port } => tcp(host, *port, password),
            AttachTarget::Unix(path) => unix(path, password),
        });
    match opened {
        Ok((stream, greeting)) => outlet.pass(&Word::Connected(greeting), stream.as_fd()),
        Err(reason) => outlet.say(&Word::Failed(reason)),
    }
}

fn tcp(host: &str, port: u16, password: Option<Password>) -> Result<(OwnedFd, Greeting), String> {
    let addresses = (host, port)
        .to_socket_addrs()
        .map_err(|error| format!("`{host}` cannot be found: {error}"))?;
    let mut failure = format!("`{host}` has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(stream) => {
                let timeout = stream
                    .set_nodelay(true)
                    .and_then(|()| stream.set_read_timeout(Some(STEP_TIMEOUT)))
                    .and_then(|()| stream.set_write_timeout(Some(STEP_TIMEOUT)));
                timeout.map_err(|error| error.to_string())?;
                let greeting = greet(&stream, password)?;
                return Ok((stream.into(), greeting));
            }
            Err(error) => failure = format!("{host}:{port} cannot be reached: {error}"),
        }
    }
    Err(failure)
}

fn unix(path: &Path, password: Option<Password>) -> Result<(OwnedFd, Greeting), String> {
    let stream = UnixStream::connect(path)
        .map_err(|error| format!("{} cannot be reached: {error}", path.display()))?;
    let timeout = stream
        .set_read_timeout(Some(STEP_TIMEOUT))
        .and_then(|()| stream.set_write_timeout(Some(STEP_TIMEOUT)));
    timeout.map_err(|error| error.to_string())?;
    let greeting = greet(&stream, password)?;
    Ok((stream.into(), greeting))
}

fn greet<S>(stream: &S, password: Option<Password>) -> Result<Greeting, String>
where
    for<'a> &'a S: Read + Write,
{
    match password {
        None => Ok(Greeting::Fresh),
        Some(password) => handshake(stream, password)
            .map(|()| Greeting::Done)
            .map_err(|reason| format!("the VNC server does not let Deskway in: {reason}")),
    }
}

/// Speaks the handshake up to where ClientInit comes next (RFC 6143 §7.1 and §7.2.2). Byte by
/// byte, so that nothing of what follows is taken.
fn handshake<S>(mut stream: &S, password: Password) -> Result<(), String>
where
    for<'a> &'a S: Read + Write,
{
    let mut handshake = ClientHandshake::new(Some(password));
    let mut unread = Vec::new();
    for _ in 0..MAX_HANDSHAKE {
        let mut byte = [0];
        stream
            .read_exact(&mut byte)
            .map_err(|error| error.to_string())?;
        unread.extend(byte);
        let step = handshake.step(&unread).map_err(|error| error.to_string())?;
        unread.drain(..step.taken);
        if !step.send.is_empty() {
            stream
                .write_all(&step.send)
                .map_err(|error| error.to_string())?;
        }
        if step.done {
            return Ok(());
        }
    }
    Err("its handshake does not end".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handshake_with_a_password_stops_before_client_init() {
        let (here, mut there) = UnixStream::pair().unwrap();
        // What a server sends, ServerInit's first bytes at the end.
        there.write_all(b"RFB 003.008\n\x01\x02").unwrap();
        there.write_all(&[7; 16]).unwrap();
        there.write_all(&[0, 0, 0, 0, 42, 43]).unwrap();
        handshake(&here, Password::new(b"secret")).unwrap();
        let mut next = [0; 2];
        (&here).read_exact(&mut next).unwrap();
        assert_eq!(next, [42, 43]);
        let mut said = [0; 12 + 1 + 16];
        there.read_exact(&mut said).unwrap();
        assert!(said.starts_with(b"RFB 003.008\n\x02"));
    }

    #[test]
    fn a_wrong_password_is_told_with_the_server_s_reason() {
        let (here, mut there) = UnixStream::pair().unwrap();
        there.write_all(b"RFB 003.008\n\x01\x02").unwrap();
        there.write_all(&[7; 16]).unwrap();
        there.write_all(b"\0\0\0\x01\0\0\0\x02no").unwrap();
        let reason = handshake(&here, Password::new(b"secret")).unwrap_err();
        assert!(reason.contains("no"), "{reason}");
    }

    #[test]
    fn a_password_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        std::fs::write(&path, "secret\n").unwrap();
        let set = |mode| {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        set(0o640);
        assert!(read_password(&path).is_err());
        set(0o600);
        assert!(read_password(&path).is_ok());
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(read_password(&link).is_err());
    }
}
