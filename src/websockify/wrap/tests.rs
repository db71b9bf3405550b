//! Wrapped programs, real ones.

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use tokio::io::AsyncReadExt as _;

use super::keeper::Reap;
use super::*;
use crate::websockify::dial::Dialer;

/// Listens where its second argument says, on the port that its first one names; when it does, it
/// connects to that port, where the test listens, and says so; says hello to the first who comes,
/// and ends with 7. It ends, too, when the test has let go of it.
const SERVER: &str = "
import select, socket, sys
port, where = int(sys.argv[1]), sys.argv[2]
six = ':' in where
server = socket.socket(socket.AF_INET6 if six else socket.AF_INET)
if six:
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(sys.argv[3]))
server.bind((where, port))
server.listen()
tester = socket.create_connection(('127.0.0.1', port))
tester.sendall(b'listening')
ready, _, _ = select.select([server, tester], [], [])
if server not in ready:
    sys.exit('the test is over')
client, _ = server.accept()
client.sendall(b'hello')
sys.exit(7)
";

/// Until a program has started and listens.
const LISTENING_TIMEOUT: Timespec = Timespec {
    tv_sec: 20,
    tv_nsec: 0,
};

/// A program whose keeper is a thread, since tests may not fork.
fn wrap(
    port: u16,
    mode: WrapMode,
    words: &[&str],
) -> (Result<Wrapped, WrapError>, JoinHandle<i32>) {
    wrap_where(port, mode, words, || {})
}

/// In a thread that has `prepare`d itself.
fn wrap_where(
    port: u16,
    mode: WrapMode,
    words: &[&str],
    prepare: impl FnOnce() + Send + 'static,
) -> (Result<Wrapped, WrapError>, JoinHandle<i32>) {
    let orders = Orders {
        command: words.iter().map(OsString::from).collect(),
        old_port: port,
        new_port: free_port().unwrap(),
        ignored: Vec::new(),
        library: None,
        mode,
    };
    let (here, there) = UnixStream::pair().unwrap();
    let (kept, wrapped) = (orders.clone(), orders);
    let keeper = thread::spawn(move || {
        prepare();
        Keeper::new(&kept, &there, Reap::Own).run()
    });
    (Wrapped::over(here, &wrapped), keeper)
}

fn next(wrapped: &Wrapped) -> Event {
    wrapped.first_event().unwrap()
}

/// Returns when `SERVER` listens. Others may look for somebody on that port, too, since it was
/// free a moment ago. `SERVER` lives no longer than what is returned, or `own`.
fn listening(own: &TcpListener) -> TcpStream {
    loop {
        let mut waiting = [PollFd::new(own, PollFlags::IN)];
        let came = poll(&mut waiting, Some(&LISTENING_TIMEOUT)).unwrap();
        assert_eq!(came, 1, "the program does not listen");
        let (mut tester, _) = own.accept().unwrap();
        tester.set_read_timeout(Some(START_TIMEOUT)).unwrap();
        let mut word = [0; 9];
        if tester.read_exact(&mut word).is_ok() && word == *b"listening" {
            return tester;
        }
    }
}

