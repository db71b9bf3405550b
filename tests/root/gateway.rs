//! One `deskway up` with a program file and directories of its own, and a browser's part of HTTP.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;

use rustix::process::{Pid, Signal, kill_process};

use crate::account::PASSWORD;
use crate::process::{self, PATIENCE};

/// A service that asks /etc/shadow alone.
const UNIX: &str = "auth required pam_unix.so\naccount required pam_unix.so\n\
                    session required pam_unix.so\n";

pub struct Gateway {
    folder: tempfile::TempDir,
    up: Child,
    pub address: SocketAddr,
}

/// An answer, with a body of the length that its head says.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Gateway {
    /// On an address of its own; `flags` are added to the command line.
    pub fn start() -> Self {
        let folder = Self::folder();
        let mut up = Command::new(folder.path().join("deskway"));
        up.args(["up", "--listen", "127.0.0.1:0"]);
        Self::run(folder, &mut up)
    }

    /// What a [`Gateway`] is made of: the program and its configuration.
    pub fn folder() -> tempfile::TempDir {
        assert!(deskway_osuser::is_root(), "these tests need root");
        let folder = tempfile::Builder::new()
            .prefix("dwt-")
            .rand_bytes(6)
            .tempdir_in("/var/tmp")
            .unwrap();
        let path = folder.path();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o711);
        fs::set_permissions(path, mode).unwrap();
        fs::create_dir(path.join("pam.d")).unwrap();
        fs::write(path.join("pam.d/deskway"), UNIX).unwrap();
        fs::write(path.join("deskway.toml"), Self::config(path)).unwrap();
        copy(
            Path::new(env!("CARGO_BIN_EXE_deskway")),
            &path.join("deskway"),
        );
        folder
    }

    fn config(path: &Path) -> String {
        format!(
            "[paths]\nrun = \"{0}/r\"\nstate = \"{0}/s\"\n\
             [sign_in]\npam_dir = \"{0}/pam.d\"\n\
             [desktops]\ndefault_profile = \"term\"\nscreen_timeout = \"60s\"\n\
             [[profile]]\nid = \"term\"\nname = \"Terminal\"\ncommand = [\"xterm\"]\n",
            path.display()
        )
    }

    /// Runs `up` and waits until people can sign in. Its desktops end with it.
    pub fn run(folder: tempfile::TempDir, up: &mut Command) -> Self {
        let log = fs::File::create(folder.path().join("log")).unwrap();
        up.arg("--stop-desktops-on-exit");
        up.arg("--config").arg(folder.path().join("deskway.toml"));
        let mut up = up.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let output = BufReader::new(up.stdout.take().unwrap());
        let (sender, address) = mpsc::channel();
        std::thread::spawn(move || {
            let mut lines = output.lines().map_while(Result::ok);
            let at: Option<SocketAddr> = lines.find_map(|line| {
                let at = line.strip_prefix("Deskway is at http://")?;
                at.trim_end_matches('/').parse().ok()
            });
            if let Some(at) = at {
                // Nobody waits any more when it comes too late.
                _ = sender.send(at);
            }
        });
        let mut gateway = Self {
            folder,
            up,
            address: (Ipv4Addr::LOCALHOST, 0).into(),
        };
        gateway.address = address.recv_timeout(PATIENCE).expect("it is not ready");
        gateway
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path().join("log")).unwrap()
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.up.id()).unwrap()
    }

    /// The processes of its roles.
    pub fn roles(&self) -> Vec<i32> {
        let pid = self.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        let children = children.split_whitespace();
        children.map(|pid| pid.parse().unwrap()).collect()
    }

    /// Which file it runs.
    pub fn program(&self) -> PathBuf {
        fs::read_link(format!("/proc/{}/exe", self.pid())).unwrap()
    }

    /// Puts another file in the place of the program, as a package manager does.
    pub fn replace_program(&self, write: impl FnOnce(&Path)) {
        let new = self.path().join("new");
        write(&new);
        fs::rename(new, self.path().join("deskway")).unwrap();
    }

    /// `deskway upgrade`.
    pub fn upgrade(&self) -> Output {
        let mut upgrade = Command::new(env!("CARGO_BIN_EXE_deskway"));
        upgrade.args(["upgrade", "--config"]);
        upgrade.arg(self.path().join("deskway.toml"));
        upgrade.output().unwrap()
    }

    /// Signs a person in; the cookie.
    pub fn sign_in(&self, name: &str) -> String {
        let body = format!("name={name}&password={}&next=/", PASSWORD.replace(' ', "+"));
        let reply = self.post("/sign-in", "application/x-www-form-urlencoded", &body, "");
        assert_eq!(reply.status, 303, "{reply:?}");
        let cookie = reply.head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("set-cookie").then_some(value)
        });
        cookie.unwrap().split(';').next().unwrap().to_owned()
    }

    /// Starts a person's main desktop and waits until it can be seen.
    pub fn start_desktop(&self, name: &str, cookie: &str) {
        let path = format!("/api/v1/desktops/{name}/main/start");
        let reply = self.post(&path, "application/json", "{}", cookie);
        assert_eq!(reply.status, 202, "{reply:?}");
        process::until("the desktop", || {
            let list = self.get("/api/v1/desktops", cookie);
            list.body.contains("\"state\":\"ready\"").then_some(())
        });
    }

    pub fn stop_desktop(&self, name: &str, cookie: &str) {
        let path = format!("/api/v1/desktops/{name}/main/stop");
        let reply = self.post(&path, "application/json", "{}", cookie);
        assert_eq!(reply.status, 200, "{reply:?}");
    }

    pub fn get(&self, path: &str, cookie: &str) -> Reply {
        let head = format!("GET {path} HTTP/1.1\r\nCookie: {cookie}\r\nConnection: close\r\n");
        self.ask(&head, "")
    }

    pub fn post(&self, path: &str, kind: &str, body: &str, cookie: &str) -> Reply {
        let head = format!(
            "POST {path} HTTP/1.1\r\nCookie: {cookie}\r\nConnection: close\r\n\
             Content-Type: {kind}\r\nOrigin: http://{}\r\nContent-Length: {}\r\n",
            self.address,
            body.len()
        );
        self.ask(&head, body)
    }

    fn ask(&self, head: &str, body: &str) -> Reply {
        let mut stream = connect(self.address).unwrap();
        write!(stream, "{head}Host: {}\r\n\r\n{body}", self.address).unwrap();
        read_reply(&mut BufReader::new(stream)).unwrap().unwrap()
    }

    /// A viewer's WebSocket to a person's main desktop, past the upgrade.
    pub fn watch(&self, name: &str, cookie: &str) -> TcpStream {
        let mut stream = connect(self.address).unwrap();
        write!(
            stream,
            "GET /d/{name}/websockify HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\n\
             Cookie: {cookie}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            self.address
        )
        .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{head:?}");
        stream
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let up = Pid::from_child(&self.up);
        // It may have ended by itself.
        _ = kill_process(up, Signal::TERM);
        let mut ended = process::within(PATIENCE, || self.up.try_wait().transpose());
        if ended.is_none() {
            eprintln!("it does not end and is killed");
            _ = kill_process(up, Signal::KILL);
            ended = Some(self.up.wait());
        }
        if std::thread::panicking() {
            eprintln!("{ended:?}, the log:\n{}", self.log());
        }
    }
}

pub fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The next answer of a connection; `None` when it ended before the answer's first byte.
pub fn read_reply(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Reply>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return if head.is_empty() {
                Ok(None)
            } else {
                Err(io::ErrorKind::UnexpectedEof.into())
            };
        }
    }
    let field = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
    };
    let length = field("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
    Ok(Some(Reply {
        status: status.ok_or(io::ErrorKind::InvalidData)?,
        body: String::from_utf8_lossy(&body).into_owned(),
        head,
    }))
}

/// By another process, so that no child of this one holds the file open for writing.
pub fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}
