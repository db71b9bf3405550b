//! The program under test while it runs, and what it leaves when it has ended.

use std::fs;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;
use tempfile::TempDir;

use super::answer::{Answer, upgrade};
use super::cert::connect;
use super::process::{Process, until};
use super::wire::Wire;
use super::ws::Ws;

/// The running program.
pub(crate) struct Subject {
    pub(crate) process: Process,
    pub(crate) port: u16,
    pub(super) unix: Option<PathBuf>,
    /// Its working directory.
    pub(crate) dir: TempDir,
}

impl Subject {
    pub(crate) fn connect(&self) -> Wire {
        match &self.unix {
            Some(path) => Wire::unix(UnixStream::connect(path).unwrap()),
            None => Wire::tcp(self.tcp()),
        }
    }

    pub(crate) fn connect_tls(&self, config: &Arc<ClientConfig>) -> std::io::Result<Wire> {
        connect(Arc::clone(config), self.connect().into_tcp())
    }

    fn tcp(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port))
            .or_else(|_| TcpStream::connect(("::1", self.port)))
            .unwrap()
    }

    /// Sends a request on a connection of its own.
    pub(crate) fn ask(&self, request: &str) -> Answer {
        let mut wire = self.connect();
        wire.send(request.as_bytes());
        Answer::read(wire)
    }

    /// Opens a WebSocket.
    pub(crate) fn open(&self) -> Ws {
        self.ask(&upgrade("/", &[])).websocket()
    }

    /// The status of the answer to a request to open a WebSocket; `None` when there is none.
    pub(crate) fn try_to_open(&self, path: &str, headers: &[&str]) -> Option<u16> {
        let mut wire = self.connect();
        wire.send(upgrade(path, headers).as_bytes());
        Answer::read_if_any(wire).map(|answer| answer.status)
    }

    pub(crate) fn listens(&self) -> bool {
        listens_on_port(self.port)
    }

    /// The content of a file in the working directory, once it is as `right` wants it.
    pub(crate) fn file(&self, name: &str, right: impl Fn(&str) -> bool) -> String {
        let path = self.dir.path().join(name);
        until(name, || {
            let text = fs::read_to_string(&path).ok()?;
            right(&text).then_some(text)
        })
    }
}

/// What a program left that ended by itself.
pub(crate) struct Ended {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// A command line that was wrong: status 2, and a message with `part` in it.
    pub(crate) fn is_wrong_usage(&self, part: &str) {
        assert_eq!(self.status, 2, "{}", self.stderr);
        assert!(self.stderr.contains(part), "no {part:?} in {}", self.stderr);
    }
}

/// Whether somebody listens on a TCP port of this machine; asking does not connect.
pub(super) fn listens_on_port(port: u16) -> bool {
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().any(|file| {
        let table = fs::read_to_string(file).unwrap_or_default();
        table.lines().skip(1).any(|line| {
            let mut fields = line.split_whitespace().skip(1);
            let local = fields.next().and_then(|local| local.rsplit(':').next());
            local == Some(&format!("{port:04X}")) && fields.nth(1) == Some("0A")
        })
    })
}

/// Whether somebody listens on a unix socket; asking does not connect.
pub(super) fn listens_on_unix(path: &Path) -> bool {
    let path = path.to_str().unwrap();
    let table = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    table.lines().any(|line| {
        let mut fields = line.split_whitespace();
        fields.nth(3) == Some("00010000") && fields.last() == Some(path)
    })
}
