//! Where it listens: addresses, unix sockets, sockets that somebody else opened.

use std::fs;
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;

use rustix::process::{Signal, kill_process};
use tempfile::TempDir;

use crate::harness::{
    Answer, Subject, Target, Wire, exchange, get, proxy, serving, until, upgrade,
};
use crate::ledger::case;

case!(it_listens_on_an_ipv6_address, || {
    let target = Target::new();
    let subject = proxy(&target).on_host("[::1]").start();
    exchange(&mut subject.open(), &mut target.accept());
});

case!(a_port_alone_is_for_all_addresses, || {
    let target = Target::new();
    let subject = proxy(&target).on_all_addresses().start();
    exchange(&mut subject.open(), &mut target.accept());
});

case!(a_port_alone_is_not_for_ipv6, || {
    let target = Target::new();
    let subject = proxy(&target).on_all_addresses().start();
    let refused = TcpStream::connect(("::1", subject.port)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
});

case!(
    a_port_that_is_taken_on_ipv6_is_an_error_with_minus_6,
    || {
        let taken = TcpListener::bind("[::]:0").unwrap();
        let port = taken.local_addr().unwrap().port().to_string();
        let arguments = ["-6", &*port, "127.0.0.1:1"];
        let ended = serving().nowhere().with(&arguments).run();
        assert!(ended.stderr.contains("in use"), "{}", ended.stderr);
    }
);

case!(
    minus_6_listens_on_ipv6_where_no_address_says_otherwise,
    || {
        let target = Target::new();
        let subject = proxy(&target).on_all_addresses().with(&["-6"]).start();
        let stream = TcpStream::connect(("::1", subject.port)).unwrap();
        let mut wire = Wire::tcp(stream);
        wire.send(upgrade("/", &[]).as_bytes());
        let mut client = Answer::read(wire).websocket();
        exchange(&mut client, &mut target.accept());
    }
);

case!(a_port_in_use_is_an_error_that_ends_it, || {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = proxy(&Target::new()).nowhere().with(&[&address]).run();
    assert!(ended.stderr.contains("in use"), "{}", ended.stderr);
    assert_ne!(ended.status, 0);
});

case!(it_listens_on_a_unix_socket_for_its_owner_alone, || {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("listen");
    let target = Target::new();
    let subject = proxy(&target).on_unix_socket(&path).start();
    exchange(&mut subject.open(), &mut target.accept());
    let metadata = fs::metadata(&path).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
});

case!(the_mode_of_the_unix_socket_is_the_one_asked_for, || {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("listen");
    let target = Target::new();
    let _subject = proxy(&target)
        .with(&["--unix-listen-mode", "660"])
        .on_unix_socket(&path)
        .start();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
});

case!(a_unix_socket_that_a_dead_process_left_is_replaced, || {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("listen");
    drop(UnixListener::bind(&path).unwrap());
    let target = Target::new();
    let subject = proxy(&target).on_unix_socket(&path).start();
    exchange(&mut subject.open(), &mut target.accept());
});

case!(a_file_where_the_unix_socket_goes_is_left_alone, || {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("notes");
    fs::write(&path, "to keep").unwrap();
    let ended = proxy(&Target::new()).on_unix_socket(&path).run();
    assert_ne!(ended.status, 0);
    assert!(ended.stderr.contains("notes"), "{}", ended.stderr);
    assert_eq!(fs::read_to_string(&path).unwrap(), "to keep");
});

case!(from_a_unix_socket_to_a_unix_socket, || {
    let dir = TempDir::new().unwrap();
    let (listen, path) = (dir.path().join("listen"), dir.path().join("target"));
    let target = Target::unix(&path);
    let subject = serving()
        .with_path("--unix-target", &path)
        .on_unix_socket(&listen)
        .start();
    exchange(&mut subject.open(), &mut target.accept());
});

case!(inetd_passes_a_listening_socket, || {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let target = Target::new();
    let subject = proxy(&target).on_stdin(socket.into(), port).start();
    exchange(&mut subject.open(), &mut target.accept());
    exchange(&mut subject.open(), &mut target.accept());
});

case!(inetd_passes_a_connection, || {
    let here = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = here.local_addr().unwrap();
    let stream = TcpStream::connect(address).unwrap();
    let (accepted, _) = here.accept().unwrap();
    let target = Target::new();
    // The listening socket of this test is what makes the start see "listening".
    let mut subject = proxy(&target)
        .on_stdin(accepted.into(), address.port())
        .start();
    let mut wire = Wire::tcp(stream);
    wire.send(upgrade("/", &[]).as_bytes());
    let mut client = Answer::read(wire).websocket();
    exchange(&mut client, &mut target.accept());
    client.leave();
    assert!(subject.process.ended().success());
});

case!(systemd_passes_a_listening_socket, || {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let target = Target::new();
    let subject = proxy(&target).by_systemd(socket.into(), port).start();
    exchange(&mut subject.open(), &mut target.accept());
});

case!(the_port_is_free_again_once_it_has_ended, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    let port = subject.port;
    let mut client = subject.open();
    exchange(&mut client, &mut target.accept());
    drop(subject);
    until("the port free again", || {
        TcpListener::bind(("127.0.0.1", port)).ok()
    });
});

