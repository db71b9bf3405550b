//! A wrapped command whose port is moved, and what becomes of it.

use std::fs;
use std::net::TcpListener;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Start, Subject, Ws, serving, until};
use crate::ledger::case;

/// A server: binds the port that it is told on all addresses, and sends back what comes, over one
/// connection after the other. A connection that says `quit` ends it.
const SERVER: &str = r"
import socket, sys
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(('', int(sys.argv[1])))
listener.listen()
print('listening', flush=True)
while True:
    client, _ = listener.accept()
    while True:
        data = client.recv(65536)
        if data == b'quit':
            sys.exit(int(sys.argv[2]))
        if not data:
            break
        client.sendall(data)
";

fn wrapping(mode: &str, status: &str) -> Start {
    serving().with(&["--wrap-mode", mode]).wrapping(&[
        "/usr/bin/python3",
        "-c",
        SERVER,
        "{port}",
        status,
    ])
}

/// The server behind it answers.
fn answers(subject: &Subject) -> Ws {
    // It starts at the same time, so that the first connections may come too early.
    until("the wrapped server", || {
        let mut client = subject.open();
        client.send(b"ping");
        let answer = client.next()?;
        (answer.payload == b"ping").then_some(client)
    })
}

/// The server behind it ends.
fn quit(subject: &Subject) {
    let mut client = answers(subject);
    client.send(b"quit");
    // An original that exits at once leaves without a close frame.
    while client.next().is_some_and(|frame| frame.first != 0x88) {}
}

case!(
    a_wrapped_server_is_moved_to_another_port_and_reached,
    || {
        let subject = wrapping("exit", "0").start();
        answers(&subject);
        let family = subject.process.family();
        drop(subject);
        let left = family.iter().any(|pid| {
            let state = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
            state.is_ok_and(|stat| !stat.contains(") Z "))
        });
        assert!(!left, "the test leaves processes");
    }
);

case!(wrap_mode_exit_ends_with_the_servers_status, || {
    let mut subject = wrapping("exit", "3").start();
    quit(&subject);
    let status = subject.process.ended();
    assert_eq!(status.code(), Some(3));
});

case!(exit_is_the_wrap_mode_when_none_is_given, || {
    let mut subject = serving()
        .wrapping(&["/usr/bin/python3", "-c", SERVER, "{port}", "0"])
        .start();
    quit(&subject);
    assert_eq!(subject.process.ended().code(), Some(0));
});

case!(wrap_mode_ignore_goes_on_without_the_server, || {
    let mut subject = wrapping("ignore", "0").start();
    quit(&subject);
    until("a refusal", || {
        (subject.open().close_code() == 1011).then_some(())
    });
    assert!(subject.process.is_running());
});

case!(wrap_mode_respawn_starts_the_server_again, || {
    let mut subject = wrapping("respawn", "1").start();
    quit(&subject);
    answers(&subject);
    assert!(subject.process.is_running());
});

case!(the_wrapped_server_lives_on_when_it_is_ended, || {
    let mut subject = wrapping("exit", "0").start();
    drop(answers(&subject));
    let pid = subject.process.pid();
    kill_process(pid, Signal::TERM).unwrap();
    assert!(subject.process.ended().success());
    let port = subject.port;
    until("a free port", || {
        TcpListener::bind(("127.0.0.1", port)).ok()
    });
    let family = subject.process.family();
    let is_server = |pid: &Pid| {
        let command = fs::read_to_string(format!("/proc/{}/cmdline", pid.as_raw_nonzero()));
        command.is_ok_and(|command| command.starts_with("/usr/bin/python3\0-c\0"))
    };
    assert!(family.iter().any(is_server), "the server is gone");
});

case!(the_wrapped_server_gets_its_own_options, || {
    // What looks like an option of ours behind `--` is the server's.
    let subject = serving()
        .wrapping(&[
            "/usr/bin/python3",
            "-c",
            SERVER,
            "{port}",
            "0",
            "--help",
            "-v",
        ])
        .start();
    answers(&subject);
});

case!(a_wrapped_command_that_does_not_exist_is_an_error, || {
    let ended = serving().wrapping(&["/no/such/program", "{port}"]).run();
    assert_ne!(ended.status, 0);
    assert!(
        ended.stderr.contains("/no/such/program"),
        "{}",
        ended.stderr
    );
});
