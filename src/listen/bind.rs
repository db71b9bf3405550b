//! Opens the socket that connections come in by.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, ipproto, sockopt};

/// How many connections the kernel keeps until they are accepted; it has a limit of its own.
const BACKLOG: i32 = 4096;

/// A socket that cannot be opened: the command line's fault, or another program's.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("cannot find the address of `{host}` to listen on: {error}")]
    Name { host: String, error: io::Error },
    #[error("`{host}` has no address to listen on")]
    NoAddress { host: String },
    #[error("cannot listen on {address}: {error}")]
    Tcp {
        address: SocketAddr,
        error: io::Error,
    },
    #[error("cannot listen on {path}: {error}", path = path.display())]
    Unix { path: PathBuf, error: io::Error },
    #[error("cannot listen on {path}: another program listens there", path = path.display())]
    Taken { path: PathBuf },
    #[error(
        "cannot listen on {path}: something else than a socket is there, and stays there", path = path.display()
    )]
    NoSocket { path: PathBuf },
}

/// Listens on `host` and `port` (0: one that is free). A name's IPv4 address is taken before its
/// IPv6 address, or the other way round; so an empty `host` is all IPv4 addresses of the machine,
/// or all addresses of both kinds.
///
/// # Errors
/// When there is no such address, or it cannot be had.
pub fn tcp(host: &str, port: u16, prefer_ipv6: bool) -> Result<TcpListener, BindError> {
    let open = |address| listen_tcp(address).map_err(|error| BindError::Tcp { address, error });
    if host.is_empty() {
        return open(if prefer_ipv6 {
            (Ipv6Addr::UNSPECIFIED, port).into()
        } else {
            (Ipv4Addr::UNSPECIFIED, port).into()
        });
    }
    let found = (host, port).to_socket_addrs();
    let found = found.map_err(|error| BindError::Name {
        host: host.to_owned(),
        error,
    })?;
    let address = found.min_by_key(|address| address.is_ipv6() != prefer_ipv6);
    open(address.ok_or_else(|| BindError::NoAddress {
        host: host.to_owned(),
    })?)
}

/// Listens on a unix socket whose file has `mode`. A socket that nobody listens on any more is
/// replaced.
///
/// # Errors
/// When somebody listens there, or something else than a socket is there.
pub fn unix(path: &Path, mode: u32) -> Result<UnixListener, BindError> {
    let failed = |error| BindError::Unix {
        path: path.to_owned(),
        error,
    };
    if let Ok(found) = fs::symlink_metadata(path) {
        if !found.file_type().is_socket() {
            return Err(BindError::NoSocket {
                path: path.to_owned(),
            });
        }
        match connect(path) {
            Err(Errno::CONNREFUSED) => {
                fs::remove_file(path).map_err(failed)?;
            }
            _ => {
                return Err(BindError::Taken {
                    path: path.to_owned(),
                });
            }
        }
    }
    listen_unix(path, mode).map_err(failed)
}

/// Whether somebody listens there, without waiting for them to take the connection.
fn connect(path: &Path) -> rustix::io::Result<()> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)
}

/// Gives the file of a unix socket to a group.
///
/// # Errors
/// When something else is there by now, or it may not be done.
pub fn give_to_group(path: &Path, group: u32) -> io::Result<()> {
    let group = rustix::fs::Gid::from_raw(group);
    let socket = socket_file(path)?;
    rustix::fs::chownat(&socket, "", None, Some(group), AtFlags::EMPTY_PATH)?;
    Ok(())
}

/// A descriptor of the socket's file, never of what a link that was put there leads to.
fn socket_file(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
    let found = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::Socket {
        let error = "something else was put in the socket's place";
        return Err(io::Error::other(error));
    }
    Ok(file)
}

/// Listens on exactly that address.
///
/// # Errors
/// When it cannot be had: another program is there, or it is no address of this machine.
pub fn listen_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let family = if address.is_ipv6() {
        AddressFamily::INET6
    } else {
        AddressFamily::INET
    };
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    // Connections of a process before may still be on their way out.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, !address.ip().is_unspecified())?;
    }
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

