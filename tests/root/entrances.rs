//! Where `up` and `serve` listen: files of unix sockets, several ways in, a new configuration.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;

use crate::process;

/// A group that every Debian machine has.
const GROUP: (&str, u32) = ("daemon", 1);

/// A directory with a configuration, and the program that runs with it.
struct Place {
    dir: tempfile::TempDir,
    running: Option<Child>,
}

impl Place {
    fn new() -> Self {
        assert!(deskway_osuser::is_root(), "these tests need root");
        let mut builder = tempfile::Builder::new();
        let dir = builder.prefix("dwt-").tempdir_in("/var/tmp").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o711);
        fs::set_permissions(dir.path(), mode).unwrap();
        let place = Self { dir, running: None };
        place.configure("");
        place
    }

    /// Four ways in, with more in `[server]`.
    fn configure(&self, server: &str) {
        let text = format!(
            "[server]\n{server}\n\
             [paths]\nrun = \"{dir}/r\"\nstate = \"{dir}/s\"\n\
             [[listen]]\naddress = \"127.0.0.1:0\"\n\
             [[listen]]\naddress = \"0.0.0.0:0\"\nprotocol = \"http\"\n\
             [[listen]]\naddress = \"127.0.0.2:0\"\nprotocol = \"redirect\"\n\
             [[listen]]\naddress = \"unix:{socket}\"\nsocket_mode = \"0620\"\nsocket_group = \"{group}\"\n",
            dir = self.dir.path().display(),
            socket = self.socket().display(),
            group = GROUP.0
        );
        fs::write(self.dir.path().join("deskway.toml"), text).unwrap();
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("http.sock")
    }

    fn start(&mut self, role: &str) {
        let log = File::create(self.dir.path().join("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_deskway"));
        command.args([role, "--config"]);
        command.arg(self.dir.path().join("deskway.toml"));
        let started = command.stdout(Stdio::piped()).stderr(log).spawn();
        self.running = Some(started.unwrap());
    }

    /// Waits for the line that says that people can sign in.
    fn until_told(&mut self) {
        let output = self.running.as_mut().unwrap().stdout.take().unwrap();
        let mut lines = BufReader::new(output).lines().map(Result::unwrap);
        let told = lines.find(|line| line.starts_with("Deskway is at "));
        assert!(told.is_some(), "{}", self.log());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    /// The answer to a request over the unix socket, by a proxy that tells of https; none when
    /// nobody listens.
    fn ask(&self) -> Option<String> {
        let mut stream = UnixStream::connect(self.socket()).ok()?;
        let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                       X-Forwarded-Proto: https\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n";
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    fn signal(&self, signal: Signal) {
        let pid = self.running.as_ref().unwrap().id();
        process::signal(i32::try_from(pid).unwrap(), signal);
    }

    fn end(&mut self, signal: Signal) {
        self.signal(signal);
        self.running.take().unwrap().wait().unwrap();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(running) = &mut self.running {
            _ = running.kill();
            _ = running.wait();
        }
    }
}

fn is_believed(answer: &str) -> bool {
    answer.contains("strict-transport-security")
}

#[test]
fn up_makes_its_socket_as_configured_and_removes_it_and_hears_of_new_proxies() {
    let mut place = Place::new();
    // One that nobody listens on any more.
    drop(UnixListener::bind(place.socket()).unwrap());
    // A proxy on this machine does not make others speak https.
    place.configure("trusted_proxies = [\"127.0.0.1\"]");
    place.start("up");
    place.until_told();
    let file = fs::symlink_metadata(place.socket()).unwrap();
    assert!(file.file_type().is_socket());
    assert_eq!(file.mode() & 0o777, 0o620);
    assert_eq!((file.uid(), file.gid()), (0, GROUP.1));
    let answer = place.ask().unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && !is_believed(&answer),
        "{answer}"
    );
    let log = place.log();
    let warnings = log.lines().filter(|line| line.contains("in the clear"));
    assert_eq!(warnings.count(), 1, "{log}");

    place.configure("trusted_proxies = [\"unix\"]");
    place.signal(Signal::HUP);
    process::until("the new proxies", || {
        place
            .ask()
            .is_some_and(|answer| is_believed(&answer))
            .then_some(())
    });
    place.end(Signal::TERM);
    assert!(!place.socket().exists());
}

#[test]
fn a_socket_in_a_directory_that_others_may_write_is_refused() {
    use std::os::unix::fs::{PermissionsExt as _, chown};

    let mut place = Place::new();
    let folder = place.dir.path().join("theirs");
    fs::create_dir(&folder).unwrap();
    let socket = folder.join("http.sock");
    let text = format!(
        "[paths]\nrun = \"{dir}/r\"\nstate = \"{dir}/s\"\n\
         [[listen]]\naddress = \"unix:{}\"\nsocket_group = \"{}\"\n",
        socket.display(),
        GROUP.0,
        dir = place.dir.path().display(),
    );
    fs::write(place.dir.path().join("deskway.toml"), text).unwrap();
    for (owner, mode) in [(GROUP.1, 0o755), (0, 0o777), (0, 0o775)] {
        chown(&folder, Some(owner), None).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
        place.start("up");
        let ended = place.running.take().unwrap().wait().unwrap();
        assert_eq!(ended.code(), Some(1), "{}", place.log());
        let log = place.log();
        assert!(log.contains("choose a directory that is root's"), "{log}");
        assert!(fs::symlink_metadata(&socket).is_err());
    }
    // As /tmp is.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o1777)).unwrap();
    place.start("up");
    process::until("the socket", || socket.exists().then_some(()));
    place.end(Signal::TERM);
}

#[test]
fn after_a_crash_the_socket_is_made_anew() {
    let mut place = Place::new();
    place.start("up");
    place.until_told();
    place.end(Signal::KILL);
    // The processes below it end with it.
    process::until("the end of its children", || {
        place.ask().is_none().then_some(())
    });
    assert!(place.socket().exists());
    place.start("up");
    place.until_told();
    assert!(place.ask().unwrap().starts_with("HTTP/1.1 200 "));
    place.end(Signal::INT);
    assert!(!place.socket().exists());
}

#[test]
fn serve_alone_removes_its_socket_too() {
    let mut place = Place::new();
    place.start("serve");
    process::until("an answer", || {
        place
            .ask()
            .is_some_and(|answer| answer.starts_with("HTTP/1.1 200 "))
            .then_some(())
    });
    place.end(Signal::TERM);
    process::until("the socket's end", || {
        (!place.socket().exists()).then_some(())
    });
}
