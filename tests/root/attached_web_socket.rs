//! VNC servers behind a WebSocket, as people's desktops: by the original of websockify and by our
//! own, and by servers that do not behave.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use deskway::launcher::protocol::{Answer, Greeting, Handle, Refusal};

use crate::account::Person;
use crate::front::{Front, greeting, open};
use crate::process::{self, PATIENCE};
use crate::site::Site;

const PAM: &str = "auth required pam_unix.so\naccount required pam_unix.so\n";
const OURS: &str = env!("CARGO_BIN_EXE_deskway");
/// `password`, as `vncpasswd` writes it.
const PASSWD: &[u8] = &[0xdb, 0xd8, 0x3c, 0xfd, 0x72, 0x7a, 0x14, 0x58];
/// Of a relay that nobody reads from, beyond what the launcher itself holds.
const MAX_KIB: u64 = 16 << 10;

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// A folder with a real X server that wants a password when `passwd` is there.
struct Vnc {
    folder: tempfile::TempDir,
    _server: Running,
}

impl Vnc {
    fn start(security: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("passwd"), PASSWD).unwrap();
        let mut server = Command::new("Xtigervnc")
            .current_dir(folder.path())
            .args(["-displayfd", "1", "-rfbport", "-1", "-nolisten", "tcp"])
            .args(["-geometry", "640x480", "-rfbunixpath", "vnc.sock"])
            .args(security)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut display = String::new();
        let mut stdout = BufReader::new(server.stdout.take().unwrap());
        let server = Running(server);
        stdout.read_line(&mut display).unwrap();
        assert!(!display.is_empty(), "the X server does not start");
        Self {
            folder,
            _server: server,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a websockify in front of it; where that listens.
    fn websockify(&self, program: &[&str], more: &[&str]) -> (Running, SocketAddr) {
        let address = free_address();
        let running = Command::new(program[0])
            .args(&program[1..])
            .args(more)
            .args(["--unix-target", &text(&self.path("vnc.sock"))])
            .arg(address.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let running = Running(running);
        process::until("websockify", || TcpStream::connect(address).ok());
        (running, address)
    }
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// A certificate for 127.0.0.1 with its key in one file.
fn certificate(path: &Path) {
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["127.0.0.1".to_owned()];
    let certificate = rcgen::CertificateParams::new(names).unwrap();
    let certificate = certificate.self_signed(&key).unwrap();
    fs::write(path, certificate.pem() + &key.serialize_pem()).unwrap();
}

fn attach(alice: &Person, name: &str, target: &str, more: &str) -> String {
    let owner = &alice.name;
    format!("[[attach]]\ndesktop = \"{owner}/{name}\"\ntarget = \"{target}\"\n{more}\n")
}

/// The words with which a desktop cannot be opened.
fn refused(front: &mut Front, handle: &Handle, desktop: &str) -> String {
    match front.open(handle, desktop) {
        Err(Answer::Refused(Refusal::Failed(reason))) => reason,
        other => panic!("{other:?}"),
    }
}

/// The relays of one site, whichever launcher made them.
fn relays_of(site: &Site) -> Vec<i32> {
    let name = |pid: &i32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let mut found = process::mentioning(&text(site.path()));
    found.retain(|pid| name(pid).trim() == "deskway-relay");
    found.into_iter().collect()
}

fn until_no_relay_is_left(site: &Site) {
    process::until("the relays' end", || {
        relays_of(site).is_empty().then_some(())
    });
    process::until("their reaping", || {
        (!process::has_children(site.pid())).then_some(())
    });
}

#[test]
fn both_websockifys_are_attached_plain_and_with_tls() {
    let alice = Person::new("a");
    let vnc = Vnc::start(&["-SecurityTypes", "None"]);
    certificate(&vnc.path("cert.pem"));
    let cert = text(&vnc.path("cert.pem"));
    let ca_file = format!("ca_file = \"{cert}\"");
    let (mut running, mut config, mut names) = (Vec::new(), String::new(), Vec::new());
    let programs: [(&str, &[&str]); 2] = [
        ("original", &["websockify"]),
        ("ours", &[OURS, "websockify"]),
    ];
    for (name, program) in programs {
        for (scheme, more) in [("ws", &[][..]), ("wss", &["--ssl-only", "--cert", &cert])] {
            let (websockify, address) = vnc.websockify(program, more);
            running.push(websockify);
            let name = format!("{name}-{scheme}");
            let trust = if scheme == "wss" { &ca_file } else { "" };
            let target = format!("{scheme}://{address}/websockify?token=1");
            config += &attach(&alice, &name, &target, trust);
            if scheme == "wss" {
                config += &attach(&alice, &format!("{name}-untrusted"), &target, "");
            }
            names.push(name);
        }
    }
    let (site, mut front) = Site::with(PAM, &config);
    let handle = front.sign_in(&alice);
    for name in names {
        let desktop = format!("{}/{name}", alice.name);
        let stream = front.open(&handle, &desktop).unwrap();
        assert_eq!(relays_of(&site).len(), 1, "{name}");
        assert_eq!(greeting(stream), "RFB 003.008\n", "{name}");
        if name.ends_with("wss") {
            let reason = refused(&mut front, &handle, &format!("{desktop}-untrusted"));
            assert!(
                reason.contains("certificate") && reason.contains("ca_file"),
                "{reason}"
            );
        }
        until_no_relay_is_left(&site);
    }
}

#[test]
fn a_password_is_said_through_the_web_socket() {
    let alice = Person::new("a");
    let vnc = Vnc::start(&["-SecurityTypes", "VncAuth", "-PasswordFile", "passwd"]);
    let (_websockify, address) = vnc.websockify(&["websockify"], &[]);
    let password = |name: &str, text: &str| {
        let path = vnc.path(name);
        fs::write(&path, text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&path, mode).unwrap();
        format!("password_file = \"{}\"", path.display())
    };
    let target = format!("ws://{address}/");
    let config = attach(&alice, "right", &target, &password("right", "password\n"))
        + &attach(&alice, "wrong", &target, &password("wrong", "passwort\n"));
    let (site, mut front) = Site::with(PAM, &config);
    let handle = front.sign_in(&alice);
    let reason = refused(&mut front, &handle, &format!("{}/wrong", alice.name));
    assert!(reason.contains("does not let Deskway in"), "{reason}");

    let id = front.send(open(&handle, &format!("{}/right", alice.name)));
    let (Answer::Stream { greeting }, Some(stream)) = front.answer(id) else {
        panic!("no stream");
    };
    assert_eq!(greeting, Greeting::Done);
    let mut stream = UnixStream::from(stream);
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // ClientInit, and the size that ServerInit begins with.
    stream.write_all(&[1]).unwrap();
    let mut size = [0; 4];
    stream.read_exact(&mut size).unwrap();
    assert_eq!(size, [2, 128, 1, 224]);
    drop(stream);
    until_no_relay_is_left(&site);
}

#[test]
fn an_open_viewer_outlives_the_launcher_and_its_end_ends_the_relay() {
    let alice = Person::new("a");
    let vnc = Vnc::start(&["-SecurityTypes", "None"]);
    let (_websockify, address) = vnc.websockify(&["websockify"], &[]);
    let config = attach(&alice, "web", &format!("ws://{address}/"), "");
    let (mut site, mut front) = Site::with(PAM, &config);
    let handle = front.sign_in(&alice);
    let mut stream = front.open(&handle, &format!("{}/web", alice.name)).unwrap();
    site.kill();
    front.hang_up();
    site.start();
    front.accept();
    assert_eq!(greeting(stream.try_clone().unwrap()), "RFB 003.008\n");
    stream.write_all(b"RFB 003.008\n").unwrap();
    let mut types = [0; 2];
    stream.read_exact(&mut types).unwrap();
    assert_eq!(types, [1, 1]);
    assert_eq!(relays_of(&site).len(), 1);
    drop(stream);
    until_no_relay_is_left(&site);
}

/// A server that answers each connection with `said`, then with `flood` for ever, and reads.
fn serve(said: &'static [u8], flood: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            thread::spawn(move || answer(stream, said, flood));
        }
    });
    address
}