fn listen_unix(path: &Path, mode: u32) -> io::Result<UnixListener> {
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // The file gets the socket's mode without what the umask takes away, so that at no time
    // more may connect than are meant to.
    rustix::fs::fchmod(&socket, Mode::from_raw_mode(mode))?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    set_mode(path, mode)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// Gives the socket's file what the umask took away.
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    let file = socket_file(path)?;
    if rustix::fs::fstat(&file)?.st_mode & 0o7777 == mode {
        return Ok(());
    }
    // There is no other way to the mode of what a descriptor only stands for.
    let itself = format!("/proc/self/fd/{}", file.as_raw_fd());
    fs::set_permissions(itself, fs::Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::os::unix::fs::MetadataExt as _;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn without_a_host_ipv4_is_listened_on_or_both_where_ipv6_is_preferred() {
        let narrow = tcp("", 0, false).unwrap().local_addr().unwrap();
        assert_eq!(narrow.ip(), Ipv4Addr::UNSPECIFIED);
        let wide = tcp("", 0, true).unwrap();
        let port = wide.local_addr().unwrap().port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
    }

    #[test]
    fn a_port_that_is_taken_on_ipv6_is_an_error_where_ipv6_is_preferred() {
        let taken = TcpListener::bind("[::]:0").unwrap();
        let error = tcp("", taken.local_addr().unwrap().port(), true).unwrap_err();
        assert!(error.to_string().contains("[::]:"), "{error}");
    }

    #[test]
    fn an_address_is_taken_as_it_is_and_a_taken_one_is_named() {
        let listener = tcp("127.0.0.1", 0, true).unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(address.ip(), Ipv4Addr::LOCALHOST);
        let error = tcp("127.0.0.1", address.port(), false).unwrap_err();
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }

    #[test]
    fn a_host_that_is_none_is_named() {
        let error = tcp("no host", 0, false).unwrap_err().to_string();
        assert!(error.contains("`no host`"), "{error}");
    }

    #[test]
    fn who_takes_no_connection_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let flags = SocketFlags::CLOEXEC;
        let busy = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None);
        let busy = busy.unwrap();
        rustix::net::bind(&busy, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        rustix::net::listen(&busy, 0).unwrap();
        let mut held = Vec::new();
        let full = loop {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let client =
                rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None);
            let client = client.unwrap();
            match rustix::net::connect(&client, &SocketAddrUnix::new(&path).unwrap()) {
                Ok(()) => held.push(client),
                Err(error) => break error,
            }
            assert!(held.len() < 10, "the backlog has an end");
        };
        assert_eq!(full, Errno::AGAIN);
        assert!(matches!(unix(&path, 0o600), Err(BindError::Taken { .. })));
    }

    #[test]
    fn mode_and_group_are_the_sockets_and_of_nothing_that_a_link_leads_to() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("s"), dir.path().join("other"));
        let _listening = unix(&path, 0o622).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o622);
        let group = rustix::process::getegid().as_raw();
        give_to_group(&path, group).unwrap();

        let _elsewhere = unix(&other, 0o600).unwrap();
        fs::remove_file(&path).unwrap();
        symlink(&other, &path).unwrap();
        assert!(set_mode(&path, 0o666).is_err());
        assert!(give_to_group(&path, group).is_err());
        assert_eq!(fs::metadata(&other).unwrap().mode() & 0o7777, 0o600);
    }

    #[test]
    fn a_socket_that_somebody_listens_on_and_a_file_stay() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let first = unix(&path, 0o600).unwrap();
        assert!(matches!(unix(&path, 0o600), Err(BindError::Taken { .. })));
        drop(first);
        let _second = unix(&path, 0o660).unwrap();
        let mode = fs::symlink_metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        let file = dir.path().join("f");
        fs::write(&file, "kept").unwrap();
        assert!(matches!(
            unix(&file, 0o600),
            Err(BindError::NoSocket { .. })
        ));
        assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
    }
}
