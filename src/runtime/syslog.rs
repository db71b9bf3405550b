//! Lines to a syslog server, over a local socket or UDP: RFC 5424, or the older BSD format.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use time::OffsetDateTime;
use tracing::Level;

use super::Clock;

/// Longest host name (RFC 5424, 6.2.4).
const MAX_HOST_NAME: usize = 255;

/// Why there can be no syslog.
#[derive(Debug, thiserror::Error)]
pub enum SyslogError {
    #[error("the syslog server is a socket's path or HOST:PORT, and '{0}' is no port")]
    Port(String),
    #[error("the syslog server {server} cannot be found: {error}")]
    Server { server: String, error: io::Error },
}

/// Which server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyslogServer {
    /// A unix socket, as `/dev/log`.
    Unix(PathBuf),
    /// `host` is a name or an address without brackets.
    Udp { host: String, port: u16 },
}

impl SyslogServer {
    /// `HOST:PORT`, or the path of a socket, which has no colon.
    ///
    /// # Errors
    /// When what follows the colon is no port.
    pub fn parse(text: &str) -> Result<Self, SyslogError> {
        let Some((host, port)) = text.rsplit_once(':') else {
            // The working directory may change later.
            let path = std::path::absolute(text).unwrap_or_else(|_| text.into());
            return Ok(Self::Unix(path));
        };
        let port = port
            .parse()
            .map_err(|_| SyslogError::Port(port.to_owned()))?;
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = bare.unwrap_or(host).to_owned();
        Ok(Self::Udp { host, port })
    }
}

/// What kind of program speaks (RFC 5424, 6.2.1).
#[derive(Clone, Copy, Debug)]
pub enum Facility {
    User = 1,
    Daemon = 3,
    /// Who did what on a machine: what `auth.log` is made of where there is one.
    AuthPriv = 10,
}

/// How a line is written.
#[derive(Clone, Copy, Debug)]
pub enum Format {
    Rfc5424,
    Bsd,
}

/// Sends without waiting. What the server does not take at once is lost.
#[derive(Debug)]
pub struct Syslog {
    to: To,
    /// What the lines are said to come from (RFC 5424, 6.2.5).
    app_name: &'static str,
    facility: Facility,
    format: Format,
    host_name: String,
    clock: Clock,
}

#[derive(Debug)]
enum To {
    Unix {
        path: PathBuf,
        /// `None` while the server is away.
        socket: Mutex<Option<Local>>,
    },
    Udp {
        server: SocketAddr,
        socket: UdpSocket,
    },
}

#[derive(Debug)]
struct Local {
    socket: OwnedFd,
    kind: SocketType,
}

impl Syslog {
    /// # Errors
    /// When the host has no address. A server that is away is no error.
    pub fn new(
        server: &SyslogServer,
        app_name: &'static str,
        facility: Facility,
        format: Format,
    ) -> Result<Self, SyslogError> {
        let to = match server {
            SyslogServer::Unix(path) => To::Unix {
                path: path.clone(),
                socket: Mutex::new(None),
            },
            SyslogServer::Udp { host, port } => {
                let open = || {
                    let server = (host.as_str(), *port).to_socket_addrs()?.next();
                    let server = server.ok_or(io::ErrorKind::NotFound)?;
                    let any = if server.is_ipv4() {
                        "0.0.0.0:0"
                    } else {
                        "[::]:0"
                    };
                    let socket = UdpSocket::bind(any)?;
                    socket.set_nonblocking(true)?;
                    Ok(To::Udp { server, socket })
                };
                open().map_err(|error| SyslogError::Server {
                    server: format!("{host}:{port}"),
                    error,
                })?
            }
        };
        Ok(Self {
            to,
            app_name,
            facility,
            format,
            host_name: host_name(),
            clock: Clock::System,
        })
    }

    /// Why the server is away, when it can be seen that it is: nobody answers for datagrams that
    /// go over the network.
    pub fn absence(&self) -> Option<(&Path, Errno)> {
        let To::Unix { path, socket } = &self.to else {
            return None;
        };
        match connect(path) {
            Ok(local) => {
                *socket.lock().unwrap_or_else(PoisonError::into_inner) = Some(local);
                None
            }
            Err(error) => Some((path, error)),
        }
    }

