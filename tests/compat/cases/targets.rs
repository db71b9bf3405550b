//! Targets that end, refuse, are silent, or are not TCP on 127.0.0.1.

use std::net::TcpListener;

use tempfile::TempDir;

use crate::harness::{Answer, Authority, Target, exchange, proxy, serving, upgrade};
use crate::ledger::case;

case!(a_target_that_closes_ends_the_websocket_with_1000, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    let mut client = subject.open();
    drop(target.accept());
    let closed = client.closed();
    assert_eq!(closed.code, Some(1000));
    assert!(!closed.reason.is_empty());
});

case!(
    the_last_bytes_of_a_target_that_closes_reach_the_client,
    || {
        const LEN: usize = 1 << 20;
        let target = Target::new();
        let subject = proxy(&target).start();
        let mut client = subject.open();
        let mut there = target.accept();
        let writer = std::thread::spawn(move || there.send(&vec![9; LEN]));
        let mut got = 0;
        while got < LEN {
            got += client.expect(0x82).len();
        }
        writer.join().unwrap();
        assert_eq!(client.close_code(), 1000);
    }
);

case!(
    a_target_that_resets_ends_the_websocket_with_a_close_frame,
    || {
        let target = Target::new();
        let subject = proxy(&target).start();
        let mut client = subject.open();
        let mut there = target.accept();
        client.send(b"unread");
        there.send(b"x");
        assert_eq!(client.read_data(1), b"x");
        there.reset();
        let code = client.close_code();
        assert!(matches!(code, 1000 | 1011), "{code}");
    }
);

case!(a_target_that_refuses_is_told_with_1011, || {
    let target = Target::refusing();
    let subject = proxy(&target).start();
    let closed = subject.open().closed();
    assert_eq!(closed.code, Some(1011));
    assert!(!closed.reason.is_empty());
});

case!(a_target_whose_name_does_not_exist_is_told_with_1011, || {
    let subject = serving().to("no-such-host.invalid:5900").start();
    assert_eq!(subject.open().close_code(), 1011);
});

case!(a_silent_target_is_waited_for, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    let mut client = subject.open();
    let mut there = target.accept();
    client.send_frame(0x89, b"nothing yet");
    assert_eq!(client.expect(0x8a), b"nothing yet");
    exchange(&mut client, &mut there);
});

case!(a_target_that_comes_back_is_reached_again, || {
    let target = Target::refusing();
    let subject = proxy(&target).start();
    assert_eq!(subject.open().close_code(), 1011);
    let target = target.open();
    exchange(&mut subject.open(), &mut target.accept());
});

case!(a_target_may_be_a_name, || {
    let target = Target::new();
    let subject = serving()
        .to(&format!("localhost:{}", target.port()))
        .start();
    exchange(&mut subject.open(), &mut target.accept());
});

case!(a_target_may_be_an_ipv6_address_in_brackets, || {
    let target = Target::Tcp(TcpListener::bind("[::1]:0").unwrap());
    let subject = serving().to(&format!("[::1]:{}", target.port())).start();
    exchange(&mut subject.open(), &mut target.accept());
});

case!(a_target_may_be_a_unix_socket, || {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("target");
    let target = Target::unix(&path);
    let subject = serving().with_path("--unix-target", &path).start();
    exchange(&mut subject.open(), &mut target.accept());
});

case!(a_unix_socket_that_is_not_there_is_told_with_1011, || {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("nothing");
    let subject = serving().with_path("--unix-target", &path).start();
    assert_eq!(subject.open().close_code(), 1011);
});

case!(ssl_target_speaks_tls_to_the_target, || {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new();
    let target = Target::new();
    let subject = serving()
        .to(&format!("localhost:{}", target.port()))
        .with(&["--ssl-target"])
        .environment("SSL_CERT_FILE", authority.file(dir.path()))
        .start();
    let mut client = subject.connect();
    client.send(upgrade("/", &[]).as_bytes());
    let mut there = authority.server().serve(target.accept());
    there.send(b"over TLS");
    let mut client = Answer::read(client).websocket();
    assert_eq!(client.read_data(8), b"over TLS");
    client.send(b"and back");
    assert_eq!(there.read_bytes(8), b"and back");
});

case!(ssl_target_refuses_a_target_that_nobody_vouches_for, || {
    let target = Target::new();
    let subject = serving()
        .to(&format!("localhost:{}", target.port()))
        .with(&["--ssl-target"])
        .start();
    let mut client = subject.open();
    let server = Authority::new().server();
    let wire = target.accept();
    let handshake = std::thread::spawn(move || {
        let mut there = server.serve(wire);
        let mut room = [0];
        std::io::Read::read(&mut there, &mut room).is_err()
    });
    assert_eq!(client.close_code(), 1011);
    assert!(
        handshake.join().unwrap(),
        "the target's certificate was taken"
    );
});
