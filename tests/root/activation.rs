//! Sockets that somebody else holds, as systemd does: a restart loses no connection attempt.

use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;

use crate::gateway::Gateway;
use crate::process::{self, PATIENCE};
use crate::visitors::Visitors;

/// Passes standard input and output as systemd passes sockets (sd_listen_fds(3)), and runs its
/// arguments.
const PASS: &str = "exec 3<&0 4>&1 </dev/null >/dev/null\n\
                    LISTEN_PID=${FOR:-$$} LISTEN_FDS=2 LISTEN_FDNAMES=$NAMES exec \"$@\"";

/// What plays systemd.
struct Manager {
    folder: tempfile::TempDir,
    told: UnixDatagram,
}

impl Manager {
    fn new(listeners: &str) -> Self {
        let folder = Gateway::folder();
        let config = folder.path().join("deskway.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(config, format!("{text}\n{listeners}")).unwrap();
        let told = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        told.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { folder, told }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn up(&self, sockets: [OwnedFd; 2], names: &str) -> Command {
        let mut up = Command::new("sh");
        let [first, second] = sockets;
        up.args(["-c", PASS, "sh"]).arg(self.path("deskway"));
        up.arg("up").arg("--config").arg(self.path("deskway.toml"));
        up.env("NAMES", names)
            .env("NOTIFY_SOCKET", self.path("notify"));
        let log = std::fs::File::create(self.path("log")).unwrap();
        up.stdin(first).stdout(Stdio::from(second)).stderr(log);
        up
    }

    fn is_told(&self, wanted: &str) {
        let mut told = [0; 256];
        let length = self.told.recv(&mut told);
        let length = length.unwrap_or_else(|error| panic!("{wanted}: {error}, {}", self.log()));
        assert_eq!(String::from_utf8_lossy(&told[..length]), wanted);
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap()
    }

    /// A start that fails; what it says.
    fn fails(&self, sockets: [OwnedFd; 2], names: &str, for_whom: &str) -> String {
        let mut up = self.up(sockets, names);
        let status = up.env("FOR", for_whom).status().unwrap();
        assert_eq!(status.code(), Some(1), "{}", self.log());
        self.log()
    }
}

#[test]
fn a_restart_on_sockets_of_systemd_loses_no_connection_attempt() {
    let manager = Manager::new(
        "[[listen]]\naddress = \"systemd:web\"\n[[listen]]\naddress = \"systemd:proxy\"\n",
    );
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let path = manager.path("proxy.sock");
    let unix = UnixListener::bind(&path).unwrap();
    let start = || -> Child {
        let sockets = [
            tcp.try_clone().unwrap().into(),
            unix.try_clone().unwrap().into(),
        ];
        manager.up(sockets, "web:proxy").spawn().unwrap()
    };
    // Before it runs at all: whoever comes waits.
    let mut early = TcpStream::connect(address).unwrap();
    let mut up = start();
    manager.is_told("READY=1");
    healthy(&mut early);
    let visitors = Visitors::start(address);
    for _ in 0..3 {
        visitors.serve_more(20);
        healthy(&mut UnixStream::connect(&path).unwrap());
        process::signal(i32::try_from(up.id()).unwrap(), Signal::TERM);
        manager.is_told("STOPPING=1");
        assert!(up.wait().unwrap().success(), "{}", manager.log());
        let mut meanwhile = UnixStream::connect(&path).unwrap();
        up = start();
        manager.is_told("READY=1");
        healthy(&mut meanwhile);
    }
    visitors.serve_more(20);
    visitors.end();
    process::signal(i32::try_from(up.id()).unwrap(), Signal::TERM);
    assert!(up.wait().unwrap().success(), "{}", manager.log());
    assert!(path.exists(), "the socket's file is systemd's");
}

#[test]
fn sockets_that_are_not_what_the_configuration_says_are_named() {
    let manager = Manager::new("[[listen]]\naddress = \"systemd:web\"\n");
    let listener = || OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
    let said = manager.fails([listener(), listener()], "web:other", "");
    assert!(
        said.contains("`other`") && said.contains("[[listen]]"),
        "{said}"
    );
    let said = manager.fails([listener(), listener()], "one:other", "");
    assert!(said.contains("no socket for `systemd:web`"), "{said}");
    // Meant for somebody else, as a child of whom they are for would see them.
    let said = manager.fails([listener(), listener()], "web:web", "1");
    assert!(said.contains("no socket for `systemd:web`"), "{said}");
    let (connected, _other) = UnixStream::pair().unwrap();
    let said = manager.fails([listener(), connected.into()], "web:web", "");
    assert!(
        said.contains("descriptor 4: a socket that does not listen"),
        "{said}"
    );
    let file = std::fs::File::open("/dev/null").unwrap();
    let said = manager.fails([file.into(), listener()], "web:web", "");
    assert!(said.contains("descriptor 3: not a stream socket"), "{said}");
}

fn healthy(stream: &mut (impl std::io::Read + std::io::Write)) {
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