async fn hello(wrapped: &Wrapped) -> String {
    let mut text = String::new();
    let dialer = Dialer::new(false).unwrap();
    let mut server = dialer.dial(&wrapped.target()).await.unwrap();
    server.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn a_program_listens_on_another_port_than_it_asks_for() {
    for address in [
        &["0.0.0.0"][..],
        &["127.0.0.1"],
        &["::", "0"],
        &["::", "1"],
        &["::1", "0"],
    ] {
        let own = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = own.local_addr().unwrap().port();
        let number = port.to_string();
        let words = [&["python3", "-c", SERVER, &number], address].concat();
        let (wrapped, keeper) = wrap(port, WrapMode::Exit, &words);
        let wrapped = wrapped.unwrap();

        let tester = listening(&own);
        assert!(matches!(next(&wrapped), Event::Moved), "{address:?}");
        assert_eq!(hello(&wrapped).await, "hello", "{address:?}");
        assert_eq!(wrapped.ended().await.unwrap(), 7);
        assert_eq!(keeper.join().unwrap(), 0);
        drop(tester);
    }
}

#[tokio::test]
async fn a_program_in_the_background_is_kept_too() {
    let own = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = own.local_addr().unwrap().port();
    let number = port.to_string();
    let script = "python3 -c \"$0\" $1 0.0.0.0 &";
    let words = ["sh", "-c", script, SERVER, &number];
    let (wrapped, keeper) = wrap(port, WrapMode::Ignore, &words);
    let wrapped = wrapped.unwrap();

    let _tester = listening(&own);
    let events = [next(&wrapped), next(&wrapped)];
    assert!(
        events.iter().any(|it| matches!(it, Event::Ended(0))),
        "{events:?}"
    );
    assert!(
        events.iter().any(|it| matches!(it, Event::Moved)),
        "{events:?}"
    );
    assert_eq!(hello(&wrapped).await, "hello");
    assert_eq!(keeper.join().unwrap(), 0);
}

#[test]
fn other_ports_and_unix_sockets_are_not_touched() {
    let script = "
import socket
one, two, three = socket.socket(), socket.socket(socket.AF_UNIX), socket.socket(socket.AF_INET6)
one.bind(('127.0.0.2', 0))
assert one.getsockname()[0] == '127.0.0.2'
two.bind('\\0deskway-test' + '-' * 3)
two.getsockname()
three.bind(('::1', 0))
assert three.getsockname()[0] == '::1'
";
    let (wrapped, keeper) = wrap(1, WrapMode::Exit, &["python3", "-c", script]);
    assert!(matches!(next(&wrapped.unwrap()), Event::Ended(0)));
    assert_eq!(keeper.join().unwrap(), 0);
}

#[test]
fn a_program_that_ends_at_once_is_started_three_times_and_then_waits() {
    let (wrapped, keeper) = wrap(1, WrapMode::Respawn, &["sh", "-c", "exit 3"]);
    let wrapped = wrapped.unwrap();
    for start in 1..=3 {
        assert!(matches!(next(&wrapped), Event::Ended(3)), "{start}");
        let expected = if start < 3 {
            Event::Started
        } else {
            Event::TooFast
        };
        assert_eq!(next(&wrapped).message(), expected.message());
    }
    // Nobody waits for it any more.
    drop(wrapped);
    assert_eq!(keeper.join().unwrap(), 0);
}

#[tokio::test]
async fn a_program_that_a_signal_ends_has_the_status_that_shells_give_it() {
    let (wrapped, keeper) = wrap(1, WrapMode::Exit, &["sh", "-c", "kill -TERM $$"]);
    assert_eq!(wrapped.unwrap().ended().await.unwrap(), 128 + 15);
    assert_eq!(keeper.join().unwrap(), 0);
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let (wrapped, keeper) = wrap(1, WrapMode::Exit, &["/does/not/exist", "-v"]);
    let error = wrapped.unwrap_err().to_string();
    assert!(
        error.contains("cannot start /does/not/exist -v: No such file"),
        "{error}"
    );
    assert_eq!(keeper.join().unwrap(), 0);
}

#[test]
fn a_program_whose_port_cannot_be_moved_is_to_be_started_by_itself() {
    let no_filters = || {
        let filters = u64::from(libc::SECCOMP_SET_MODE_FILTER);
        let (word, is) = (SeccompCmpArgLen::Dword, SeccompCmpOp::Eq);
        let sets_a_filter = SeccompCondition::new(0, word, is, filters).unwrap();
        let rule = SeccompRule::new(vec![sets_a_filter]).unwrap();
        let filter = SeccompFilter::new(
            BTreeMap::from([(libc::SYS_seccomp, vec![rule])]),
            SeccompAction::Allow,
            SeccompAction::Errno(libc::EPERM.cast_unsigned()),
            std::env::consts::ARCH.try_into().unwrap(),
        );
        let program: BpfProgram = filter.unwrap().try_into().unwrap();
        seccompiler::apply_filter(&program).unwrap();
    };
    let words = ["sh", "-c", "exit 7"];
    let (wrapped, keeper) = wrap_where(5901, WrapMode::Respawn, &words, no_filters);
    let error = wrapped.unwrap_err().to_string();
    let begins =
        "the port of sh -c exit 7 cannot be moved on this machine (Operation not permitted";
    assert!(error.starts_with(begins), "{error}");
    let ends =
        "start it by itself on another port, and name that: websockify 5901 localhost:OTHER_PORT";
    assert!(error.ends_with(ends), "{error}");
    assert_eq!(keeper.join().unwrap(), 0);
}

#[test]
fn a_program_is_not_hindered_by_what_this_process_ignores() {
    // Rust programs ignore SIGPIPE: `yes` would go on for ever, or complain.
    let words = ["sh", "-c", "yes | head -n 1 > /dev/null"];
    let (wrapped, keeper) = wrap(1, WrapMode::Exit, &words);
    assert!(matches!(next(&wrapped.unwrap()), Event::Ended(0)));
    assert_eq!(keeper.join().unwrap(), 0);
}