/// `KEY` stands for the answer to the request's key.
fn answer(mut stream: TcpStream, said: &[u8], flood: &[u8]) {
    let mut key = String::new();
    for line in BufReader::new(stream.try_clone().unwrap()).lines() {
        let Ok(line) = line else { return };
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("sec-websocket-key")
        {
            value.trim().clone_into(&mut key);
        }
        if line.is_empty() {
            break;
        }
    }
    let value = http::HeaderValue::try_from(key).unwrap();
    let value = deskway::bridge::websocket::answer_to(&value).unwrap();
    let at = said.windows(3).position(|part| part == b"KEY");
    let sent = match at {
        Some(at) => stream.write_all(&[&said[..at], value.as_bytes(), &said[at + 3..]].concat()),
        None => stream.write_all(said),
    };
    while sent.is_ok() && !flood.is_empty() {
        if stream.write_all(flood).is_err() {
            return;
        }
    }
    // Until the other side has had enough.
    _ = std::io::copy(&mut stream, &mut std::io::sink());
}

const UPGRADED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: KEY\r\n\r\n";

#[test]
fn servers_that_do_not_behave_are_named_in_plain_words() {
    let alice = Person::new("a");
    let with = |frames: &[u8]| -> &'static [u8] { [UPGRADED, frames].concat().leak() };
    let cases: &[(&str, &[u8], &[u8], &str)] = &[
        (
            "page",
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            b"",
            "answered 404 Not Found to the upgrade",
        ),
        ("other", b"SSH-2.0-OpenSSH\r\n", b"", "does not speak HTTP"),
        (
            "heads",
            b"HTTP/1.1 200 OK\r\n",
            b"X-A: aaaaaaaaaaaa\r\n",
            "no WebSocket server",
        ),
        ("silent", b"", b"", "did not answer the upgrade in time"),
        ("mute", UPGRADED, b"", "says nothing"),
        (
            "text",
            with(b"\x81\x02hi"),
            b"",
            "breaks the WebSocket protocol",
        ),
        ("pings", UPGRADED, b"\x89\x02hi", "says nothing"),
        (
            "close",
            with(b"\x88\x09\x03\xf3no host"),
            b"",
            "with code 1011: no host",
        ),
        ("web", with(b"\x82\x04GET "), b"", "no VNC server"),
    ];
    let mut config = String::new();
    for (name, said, flood, _) in cases {
        let address = serve(said, flood);
        config += &attach(&alice, name, &format!("ws://{address}/a?token=secret"), "");
    }
    let down = free_address();
    config += &attach(&alice, "down", &format!("ws://{down}/"), "");
    let (site, mut front) = Site::with(PAM, &config);
    let handle = front.sign_in(&alice);
    let own = |name: &str| format!("{}/{name}", alice.name);
    for (name, _, _, words) in cases {
        let reason = refused(&mut front, &handle, &own(name));
        assert!(
            reason.contains(words) && !reason.contains("secret"),
            "{name}: {reason}"
        );
    }
    let reason = refused(&mut front, &handle, &own("down"));
    assert!(reason.contains(&down.to_string()), "{reason}");
    until_no_relay_is_left(&site);
}