case!(a_second_one_on_the_same_port_is_an_error, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    let ended = proxy(&target).on_port(subject.port).run();
    assert!(ended.stderr.contains("in use"), "{}", ended.stderr);
    exchange(&mut subject.open(), &mut target.accept());
});

case!(
    after_a_crash_it_starts_again_at_once_on_the_same_port,
    || {
        let target = Target::new();
        let mut subject = proxy(&target).start();
        let mut client = subject.open();
        let mut there = target.accept();
        exchange(&mut client, &mut there);
        kill_process(subject.process.pid(), Signal::KILL).unwrap();
        // Not dropped: what it leaves behind is part of the case.
        subject.process.ended();
        let again = proxy(&target).on_port(subject.port).start();
        exchange(&mut again.open(), &mut target.accept());
    }
);

case!(it_listens_on_a_name, || {
    let target = Target::new();
    let subject = proxy(&target).on_host("localhost").start();
    exchange(&mut subject.open(), &mut target.accept());
});

case!(
    connections_that_have_ended_leave_no_descriptor_behind,
    || {
        let target = Target::new();
        let subject = proxy(&target).with(&["--web", "."]).start();
        let visit = || {
            let mut client = subject.open();
            exchange(&mut client, &mut target.accept());
            client.leave();
            drop(subject.open());
            drop(target.accept());
            drop(subject.connect());
            subject.ask(&get("/", &["Connection: close"])).is(200);
        };
        visit();
        let before = until("a count that stays", || {
            let count = descriptors(&subject);
            visit();
            (descriptors(&subject) == count).then_some(count)
        });
        for _ in 0..10 {
            visit();
        }
        until("all descriptors closed", || {
            (descriptors(&subject) <= before).then_some(())
        });
    }
);

case!(a_low_limit_of_open_files_leaves_room_for_many, || {
    let target = Target::new();
    for (limit, many) in [(64, 20), (256, 90)] {
        let subject = proxy(&target).with_descriptors(limit).start();
        let mut clients: Vec<_> = (0..many)
            .map(|_| (subject.open(), target.accept()))
            .collect();
        for (client, there) in &mut clients {
            exchange(client, there);
        }
    }
});

case!(a_low_limit_of_open_files_and_its_end_are_in_the_log, || {
    let target = Target::new();
    let subject = proxy(&target).with_descriptors(64).start();
    let mut clients: Vec<_> = (0..20).map(|_| (subject.open(), target.accept())).collect();
    let more: Vec<_> = (0..30).map(|_| subject.connect()).collect();
    let said = subject.process.stderr.until("as many connections");
    assert!(said.contains("limit of open files is 64"), "{said}");
    for (client, there) in &mut clients {
        exchange(client, there);
    }
    drop(more);
    let said = subject.process.stderr.get();
    assert_eq!(said.matches("as many connections").count(), 1, "{said}");
    until("a place", || {
        let mut wire = subject.connect();
        let request = upgrade("/", &[]);
        std::io::Write::write_all(&mut wire, request.as_bytes()).ok()?;
        Answer::read_if_any(wire)
    });
});

/// How many descriptors the first process has open.
fn descriptors(subject: &Subject) -> usize {
    let pid = subject.process.pid().as_raw_nonzero();
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}
