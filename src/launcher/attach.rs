//! VNC servers that run already: a child connects to one, says its password when it wants one,
//! and passes the stream on. The browser is never offered a password. Behind a WebSocket the child
//! stays, and is the stream's other end.

use std::ffi::CStr;
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
use rustix::io::Errno;
use rustix::net::RecvFlags;
use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroize;

use super::jobs::Outlet;
use super::protocol::Greeting;
use crate::config::AttachTarget;
use crate::relay;
use crate::relay::Authorities;

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
/// Most bytes of a file with authorities' certificates: a whole machine's are a third of it.
const MAX_CA_FILE: u64 = 1 << 20;
/// What each VNC server says first (RFC 6143 §7.1.1).
const RFB: &[u8; RFB_LEN] = b"RFB ";
const RFB_LEN: usize = 4;
/// What `ps` shows of a relay.
const RELAY_NAME: &CStr = c"deskway-relay";
/// The account that the part of Deskway which talks to the network runs as.
const SERVICE_USER: &str = "deskway";

/// What the child says; a stream comes with the first.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Word {
    Connected(Greeting),
    /// In words for the person.
    Failed(String),
}

/// Why a server that was reached is of no use.
#[derive(Debug, thiserror::Error)]
enum NotGreeted {
    #[error("the VNC server ended the connection before it had greeted")]
    HungUp,
    #[error("the VNC server says nothing")]
    Silent,
    #[error("what is behind the WebSocket is no VNC server")]
    NoVnc,
    #[error("the VNC server does not let Deskway in: {0}")]
    Refused(String),
    #[error("the connection to the VNC server failed: {0}")]
    Io(io::Error),
}

impl From<io::Error> for NotGreeted {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::HungUp,
            io::ErrorKind::WouldBlock => Self::Silent,
            _ => Self::Io(error),
        }
    }
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

/// Runs in the child: connects as the service user and passes the stream on. With a WebSocket, it
/// returns when the viewer or the server has left.
pub(crate) fn open(
    target: &AttachTarget,
    password: Option<Password>,
    become_user: Option<(u32, u32)>,
    outlet: &Outlet,
) -> i32 {
    // As root: a private authority's file may be in a directory that is closed to others.
    let authorities = match target {
        AttachTarget::WebSocket {
            ca_file: Some(path),
            ..
        } => match read_authorities(path) {
            Ok(authorities) => Some(authorities),
            Err(reason) => return outlet.say(&Word::Failed(reason)),
        },
        _ => None,
    };
    let become_user = become_user.map_or(Ok(()), |(uid, gid)| deskway_osuser::drop_to(uid, gid));
    if let Err(error) = become_user {
        return outlet.say(&Word::Failed(error.to_string()));
    }
    let opened = match target {
        AttachTarget::Tcp { host, port } => tcp(host, *port, password),
        AttachTarget::Unix(path) => unix(path, password),
        AttachTarget::WebSocket { url, .. } => {
            return relay(url, authorities.as_ref(), password, outlet);
        }
    };
    match opened {
        Ok((stream, greeting)) => outlet.pass(&Word::Connected(greeting), stream.as_fd()),
        Err(reason) => outlet.say(&Word::Failed(reason)),
    }
}

fn read_authorities(path: &Path) -> Result<Authorities<'_>, String> {
    let wrong = |error: io::Error| format!("`ca_file` {} cannot be used: {error}", path.display());
    let file = File::options()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(wrong)?;
    if !file.metadata().map_err(wrong)?.is_file() {
        return Err(wrong(io::Error::other("it is not a file")));
    }
    let mut pem = Vec::new();
    file.take(MAX_CA_FILE)
        .read_to_end(&mut pem)
        .map_err(wrong)?;
    Ok(Authorities { path, pem })
}

fn relay(
    url: &Url,
    authorities: Option<&Authorities<'_>>,
    password: Option<Password>,
    outlet: &Outlet,
) -> i32 {
    // It needs nobody from now on: the next launcher's people still look at their desktops.
    let alone = rustix::process::set_parent_process_death_signal(None)
        .and_then(|()| rustix::thread::set_name(RELAY_NAME));
    if let Err(error) = alone {
        return outlet.say(&Word::Failed(error.to_string()));
    }
    let hand_over = |viewer: UnixStream| {
        let greeting = limited(&viewer)
            .map_err(NotGreeted::Io)
            .and_then(|()| greet(&viewer, password))
            .and_then(|greeting| awaited(&viewer, greeting))
            .map_err(|error| match error {
                NotGreeted::HungUp => None,
                error => Some(error.to_string()),
            })?;
        match outlet.pass(&Word::Connected(greeting), viewer.as_fd()) {
            0 => Ok(()),
            _ => Err(Some("the launcher is gone".to_owned())),
        }
    };
    match relay::run(url, authorities, hand_over) {
        Ok(end) => {
            tracing::info!(
                place = relay::place(url),
                "the relay ends: the server {end}"
            );
            0
        }
        Err(error) => outlet.say(&Word::Failed(error.to_string())),
    }
}

/// A server that has not greeted yet speaks first: then its first word is waited for, so that one
/// that hangs up at once is known for what it is. The word stays where it is.
fn awaited(stream: &UnixStream, greeting: Greeting) -> Result<Greeting, NotGreeted> {
    if greeting == Greeting::Done {
        return Ok(greeting);
    }
    let mut first = [0; RFB_LEN];
    let flags = RecvFlags::PEEK | RecvFlags::WAITALL;
    match rustix::net::recv(stream, &mut first, flags) {
        Ok((_, RFB_LEN)) if first == *RFB => Ok(greeting),
        Ok((_, 0)) => Err(NotGreeted::HungUp),
        Ok((_, RFB_LEN)) => Err(NotGreeted::NoVnc),
        Ok(_) | Err(Errno::AGAIN) => Err(NotGreeted::Silent),
        Err(error) => Err(NotGreeted::Io(error.into())),
    }
}

fn limited(stream: &UnixStream) -> io::Result<()> {
    stream.set_read_timeout(Some(STEP_TIMEOUT))?;
    stream.set_write_timeout(Some(STEP_TIMEOUT))
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
                let greeting = greet(&stream, password).map_err(|error| error.to_string())?;
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
    limited(&stream).map_err(|error| error.to_string())?;
    let greeting = greet(&stream, password).map_err(|error| error.to_string())?;
    Ok((stream.into(), greeting))
}

fn greet<S>(stream: &S, password: Option<Password>) -> Result<Greeting, NotGreeted>
where
    for<'a> &'a S: Read + Write,
{
    match password {
        None => Ok(Greeting::Fresh),
        Some(password) => handshake(stream, password).map(|()| Greeting::Done),
    }
}

/// Speaks the handshake up to where ClientInit comes next (RFC 6143 §7.1 and §7.2.2). Byte by
/// byte, so that nothing of what follows is taken.
fn handshake<S>(mut stream: &S, password: Password) -> Result<(), NotGreeted>
where
    for<'a> &'a S: Read + Write,
{
    let mut handshake = ClientHandshake::new(Some(password));
    let mut unread = Vec::new();
    for _ in 0..MAX_HANDSHAKE {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        unread.extend(byte);
        let step = handshake
            .step(&unread)
            .map_err(|error| NotGreeted::Refused(error.to_string()))?;
        unread.drain(..step.taken);
        if !step.send.is_empty() {
            stream.write_all(&step.send)?;
        }
        if step.done {
            return Ok(());
        }
    }
    Err(NotGreeted::Refused("its handshake does not end".to_owned()))
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
        let reason = reason.to_string();
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