#[test]
fn a_server_that_floods_waits_for_its_viewer() {
    let alice = Person::new("a");
    let said = [UPGRADED, b"\x02\x04RFB "].concat();
    let frame = [&b"\x00\x7e\x40\x00"[..], &[7; 1 << 14]].concat();
    let address = serve(said.leak(), frame.leak());
    let config = attach(&alice, "web", &format!("ws://{address}/"), "");
    let (site, mut front) = Site::with(PAM, &config);
    let handle = front.sign_in(&alice);
    let mut stream = front.open(&handle, &format!("{}/web", alice.name)).unwrap();
    let [relay] = relays_of(&site)[..] else {
        panic!("not one relay");
    };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut some = vec![0; 8 << 20];
    stream.read_exact(&mut some).unwrap();
    assert!(some.starts_with(b"RFB \x07\x07"));
    let status = fs::read_to_string(format!("/proc/{relay}/status")).unwrap();
    let held = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let held: u64 = held
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    assert!(held < MAX_KIB, "{held} KiB");
    // What it may do no more.
    assert!(
        status.contains("Seccomp:\t2") && status.contains("NoNewPrivs:\t1"),
        "{status}"
    );
    assert!(!status.contains("Uid:\t0"), "{status}");
    drop(stream);
    until_no_relay_is_left(&site);
}
