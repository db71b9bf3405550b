//! The sandbox, in processes of their own: this test program, started again for one test each.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use deskway::app::entrances::{Entrance, Speaks};
use deskway::app::sandbox;
use deskway::app::serve::{Inherited, serve};
use deskway::config::Config;
use deskway::templates::Templates;
use rustix::process::{Pid, Signal};

use super::{Browser, FakeLauncher, World};
use crate::support::soon;

/// Set for the process that is to go into the sandbox: a directory for it alone.
const DIR: &str = "DESKWAY_TEST_SANDBOX";

#[tokio::test]
async fn the_front_does_all_its_work_inside_the_sandbox() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = again("front::sandbox::child_serves", dir.path());
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let told = tokio::task::spawn_blocking(move || {
        let address = |line: String| line.strip_prefix("address ")?.parse().ok();
        (
            output.by_ref().map(Result::unwrap).find_map(address),
            output,
        )
    });
    // The output stays open: the child goes on writing to it.
    let (address, _output) = soon(told).await.unwrap();
    let address: SocketAddr = address.expect("the front starts");
    let (world, mut screens) = World::new();
    let launcher = FakeLauncher::start(&dir.path().join("front.sock"), &world);

    let mut alice = Browser::new(address);
    let answer = alice.sign_in("alice", "wonderland").await;
    assert_eq!(answer.status, 303, "{answer:?}");
    assert_eq!(alice.get("/api/v1/desktops").await.status, 200);
    assert_eq!(alice.get("/").await.status, 200);
    let mut socket = alice.websocket("/d/alice/websockify").await;
    let (_, mut screen) = screens.next().await;
    let hands = async { tokio::join!(screen.shake_hands(), socket.shake_hands(1)) };
    assert!(soon(hands).await.1.is_ok());

    let pid = Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(soon(socket.closed()).await.unwrap().code, Some(1012));
    let ended = tokio::task::spawn_blocking(move || child.wait().unwrap());
    assert!(soon(ended).await.unwrap().success());
    drop(launcher);
}

#[test]
fn nothing_else_can_be_done_inside_the_sandbox() {
    let dir = tempfile::tempdir().unwrap();
    let child = again("front::sandbox::child_tries_everything", dir.path());
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}

/// Runs one of the tests below in a process of its own.
fn again(test: &str, dir: impl AsRef<OsStr>) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--ignored", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn own_dir() -> Option<PathBuf> {
    std::env::var_os(DIR).map(PathBuf::from)
}

#[test]
#[ignore = "half of a test above, which runs it"]
fn child_serves() {
    let Some(dir) = own_dir() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let front_socket = deskway_osuser::listen(&dir.join("front.sock")).unwrap();
    println!("address {}", listener.local_addr().unwrap());
    let mut config = Config::default_for(1000);
    config.paths.state = dir.join("state");
    let old = config.clone();
    let inherited = Inherited {
        entrances: vec![Entrance {
            socket: listener.into(),
            speaks: Speaks::Http,
            proxy_protocol: false,
        }],
        front_socket,
        launcher_uid: deskway_osuser::own_uid(),
        templates: Templates::built_in().unwrap(),
        reread: Box::new(move |_| Ok(old.clone())),
        announcement: None,
        supervisor: None,
        waits: false,
    };
    serve(config, inherited, || Ok(())).unwrap();
}

#[test]
#[ignore = "half of a test above, which runs it"]
fn child_tries_everything() {
    let Some(dir) = own_dir() else { return };
    let own = dir.join("own");
    fs::create_dir(&own).unwrap();
    let outside = dir.join("outside");
    fs::write(&outside, "secret").unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let unix = UnixListener::bind(dir.join("socket")).unwrap();
    let (near, _far) = UnixStream::pair().unwrap();

    sandbox::enter(&own).unwrap();

    fs::write(own.join("file"), "mine").unwrap();
    assert_eq!(fs::read(own.join("file")).unwrap(), b"mine");
    fs::remove_file(own.join("file")).unwrap();
    std::thread::spawn(|| ()).join().unwrap();
    near.set_nonblocking(true).unwrap();

    let refused = |what: &str, error: Option<std::io::Error>| {
        let error = error.unwrap_or_else(|| panic!("{what} succeeded"));
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{what}: {error}");
    };
    refused("reading /etc/passwd", fs::read("/etc/passwd").err());
    refused("reading a neighbour", fs::read(&outside).err());
    refused("writing a neighbour", fs::write(&outside, "").err());
    refused(
        "a symlink",
        std::os::unix::fs::symlink("/etc", own.join("link")).err(),
    );
    refused("listing /", fs::read_dir("/").err());
    refused(
        "connecting by TCP",
        TcpStream::connect(tcp.local_addr().unwrap()).err(),
    );
    refused("listening by TCP", TcpListener::bind("127.0.0.1:0").err());
    refused(
        "connecting to a socket",
        UnixStream::connect(dir.join("socket")).err(),
    );
    refused(
        "listening at a socket",
        UnixListener::bind(own.join("socket")).err(),
    );
    refused("a pair of datagram sockets", UnixDatagram::pair().err());
    refused("running a program", Command::new("/bin/true").spawn().err());
    let parent = rustix::process::getppid().unwrap();
    let killed = rustix::process::kill_process(parent, Signal::CONT);
    refused("a signal to another process", killed.err().map(Into::into));
    drop((tcp, unix));
}