    /// `line` has no control characters.
    pub fn send(&self, level: Level, line: &str) {
        let mut message = self.head(level);
        if !line.is_ascii() && matches!(self.format, Format::Rfc5424) {
            // RFC 5424, 6.4: what begins so is UTF-8.
            message.push('\u{feff}');
        }
        message.push_str(line);
        match &self.to {
            // What the server has not got is lost: nobody waits for it.
            To::Udp { server, socket } => _ = socket.send_to(message.as_bytes(), server),
            To::Unix { path, socket } => {
                let mut socket = socket.lock().unwrap_or_else(PoisonError::into_inner);
                send_local(path, &mut socket, &message);
            }
        }
    }

    fn head(&self, level: Level) -> String {
        // RFC 5424, 6.2.1.
        let severity = match level {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            _ => 7,
        };
        let priority = self.facility as u8 * 8 + severity;
        let process = std::process::id();
        match self.format {
            Format::Bsd => format!("<{priority}>{}[{process}]: ", self.app_name),
            Format::Rfc5424 => {
                let (now, host, name) = (self.now(), &self.host_name, self.app_name);
                format!("<{priority}>1 {now} {host} {name} {process} - - ")
            }
        }
    }

    /// RFC 5424, 6.2.3.
    fn now(&self) -> String {
        let seconds = i64::try_from(self.clock.unix()).unwrap_or_default();
        let now = OffsetDateTime::from_unix_timestamp(seconds);
        let now = now.unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (hour, minute, second) = now.to_hms();
        let (year, month, day) = (now.year(), u8::from(now.month()), now.day());
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// A server that was started anew is connected to anew, once for each line.
fn send_local(path: &Path, socket: &mut Option<Local>, message: &str) {
    for _ in 0..2 {
        if socket.is_none() {
            *socket = connect(path).ok();
        }
        let Some(local) = socket else {
            return;
        };
        match local.send(message) {
            // It does not read fast enough, or wants no such line.
            Ok(()) | Err(Errno::AGAIN | Errno::NOBUFS | Errno::MSGSIZE) => return,
            Err(_) => *socket = None,
        }
    }
}

impl Local {
    fn send(&self, message: &str) -> rustix::io::Result<()> {
        if self.kind == SocketType::DGRAM {
            return rustix::net::send(&self.socket, message.as_bytes(), SendFlags::NOSIGNAL)
                .map(|_| ());
        }
        let message = format!("{message}\n");
        let sent = rustix::net::send(&self.socket, message.as_bytes(), SendFlags::NOSIGNAL)?;
        if sent == message.len() {
            Ok(())
        } else {
            // The rest of the line could only come late, in the middle of the next.
            Err(Errno::PIPE)
        }
    }
}

/// Datagrams where the server takes them, else a stream.
fn connect(path: &Path) -> rustix::io::Result<Local> {
    let address = SocketAddrUnix::new(path)?;
    let open = |kind| {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, kind, flags, None)?;
        rustix::net::connect(&socket, &address)?;
        Ok(Local { socket, kind })
    };
    match open(SocketType::DGRAM) {
        Err(Errno::PROTOTYPE) => open(SocketType::STREAM),
        opened => opened,
    }
}

fn host_name() -> String {
    let system = rustix::system::uname();
    let name = system.nodename().to_str().unwrap_or_default();
    let name: String = name
        .chars()
        .filter(char::is_ascii_graphic)
        .take(MAX_HOST_NAME)
        .collect();
    if name.is_empty() {
        "-".to_owned()
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::unix::net::{UnixDatagram, UnixListener};
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;

    /// How long anything that a test waits for may take.
    const PATIENCE: Duration = Duration::from_secs(20);

    fn to(path: &Path, format: Format) -> Syslog {
        let server = SyslogServer::Unix(path.to_owned());
        let mut syslog = Syslog::new(&server, "websockify", Facility::User, format).unwrap();
        syslog.host_name = "gate".to_owned();
        // The example of RFC 9110, 5.6.7.
        syslog.clock = Clock::Manual(Arc::new(AtomicU64::new(784_111_777)));
        syslog
    }

    fn received(server: &UnixDatagram) -> String {
        server.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut message = [0; 1000];
        let length = server.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    }

    #[test]
    fn messages_have_the_form_of_their_protocol() {
        let place = TempDir::new().unwrap();
        let path = place.path().join("log");
        let server = UnixDatagram::bind(&path).unwrap();
        let process = std::process::id();
        let syslog = to(&path, Format::Rfc5424);
        syslog.send(Level::INFO, "hello");
        let head = format!("1994-11-06T08:49:37Z gate websockify {process} - - ");
        assert_eq!(received(&server), format!("<14>1 {head}hello"));
        syslog.send(Level::WARN, "gr\u{fc}n");
        assert_eq!(received(&server), format!("<12>1 {head}\u{feff}gr\u{fc}n"));
        let mut syslog = to(&path, Format::Bsd);
        syslog.facility = Facility::Daemon;
        syslog.send(Level::DEBUG, "gr\u{fc}n");
        assert_eq!(
            received(&server),
            format!("<31>websockify[{process}]: gr\u{fc}n")
        );
    }

    #[test]
    fn a_server_that_comes_back_gets_the_next_line() {
        let place = TempDir::new().unwrap();
        let path = place.path().join("log");
        let syslog = to(&path, Format::Bsd);
        syslog.send(Level::INFO, "lost");
        for line in ["first", "second"] {
            let server = UnixDatagram::bind(&path).unwrap();
            syslog.send(Level::INFO, line);
            assert!(received(&server).ends_with(line));
            drop(server);
            std::fs::remove_file(&path).unwrap();
            syslog.send(Level::INFO, "lost");
        }
    }

    #[test]
    fn a_server_of_streams_gets_lines() {
        let place = TempDir::new().unwrap();
        let path = place.path().join("log");
        let server = UnixListener::bind(&path).unwrap();
        let syslog = to(&path, Format::Bsd);
        syslog.send(Level::INFO, "first");
        syslog.send(Level::INFO, "second");
        let (stream, _) = server.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut lines = BufReader::new(stream).lines();
        assert!(lines.next().unwrap().unwrap().ends_with("first"));
        assert!(lines.next().unwrap().unwrap().ends_with("second"));
    }

    /// It would hang here for ever.
    #[test]
    fn a_server_that_does_not_read_holds_nobody_up() {
        let place = TempDir::new().unwrap();
        let (datagrams, streams) = (place.path().join("d"), place.path().join("s"));
        let _datagrams = UnixDatagram::bind(&datagrams).unwrap();
        let _streams = UnixListener::bind(&streams).unwrap();
        for path in [datagrams, streams] {
            let syslog = to(&path, Format::Rfc5424);
            for _ in 0..5000 {
                syslog.send(Level::INFO, &"x".repeat(1000));
            }
        }
    }

    #[test]
    fn a_server_may_be_reached_over_udp() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        server.set_read_timeout(Some(PATIENCE)).unwrap();
        let address = SyslogServer::parse(&server.local_addr().unwrap().to_string()).unwrap();
        let syslog = Syslog::new(&address, "websockify", Facility::User, Format::Bsd).unwrap();
        syslog.send(Level::ERROR, "hello");
        let mut message = [0; 100];
        let length = server.recv(&mut message).unwrap();
        assert!(message[..length].starts_with(b"<11>websockify["));
        assert!(message[..length].ends_with(b"]: hello"));
    }

    #[test]
    fn a_server_is_a_path_or_a_host_with_a_port() {
        let udp = |host: &str, port| SyslogServer::Udp {
            host: host.to_owned(),
            port,
        };
        let parse = |text| SyslogServer::parse(text).unwrap();
        assert_eq!(parse("/dev/log"), SyslogServer::Unix("/dev/log".into()));
        assert_eq!(parse("log.example:514"), udp("log.example", 514));
        assert_eq!(parse("[::1]:514"), udp("::1", 514));
        for wrong in ["host:", "host:x", "host:65536", "host:-1"] {
            assert!(SyslogServer::parse(wrong).is_err(), "{wrong}");
        }
    }
}
